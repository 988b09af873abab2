"""One run of a container: what begins with its init and ends with it.

    fork ──▶ processes {1: init, 2: …} ──▶ end: leaves the table, its children become init's
                  │                                    │ it was init
                  │ write                              ▼
                  ▼                          all others end, then `conclude`, in a thread of its own:
             log (ctr.log)                   exit record, settled, whoever watches, whoever listens

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
from contextlib import suppress

from podlink.engine.runtime import exits
from podlink.engine.runtime.base import Launch
from podlink.engine.runtime.emulator import signals
from podlink.engine.runtime.emulator.channels import Null, Sink
from podlink.engine.runtime.emulator.clock import Clock
from podlink.engine.runtime.emulator.process import Ending, Exited, Killed, Process, Program
from podlink.engine.runtime.emulator.tree import Tree, refusal
from podlink.engine.streams.log import writer

log = logging.getLogger(__name__)

INIT = 1
LOG = "ctr.log"


class Run:
    """tree: what init sees of files. programs: by path or name. numbers: where the host's process numbers come from.
    durable: whether the exit record is to outlive a power cut.

    tell: called when the log grew or the exit record is there. ended: called once, in the thread that concluded, when all
    that there is to write is written.
    """

    def __init__(
        self,
        launch: Launch,
        tree: Tree,
        hostname: str,
        *,
        programs: Mapping[str, Program],
        clock: Clock,
        numbers: Iterator[int],
        durable: bool,
        tell: Callable[[], None],
        ended: Callable[[], None],
    ) -> None:
        settings = launch.spec["process"]
        user = settings.get("user", {})
        self.launch = launch
        self.programs = programs
        self.clock = clock
        self.tree = tree
        self.hostname = hostname
        self.uid: int = user.get("uid", 0)
        self.gid: int = user.get("gid", 0)
        self.groups: tuple[int, ...] = tuple(user.get("additionalGids", ()))
        self.umask: int = user.get("umask", 0o022)
        self.limit: int = launch.spec.get("linux", {}).get("resources", {}).get("pids", {}).get("limit", 0)
        self.changed = threading.Condition()
        self.frozen = False
        self.number = 0
        """Of its init, as the host counts; it stays known after the end."""
        self.processes: dict[int, Process] = {}
        self.spent = [0, 0]
        """User and system time of the processes that have ended."""
        self.at_rest = threading.Event()
        """A process waits for something, or the run is over: what init does at once, it has done."""
        self.settled = threading.Event()
        self.threads: set[threading.Thread] = set()
        """Those that have not ended: one for each process, then one that concludes."""
        self._numbers, self._durable, self._tell, self._ended = numbers, durable, tell, ended
        self._pids = itertools.count(INIT)
        self._log = writer(launch.directory / LOG, launch.keeps_log, launch.log_limit)

    def start(self, program: Program, argv: list[str], env: Mapping[str, str]) -> Process:
        """Bring init to life."""
        with self.changed:
            init = Process(self, next(self._pids), next(self._numbers), None, argv)
            self.number = init.host_pid
            init.env = dict(env)
            init.directory = self.launch.spec["process"].get("cwd", "/")
            init.files = {0: Null(), 1: Sink(self._writer("stdout")), 2: Sink(self._writer("stderr"))}
            self._begin(init, program)
            return init

    def _writer(self, stream: str) -> Callable[[bytes], None]:
        def write(data: bytes) -> None:
            self._log.write(stream, self.clock.now(), data)
            self._tell()

        return write

    def fork(self, parent: Process, program: Program, argv: list[str], files: Mapping[int, int]) -> Process:
        """A child of `parent`; the lock is held. Raises OSError (EAGAIN) at the limit."""
        if self.limit > 0 and len(self.processes) >= self.limit:
            raise refusal(errno.EAGAIN, "fork")
        child = Process(self, next(self._pids), next(self._numbers), parent, argv)
        child.files = {number: parent.files[own].acquire() for number, own in files.items() if own in parent.files}
        child.handlers = {number: None for number, handler in parent.handlers.items() if handler is None}
        parent.children.append(child)
        self._begin(child, program)
        return child

    def _begin(self, process: Process, program: Program) -> None:
        self.processes[process.pid] = process
        name = f"{self.launch.container[:12]}/{process.pid}"
        self._spawn(name, lambda: self._live(process, program))

    def _spawn(self, name: str, work: Callable[[], None]) -> None:
        """A thread that `join` knows of; the lock is held."""

        def live() -> None:
            try:
                work()
            finally:
                with self.changed:
                    self.threads.discard(thread)

        thread = threading.Thread(target=live, name=name, daemon=True)
        thread.start()
        self.threads.add(thread)

    def _live(self, process: Process, program: Program) -> None:
        """The life of a process."""
        try:
            code = program(process)
        except Killed:
            return
        except Exited as exited:
            code = exited.code
        except BaseException:  # sys.exit too: whatever a program raises, the process has to end
            code = 1
            with suppress(Killed, OSError):
                process.write(2, traceback.format_exc())
        with suppress(Killed):
            process.call(lambda: self.end(process, Ending(code & 0xFF)))

    def end(self, process: Process, ending: Ending) -> None:
        """The process has ended; the lock is held. Again is no error."""
        if process.ending is not None:
            return
        process.ending = ending
        for channel in process.files.values():
            channel.release()
        process.files = {}
        self.processes.pop(process.pid)
        self.spent = [self.spent[0] + process.user_time, self.spent[1] + process.system_time]
        if process.pid == INIT:
            self._end_all(ending)
        else:
            self._orphan(process)
        self.changed.notify_all()

    def _orphan(self, process: Process) -> None:
        """Init takes over the children; the parent is told."""
        for child in process.children:
            child.parent = self.processes[INIT]
        if process.parent and process.parent.ending is None:
            self.send(process.parent, signals.CHLD)

    def _end_all(self, ending: Ending) -> None:
        """A PID namespace ends with its init: pid_namespaces(7)."""
        self.at_rest.set()
        for other in list(self.processes.values()):
            other.parent = None
            other.children = []
            self.end(other, Ending(signal=signals.KILL))
        exit = exits.Exit(number=self.launch.number, code=ending.status, at=self.clock.now(), error=self._log.trouble)
        name = f"{self.launch.container[:12]}/end"
        self._spawn(name, lambda: self._conclude(exit))

    def _conclude(self, exit: exits.Exit) -> None:
        """In a thread of its own, for who ended init may hold locks that those who are told of it wait for."""
        self._log.close()
        self.tree.close()
        try:
            exits.write(self.launch.directory, exit, durable=self._durable)
        except OSError as trouble:
            log.warning("container %s: its exit record is not written: %s", self.launch.container[:12], trouble)
        self.settled.set()
        self._tell()
        self._ended()

    # Signals

    def send(self, process: Process, number: int) -> None:
        """A signal arrives: the lock is held. signal(7), and pid_namespaces(7) for what an init does not notice."""
        if process.ending is not None:
            return
        if number == signals.CONT or number == signals.KILL:
            process.stopped = False
        handled = number in process.handlers and number not in signals.UNCATCHABLE
        if handled:
            if process.handlers[number] is not None and number not in process.pending:
                process.pending.append(number)
        elif process.pid == INIT:
            pass
        else:
            self._default(process, number)
        self.changed.notify_all()

    def _default(self, process: Process, number: int) -> None:
        """What a signal without a handler does. A frozen process comes to it when it is thawed; SIGKILL does not wait."""
        if number in signals.STOPPING:
            process.stopped = True
        elif number not in signals.HARMLESS:
            self.end(process, Ending(signal=number))

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
        elif abs(pid) in self.processes:
            targets = [self.processes[abs(pid)]]
        else:
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

    def discard(self) -> None:
        """The start came to nothing: no log is left of it either."""
        self._log.discard()

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
