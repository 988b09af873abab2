"""The shell's children: subshells, stages of a pipeline, commands in the background and programs. POSIX, XCU 2.12.

A child that runs shell syntax has a shell of its own, copied before the parent goes on.
"""

import os
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING

from podlink.engine.runtime.emulator import programs, signals
from podlink.engine.runtime.emulator.process import Ending, Exited, Process
from podlink.engine.runtime.emulator.userland.control import MISUSE, NOT_EXECUTABLE, NOT_FOUND, Leave, Return, ShellFault
from podlink.engine.runtime.emulator.userland.syntax import Command
from podlink.engine.runtime.emulator.userland.syntax import Sequence as Script
from podlink.engine.runtime.emulator.userland.words import SyntaxFault

if TYPE_CHECKING:
    from podlink.engine.runtime.emulator.userland.shell import Shell

DESCRIPTORS = frozenset(range(10))
"""Those that a script can name, and that a child inherits."""


def fork(
    shell: "Shell",
    body: "Callable[[Shell], None]",
    *,
    files: Mapping[int, int] | None = None,
    deaf: bool = False,
    leader: Process | None = None,
) -> Process:
    """A child that does `body`. Where the shell has jobs it is one, or belongs to that of its leader.

    deaf: in the background, where SIGINT and SIGQUIT are ignored and input is empty, unless it is a job.
    """
    copy = shell.copy()
    group = None if shell.controls is None else leader.group if leader else 0

    def live(process: Process) -> int:
        copy.process = process
        if shell.controls and not deaf:
            shell.controls.give(process)
        for number in shell.deaf - {number for number, command in copy.traps.items() if not command}:
            process.default_signal(number)
        if deaf and group is None:
            for number in (signals.INT, signals.QUIT):
                process.on_signal(number, None)
            process.install(process.channel(process.open("/dev/null")).acquire(), 0)
        try:
            body(copy)
        except (ShellFault, SyntaxFault) as fault:
            copy.complain(str(fault))
            return fault.code if isinstance(fault, ShellFault) else MISUSE
        except (Exited, Return) as left:
            copy.status = left.code
        except Leave:
            pass
        return copy.finish()

    chosen = {number: number for number in shell.process.files if number in DESCRIPTORS} if files is None else files
    try:
        return shell.process.fork(live, files=chosen, group=group)
    except OSError as error:
        raise ShellFault(f"can't fork: {os.strerror(error.errno or 0)}") from None


def reap(shell: "Shell", *members: Process, text: str = "") -> int:
    """Wait for a child or a pipeline of them, say what signals ended them, and give the status of the last.

    text: what it is called should it become a job that is stopped.
    """
    if shell.controls:
        return shell.controls.await_foreground(shell, members, text or shell.text)
    endings = [shell.process.wait(child) for child in members]
    for ending in endings:
        report(shell, ending)
    return status(shell, endings)


def status(shell: "Shell", endings: Sequence[Ending]) -> int:
    """Of a pipeline: that of its last command, or (`set -o pipefail`) of the last one that failed."""
    failed = [ending.status for ending in endings if ending.status]
    return failed[-1] if failed and shell.options["pipefail"] else endings[-1].status


def report(shell: "Shell", ending: Ending) -> None:
    if ending.signal and ending.signal not in (signals.INT, signals.PIPE):
        shell.process.write(2, signals.description_of(ending.signal) + "\n")


def pipeline(shell: "Shell", commands: tuple[Command, ...]) -> int:
    """Each command a child, the output of one the input of the next; the status is that of the last."""
    process, previous = shell.process, None
    children: list[Process] = []
    for number, command in enumerate(commands, start=1):
        reader, writer = process.pipe() if number < len(commands) else (None, None)
        files = {each: each for each in process.files if each in DESCRIPTORS and each not in (reader, writer, previous)}
        files |= {0: previous} if previous is not None else {}
        files |= {1: writer} if writer is not None else {}
        children.append(fork(shell, partial(_stage, command), files=files, leader=children[0] if children else None))
        for done in (previous, writer):
            if done is not None:
                process.close(done)
        previous = reader
    return reap(shell, *children)


def _stage(command: Command, shell: "Shell") -> None:
    shell.command(command, last=True)


def capture(shell: "Shell", body: Script) -> str:
    """What a command writes, less the newlines at its end."""
    process = shell.process
    reader, writer = process.pipe()
    files = {each: each for each in process.files if each in DESCRIPTORS and each not in (reader, writer)}
    child = fork(shell, lambda copy: copy.sequence(body, last=True), files={**files, 1: writer}, leader=process)
    process.close(writer)
    output, kept = bytearray(), 0
    while data := process.read(reader):
        output += data
        kept += process.keep(len(data), len(output))
    process.close(reader)
    process.free(kept)
    shell.status = reap(shell, child)
    return output.decode(errors="surrogateescape").replace("\0", "").rstrip("\n")


def find(shell: "Shell", argv: list[str]) -> programs.Loaded:
    """What a command's name means: a file along PATH; where there is none, the command that busybox has built in."""
    process, known = shell.process, shell.process.run.programs
    try:
        path = programs.find(known, process.tree, process.directory, argv[0], shell.variables.get("PATH", ""))
        return programs.load(known, process.tree, path, argv)
    except programs.Missing as missing:
        if argv[0] in known and "/" not in argv[0]:
            return programs.Loaded(known[argv[0]], argv)
        denied = str(missing).endswith("permission denied")
        reason = "Permission denied" if denied else "not found"
        raise ShellFault(f"{argv[0]}: {reason}", NOT_EXECUTABLE if denied else NOT_FOUND) from None
    except OSError as error:
        missing_interpreter = isinstance(error, FileNotFoundError)
        reason = "not found" if missing_interpreter else os.strerror(error.errno or 0)
        raise ShellFault(f"{argv[0]}: {reason}", NOT_FOUND if missing_interpreter else NOT_EXECUTABLE) from None
