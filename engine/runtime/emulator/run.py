"""One run of a container: what begins with its init and ends with it.

    fork ──▶ processes {1: init, 2: …} ──▶ end: leaves the table, its children become init's
                  │                                    │ it was init
                  │ write, read                        ▼
                  ▼                          all others end, then `conclude`, in init's thread where it came to its end:
              streams                        exit record, settled, whoever watches, is attached, listens

There is one lock for all that happens in a run, and one condition, `changed`, that every waiting process waits for: the
big lock of a small kernel.
"""

import errno
import itertools
import logging
import os
import threading
import time
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import nullcontext, suppress
from functools import partial
from random import Random
from typing import Any

from podlink.engine.clock import Clock
from podlink.engine.runtime import exits
from podlink.engine.runtime.base import Launch
from podlink.engine.runtime.emulator import signals
from podlink.engine.runtime.emulator.process import Ending, Exited, Killed, Process, Program, exit_code
from podlink.engine.runtime.emulator.programs import Programs
from podlink.engine.runtime.emulator.streams import Streams
from podlink.engine.runtime.emulator.terminal import Terminal
from podlink.engine.runtime.emulator.tree import Tree, refusal
from podlink.engine.runtime.emulator.usage import RESIDENT, Usage, room
from podlink.engine.streams.log import writer

log = logging.getLogger(__name__)

INIT = 1
ENDING_A_WAIT = frozenset({signals.HUP, signals.INT, signals.QUIT, signals.TERM})
"""Signals that end an init which waits to be started: it is runc itself as yet, a program in Go."""


class Run:
    """tree: what init sees of files. programs: by path or name. numbers: where the host's process numbers come from.
    keep: leaves the exit record where it is looked for; raises OSError.
    randomness: what its /dev/urandom gives. is_full: whether there is no room to write. leader: whose PID namespace it shares.

    tell: called when the log grew or the exit record is there. ended: called once, in the thread that concluded, when all
    that there is to write is written.
    """

    def __init__(
        self,
        launch: Launch,
        tree: Tree,
        hostname: str,
        *,
        programs: Programs,
        clock: Clock,
        numbers: Iterator[int],
        keep: Callable[[exits.Exit], None],
        randomness: Random,
        is_full: Callable[[], bool],
        tell: Callable[[], None],
        ended: Callable[[], None],
        leader: "Run | None" = None,
    ) -> None:
        self.launch = launch
        self.leader: Run | None = (leader.leader or leader) if leader else None
        self.followers: list[Run] = []
        """Those that share its PID namespace, and end with it."""
        if self.leader:
            self.leader.followers.append(self)
        self.programs = programs
        self.clock = clock
        self.tree = tree
        self.randomness, self.is_full = randomness, is_full
        self.hostname = hostname
        self._settle(launch.spec)
        self.changed = clock.condition()
        self.frozen = False
        self.number = 0
        """Of its init, as the host counts; it stays known after the end."""
        self.processes: dict[int, Process] = {}
        self.spent = [0, 0]
        """User and system time of the processes that have ended."""
        self.usage = Usage()
        self.oom_killed = False
        """Whether any of its processes ended for want of memory."""
        self.at_rest = threading.Event()
        """A process waits for something, or the run is over: what init does at once, it has done."""
        self.settled = threading.Event()
        self.threads: set[threading.Thread] = set()
        """Those that have not ended: one for each process, and one that concludes where init was ended by another."""
        self._numbers, self._keep, self._tell, self._ended = numbers, keep, tell, ended
        self._pids = itertools.count(INIT)
        self.waits = False
        """Whether its init was created and not started yet."""
        self.streams = Streams(
            launch,
            writer(launch.log, launch.directory),
            clock,
            self.changed,
            tell=tell,
            signal=self.send_to_group,
            group=INIT,
            spawn=partial(self._spawn, is_outside=True),
        )

    def _settle(self, spec: Mapping[str, Any]) -> None:
        """As whom its processes run, how many they may be, and with how much memory."""
        user = spec["process"].get("user", {})
        self.uid: int = user.get("uid", 0)
        self.gid: int = user.get("gid", 0)
        self.groups: tuple[int, ...] = tuple(user.get("additionalGids", ()))
        self.umask: int = user.get("umask", 0o022)
        namespaces = {each["type"]: each.get("path") for each in spec.get("linux", {}).get("namespaces", ())}
        self.is_first = namespaces.get("pid", "host") is None
        """Whether its init is the first process of a PID namespace of its own."""
        self.limit: int = spec.get("linux", {}).get("resources", {}).get("pids", {}).get("limit", 0)
        self.room = room(spec)
        """Bytes of memory."""

    @property
    def terminal(self) -> Terminal | None:
        return self.streams.terminal

    def create(self, program: Program, argv: list[str], env: Mapping[str, str]) -> Process:
        """Bring an init to life that waits for `go` before it becomes the program."""

        def wait(process: Process) -> int:
            process.block(lambda: not self.waits or None)
            return process.execute(program, argv, env)

        self.waits = True
        with self.changed:
            init = self.start(wait, argv, env)
            init.handlers = dict.fromkeys(ENDING_A_WAIT, _give_up)
            return init

    def go(self) -> None:
        """Let an init that waits begin."""
        with self.changed:
            self.waits = False
            self.at_rest.clear()
            self.changed.notify_all()

    def start(self, program: Program, argv: list[str], env: Mapping[str, str]) -> Process:
        """Bring init to life."""
        with self.changed:
            init = Process(self, next(self._pids), next(self._numbers), None, argv)
            self.number = init.host_pid
            init.env = dict(env)
            init.directory = self.launch.spec["process"].get("cwd", "/")
            init.files = self.streams.files()
            self._begin(init, program)
            return init

    def fork(
        self, parent: Process, program: Program, argv: list[str], files: Mapping[int, int], group: int | None = None
    ) -> Process:
        """A child of `parent`; the lock is held. group: as of `Process.fork`. Raises OSError (EAGAIN) at the limit."""
        if self.limit > 0 and len(self.processes) >= self.limit:
            raise refusal(errno.EAGAIN, "fork")
        child = Process(self, next(self._pids), next(self._numbers), parent, argv)
        child.files = {number: parent.files[own].acquire() for number, own in files.items() if own in parent.files}
        child.handlers = {number: None for number, handler in parent.handlers.items() if handler is None}
        if group is not None:
            child.group = group or child.pid
        parent.children.append(child)
        self._begin(child, program)
        return child

    def _begin(self, process: Process, program: Program) -> None:
        self.processes[process.pid] = process
        self._spawn(str(process.pid), lambda: self._live(process, program))

    def _spawn(self, name: str, work: Callable[[], None], *, is_outside: bool = False) -> None:
        """A thread that `join` knows of; the lock is held. name: within the run. is_outside: time does not wait for it."""
        name = f"{self.launch.container[:12]}/{name}"
        at_work = nullcontext() if is_outside else self.clock.starting(name)

        def live() -> None:
            with at_work:
                try:
                    work()
                finally:
                    with self.changed:
                        self.threads.discard(thread)

        thread = threading.Thread(target=live, name=name, daemon=True)
        try:
            thread.start()
        except BaseException:
            with at_work:
                raise
        self.threads.add(thread)

    def _live(self, process: Process, program: Program) -> None:
        """The life of a process."""
        try:
            code = exit_code(program(process))
        except Killed:
            return
        except Exited as exited:
            code = exited.code
        except BaseException:  # sys.exit too: whatever a program raises, the process has to end
            code = 1
            with suppress(Killed, OSError):
                process.write(2, traceback.format_exc())
        rest: list[Callable[[], None]] = []
        with suppress(Killed):
            process.call(lambda: self.end(process, Ending(code & 0xFF), rest.append))
        for conclude in rest:
            conclude()

    def end(self, process: Process, ending: Ending, then: Callable[[Callable[[], None]], None] | None = None) -> None:
        """The process has ended; the lock is held. Again is no error.

        then: is given what remains to be done once the lock is free, where it was init. None: a thread of its own does it, for
        who ends another's process may hold locks that those who are told of it wait for.
        """
        if process.ending is not None:
            return
        process.ending = ending
        for channel in process.files.values():
            channel.release()
        process.files = {}
        self.processes.pop(process.pid)
        self.spent = [self.spent[0] + process.user_time, self.spent[1] + process.system_time]
        if process.pid == INIT:
            exit = self._end_all(ending)
            (then or partial(self._spawn, "end"))(partial(self._conclude, exit))
        else:
            self._orphan(process)
        self.changed.notify_all()

    def _orphan(self, process: Process) -> None:
        """Init takes over the children; the parent is told."""
        for child in process.children:
            child.parent = self.processes[INIT]
        if process.parent and process.parent.ending is None:
            self.send(process.parent, signals.CHLD)

    def _end_all(self, ending: Ending) -> exits.Exit:
        """A PID namespace ends with its init: pid_namespaces(7)."""
        self.at_rest.set()
        for other in list(self.processes.values()):
            other.parent = None
            other.children = []
            self.end(other, Ending(signal=signals.KILL))
        return exits.Exit(
            number=self.launch.number,
            code=ending.status,
            at=self.clock.now(),
            oom_killed=self.oom_killed,
            error=self.streams.trouble,
        )

    def _conclude(self, exit: exits.Exit) -> None:
        """All that there is to do after the end; the lock is not held."""
        for follower in list(self.followers):
            with suppress(ProcessLookupError):
                follower.send_from_outside(signals.KILL)
        if self.leader:
            self.leader.followers.remove(self)
        self.streams.close()
        self.tree.close()
        try:
            self._keep(exit)
        except OSError as trouble:
            log.warning("container %s: its exit record is not written: %s", self.launch.container[:12], trouble)
        self.settled.set()
        self._tell()
        self.streams.part()
        self._ended()

    # What is used

    @property
    def memory(self) -> int:
        """Bytes in use; the lock is held."""
        return sum(RESIDENT + each.memory for each in self.processes.values())

    def allocate(self, process: Process, size: int) -> None:
        """The process uses so much more: the lock is held."""
        process.memory += size
        while size > 0 and process.ending is None and self.memory > self.room:
            self.run_out_of_memory()

    def run_out_of_memory(self) -> None:
        """The kernel's killer comes: the lock is held. The process that uses most ends, of several the youngest."""
        if self.processes:
            self.oom_killed = True
            self.end(max(self.processes.values(), key=lambda each: (each.memory, each.pid)), Ending(signal=signals.KILL))

    def transfer(self, *, sent: int = 0, received: int = 0) -> None:
        """So much went through the network: the lock is held."""
        self.usage.sent += sent
        self.usage.received += received

    # Signals

    def send(self, process: Process, number: int) -> None:
        """A signal arrives: the lock is held. signal(7), and pid_namespaces(7) for what an init does not notice."""
        if process.ending is not None:
            return
        if number == signals.CONT or number == signals.KILL:
            process.stopped = 0
            held, process.held = process.held, []
            for each in held:
                self.send(process, each)
        if process.stopped:
            process.held += [number] if number not in process.held else []
            return
        handled = number in process.handlers and number not in signals.UNCATCHABLE
        if handled:
            if process.handlers[number] is not None and number not in process.pending:
                process.pending.append(number)
        elif process.pid == INIT and (self.is_first or self.waits):
            pass
        else:
            self._default(process, number)
        self.changed.notify_all()

    def _default(self, process: Process, number: int) -> None:
        """What a signal without a handler does. A frozen process comes to it when it is thawed; SIGKILL does not wait."""
        if number in signals.STOPPING:
            if number == signals.STOP or not self.is_orphaned(process.group):
                process.stopped = number
        elif number not in signals.HARMLESS:
            self.end(process, Ending(signal=number))

    def is_orphaned(self, group: int) -> bool:
        """Whether nobody is there who could let the group go on: a terminal stops none such (POSIX, XBD 3.264)."""
        members = (each for each in self.processes.values() if each.group == group)
        return not any(each.parent and each.parent.group != group for each in members)

    def send_to_group(self, group: int, number: int) -> None:
        """A signal for every process of a group: the lock is held."""
        for each in list(self.processes.values()):
            if each.group == group:
                self.send(each, number)

    def send_from_outside(self, number: int) -> None:
        """A signal to init from the host: also there it gets what it has a handler for, but SIGKILL and SIGSTOP always work."""
        with self.changed:
            if (init := self.processes.get(INIT)) is None:
                raise ProcessLookupError(errno.ESRCH, os.strerror(errno.ESRCH), self.launch.container)
            if number in signals.UNCATCHABLE:
                self._default(init, number)
            self.send(init, number)

    def kill(self, sender: Process, pid: int, number: int) -> bool:
        """kill(2) of a process of this run; the lock is held."""
        if pid == -1:
            targets = [each for each in self.processes.values() if each.pid != INIT and each is not sender]
        elif pid > 0:
            targets = [self.processes[pid]] if pid in self.processes else []
        else:
            targets = [each for each in self.processes.values() if each.group == (-pid or sender.group)]
        if not targets and pid != -1:
            raise ProcessLookupError(errno.ESRCH, os.strerror(errno.ESRCH), str(pid))
        for target in targets:
            if number:
                self.send(target, number)
        return True

    # The freezer

    def freeze(self, frozen: bool) -> bool:
        """Freeze or thaw every process; whether that changed anything."""
        with self.changed:
            changed = self.frozen != frozen and INIT in self.processes
            self.frozen = frozen
            self.changed.notify_all()
            return changed

    # Its end

    @property
    def init(self) -> Process | None:
        """The first process, while it lives; the run does as long."""
        return self.processes.get(INIT)

    def join(self, seconds: float) -> list[str]:
        """Wait until every thread of a run that was killed has ended; the names of those that have not in time."""
        deadline = time.monotonic() + seconds
        while threads := self._others():
            if (left := deadline - time.monotonic()) <= 0:
                return sorted(thread.name for thread in threads)
            threads[0].join(left)
        return []

    def _others(self) -> list[threading.Thread]:
        with self.changed:
            return [thread for thread in self.threads if thread is not threading.current_thread()]


def _give_up(number: int) -> None:
    """What a program in Go does about a signal that it did not ask for, and that as an init it can't die of."""
    raise Exited(2)
