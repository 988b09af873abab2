"""The jobs of a shell that has a terminal: who is in the foreground, who is stopped, who goes on behind. POSIX, XCU 2.11.

[1]+  Stopped                    sleep 100          a line as `jobs` has it
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from podlink.engine.runtime.emulator import signals
from podlink.engine.runtime.emulator.process import Process
from podlink.engine.runtime.emulator.terminal import Terminal
from podlink.engine.runtime.emulator.userland import children
from podlink.engine.runtime.emulator.userland.control import Abandoned, ShellFault

if TYPE_CHECKING:
    from podlink.engine.runtime.emulator.userland.shell import Shell


@dataclass
class Job:
    """members: of a pipeline, in its order. They are one process group. told: the state that was told last."""

    number: int
    members: Sequence[Process]
    text: str
    told: str = "Running"

    @property
    def group(self) -> int:
        return self.members[0].group

    @property
    def has_ended(self) -> bool:
        return all(each.ending for each in self.members)

    @property
    def state(self) -> str:
        if stopped := [each.stopped for each in self.members if each.stopped and not each.ending]:
            return signals.description_of(stopped[-1])
        if not (ending := self.members[-1].ending):
            return "Running"
        if ending.signal:
            return signals.description_of(ending.signal)
        return f"Done({ending.code})" if ending.code else "Done"


class Jobs:
    """The last one is the one that is meant where none is named."""

    def __init__(self, terminal: Terminal) -> None:
        self._terminal = terminal
        self._jobs: list[Job] = []

    def add(self, members: Sequence[Process], text: str) -> Job:
        job = Job(max((each.number for each in self._jobs), default=0) + 1, members, text)
        self._jobs.append(job)
        return job

    def lines(self) -> Iterator[str]:
        """A line each, the one that is meant first."""
        for job in reversed(self._jobs):
            yield self._line(job)

    def _line(self, job: Job) -> str:
        rank = self._jobs[::-1].index(job)
        job.told = job.state
        return f"[{job.number}]{'+-'[rank : rank + 1] or ' '}  {job.told:<27}{job.text}\n"

    def news(self) -> Iterator[str]:
        """A line for each that was stopped, or has ended and is told of for the last time."""
        for job in self._jobs[::-1]:
            if job.state not in (job.told, "Running"):
                yield self._line(job)
            if job.has_ended:
                self._jobs.remove(job)

    def find(self, called: str, argv: Sequence[str]) -> Job:
        """The job that `%1`, or nothing, means. Raises ShellFault."""
        word = argv[0] if argv else "%%"
        if self._jobs and word in ("%%", "%+", "%"):
            return self._jobs[-1]
        for job in self._jobs:
            if word == f"%{job.number}":
                return job
        raise ShellFault(f"{called}: line 0: {'no current job' if word == '%%' else f'{word}: no such job'}")

    def resume(self, shell: "Shell", job: Job) -> None:
        """Let it go on; it is the one that is meant from now on."""
        self._jobs.append(self._jobs.pop(self._jobs.index(job)))
        job.told = "Running"
        shell.process.kill(-job.group, signals.CONT)

    def go_on(self, shell: "Shell", job: Job) -> int:
        """The same in the foreground, until it ends or is stopped again; its status."""
        self.resume(shell, job)
        self._jobs.remove(job)
        return self.await_foreground(shell, job.members, job.text)

    def give(self, process: Process) -> None:
        """Its group has the terminal now: tcsetpgrp(3). A child in the foreground takes it itself, first of all."""
        self._terminal.foreground = process.group

    def await_foreground(self, shell: "Shell", members: Sequence[Process], text: str) -> int:
        """Let them have the terminal until they have ended, or are stopped and so become a job; the status of the last.

        Raises Abandoned where SIGINT ended them.
        """
        process = shell.process
        self.give(members[0])
        try:
            endings = [process.wait(each, stops=True) for each in members]
        finally:
            self.give(process)
        last = endings[-1]
        if not all(each.ending for each in members):
            process.write(1, self._line(self.add(members, text)))
        elif last.signal == signals.INT:
            process.write(2, "\n")
            raise Abandoned
        elif last.signal and last.signal != signals.PIPE:
            process.write(2, signals.description_of(last.signal) + "\n")
        return children.status(shell, endings)
