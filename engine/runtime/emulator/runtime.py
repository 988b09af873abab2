"""The verbs of `engine/runtime/base.py` over emulated runs: what runc and its monitors are on a real host, in one object.

    run        a `Run`, which has its log, its processes and its end to itself
    signal     into the run; what a process does about it, it does at its next system call
    delete     the run leaves the table; until then its end can be asked for

A run *runs* while its init is in its process table, and is *settled* once its exit record is written; only then is
whoever listens asked to clean up, as a monitor does it. An emulated container ends with the engine that started it: there
is nobody else to clean up after it, so `Launch.cleanup` is never needed.
"""

import itertools
import logging
import platform
import posixpath
import threading
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any

from podlink.engine.errors import EngineUnavailable, InvalidState, NotHonoured, RuntimeFailed
from podlink.engine.runtime import exits
from podlink.engine.runtime.base import Launch, Process, ProcessInfo, Sockets, Wakeup
from podlink.engine.runtime.emulator import figures, programs, signals
from podlink.engine.runtime.emulator.clock import Clock, RealClock
from podlink.engine.runtime.emulator.mounts import SHARED_MEMORY, Blanks, mount_all
from podlink.engine.runtime.emulator.process import Process as Emulated
from podlink.engine.runtime.emulator.process import Program
from podlink.engine.runtime.emulator.ps import ps
from podlink.engine.runtime.emulator.run import Run
from podlink.engine.runtime.emulator.tree import Tree
from podlink.engine.runtime.emulator.userland.table import PROGRAMS
from podlink.engine.runtime.emulator.watchers import Watchers
from podlink.engine.runtime.exits import Exit
from podlink.engine.runtime.monitor import records
from podlink.engine.stats.sample import Sample

log = logging.getLogger(__name__)

VERSION = "emulator 1.0"
FIRST = 4096
"""The lowest number of an emulated process as its host counts; no number is given twice."""
TICKS = 100
"""Clock ticks a second, in which the kernel counts the start of a process."""
HEAD_START = 0.1
"""Seconds for init to come to its first rest before `run` answers. A real one has that lead too, over an engine that has
syncing to do; without it a signal right after the start would come before the trap for it, or not, as threads happen to run."""
PATIENCE = 15.0
"""Seconds for a run that has ended to write its exit record, and for the threads of one that was killed to end."""


class EmulatorRuntime:
    """clock: whatever sleeps or is dated asks it. more: programs by base name or absolute path, beside those of busybox.

    claim: gives a container, by its ID, a root file system that it may write to, where the one that it starts with is others'
    too. durable: whether exit records are to outlive a power cut.
    """

    name = "emulator"
    attaches = False

    def __init__(
        self,
        clock: Clock | None = None,
        more: Mapping[str, Program] | None = None,
        *,
        claim: Callable[[str], Path] | None = None,
        durable: bool = True,
    ) -> None:
        self._clock = clock or RealClock()
        self._claim, self._durable = claim, durable
        self._blanks = Blanks()
        self.programs: dict[str, Program] = {**PROGRAMS, **(more or {})}
        """By base name or absolute path. What is put here stands for the file, whether or not an image has it."""
        self._boot = str(uuid.uuid4())
        self._numbers = itertools.count(FIRST)
        self._lock = threading.Lock()
        """Taken before a run's own; never by a thread that holds a run's."""
        self._runs: dict[str, Run] = {}
        self._started: list[Run] = []
        """Runs whose threads may not have ended yet, deleted ones too."""
        self._watchers = Watchers()
        self._cleanup: Callable[[str], None] | None = None
        self._closed = False

    def version(self) -> str:
        return VERSION

    # A run, from its start to its end

    def create(self, launch: Launch) -> Process:
        raise _no_sockets()

    def start(self, container: str) -> None:
        raise _no_sockets()

    def waits(self, container: str) -> bool:
        return False

    def sockets(self, container: str) -> Sockets:
        raise _no_sockets()

    def run(self, launch: Launch) -> Process:
        self._require_open()
        if launch.container in self._runs:
            self.delete(launch.container)
        if launch.pid_file:
            with _refusals(f"conmon_pidfile: {launch.pid_file} can't be written"):
                records.write_pid(Path(launch.pid_file))
        claim = partial(self._claim, launch.container) if self._claim else None
        tree = Tree(launch.rootfs, bool(launch.spec["root"].get("readonly")), claim)
        try:
            settings = launch.spec["process"]
            env = dict(entry.partition("=")[::2] for entry in settings.get("env", ()))
            with _refusals("the root file system can't be made ready"):
                mount_all(tree, launch.spec, self._blanks)
                tree.make_directories(settings.get("cwd", "/"))
            loaded = self._load(tree, settings.get("cwd", "/"), settings["args"], env.get("PATH", ""))
            run, init = self._start(launch, tree, loaded, env)
        except BaseException:
            tree.close()
            raise
        run.at_rest.wait(HEAD_START)
        return self._identity(init)

    def _load(self, tree: Tree, directory: str, argv: list[str], path: str) -> programs.Loaded:
        """What is to be run. Raises RuntimeFailed in runc's words for what runc finds out before there is a container."""
        if given := self._given(directory, argv[0], path):
            return programs.Loaded(given, argv)
        try:
            found = programs.find(tree, directory, argv[0], path)
        except programs.Missing as missing:
            raise RuntimeFailed(str(missing)) from None
        try:
            return programs.load(self.programs, tree, posixpath.normpath(found), argv)
        except OSError as error:
            return programs.Loaded(programs.broken(argv[0], error), argv)

    def _given(self, directory: str, name: str, path: str) -> Program | None:
        """The program that was registered under the absolute path that a command means."""
        folders = [directory] if "/" in name else path.split(":")
        places = (posixpath.normpath(posixpath.join("/", folder, name)) for folder in folders)
        return next((self.programs[place] for place in places if place in self.programs), None)

    def _start(self, launch: Launch, tree: Tree, loaded: programs.Loaded, env: Mapping[str, str]) -> tuple[Run, Emulated]:
        with self._lock, _refusals("the log can't be opened"):
            self._require_open()
            run = Run(
                launch,
                tree,
                self._host_name(launch.spec),
                programs=self.programs,
                clock=self._clock,
                numbers=self._numbers,
                durable=self._durable,
                tell=lambda: self._watchers.tell(launch.directory),
                ended=lambda: self._ask_for_cleanup(launch.container),
            )
            try:
                init = run.start(loaded.program, loaded.argv, env)
            except BaseException:
                run.discard()
                raise
            self._runs[launch.container] = run
            self._started = [*(each for each in self._started if each.threads), run]
            return run, init

    def _require_open(self) -> None:
        if self._closed:
            raise EngineUnavailable("the emulator is closed; open the engine again")

    def _host_name(self, spec: Mapping[str, Any]) -> str:
        """Its own, or that of whose UTS namespace it shares: another container's or the host's."""
        joined = figures.listed(spec).get("uts", "")
        owner = figures.owner(joined, self._run_by_number)
        return spec.get("hostname") or (owner.hostname if owner else platform.node())

    def _ask_for_cleanup(self, container: str) -> None:
        if cleanup := self._cleanup:
            try:
                cleanup(container)
            except Exception:
                log.warning("container %s: cleaning up after its end", container[:12], exc_info=True)

    def running(self, container: str) -> tuple[int, Process] | None:
        run = self._runs.get(container)
        if run is None or (init := run.init) is None:
            return None
        return run.launch.number, self._identity(init)

    def alive(self, process: Process) -> bool:
        return self._run_of(process) is not None

    def exit_of(self, directory: Path) -> Exit | None:
        return exits.read(directory)

    def settled(self, container: str) -> bool:
        run = self._runs.get(container)
        return run is None or run.settled.is_set()

    def delete(self, container: str) -> None:
        if found := self.running(container):
            raise RuntimeFailed(
                f"container {container[:12]} can't be deleted while it runs (process {found[1].pid}): stop it first"
            )
        self._drop(container)

    def destroy(self, container: str) -> None:
        if run := self._runs.get(container):
            with suppress(ProcessLookupError):
                run.send_from_outside(signals.KILL)
        self._drop(container)

    def _drop(self, container: str) -> None:
        """Take a run that has ended off the table, once its exit record is written."""
        run = self._runs.get(container)
        if run is None:
            return
        if not run.settled.wait(PATIENCE):
            raise RuntimeFailed(
                f"container {container[:12]} has ended, and its exit record has not been written for {PATIENCE:.0f} s"
            )
        with self._lock:
            if self._runs.get(container) is run:
                del self._runs[container]

    # A run while it lasts

    def signal(self, container: str, process: Process, number: int) -> None:
        run = self._run_of(process)
        if run is None:
            raise ProcessLookupError(f"process {process.pid} of container {container[:12]} has ended")
        run.send_from_outside(number)

    def pause(self, container: str) -> None:
        run = self._runs.get(container)
        if run is None:
            raise InvalidState(f"cannot pause container {container[:12]}: it does not run")
        run.freeze(True)

    def resume(self, container: str) -> None:
        if run := self._runs.get(container):
            run.freeze(False)

    def processes(self, container: str) -> list[ProcessInfo]:
        run = self._runs.get(container)
        return figures.processes(run) if run else []

    def ps(self, container: str, options: Sequence[str]) -> list[str]:
        return ps(self.processes(container), options, self._clock.now() / 1e9)

    def sample(self, container: str, process: Process) -> Sample:
        run = self._runs.get(container)
        return figures.sample(run) if run else Sample(at=self._clock.now())

    def namespaces(self, process: Process) -> dict[str, str]:
        run = self._run_of(process)
        return figures.namespaces(run, self._run_by_number) if run else dict.fromkeys(figures.NAMESPACES, "")

    def shared_memory(self, container: str) -> str:
        run = self._runs.get(container)
        return str(run.tree.prepared(SHARED_MEMORY)) if run else ""

    def _identity(self, init: Emulated) -> Process:
        """The number alone would do, for none is given twice."""
        return Process(pid=init.host_pid, start=init.started * TICKS // 10**9, boot=self._boot)

    def _run_of(self, process: Process) -> Run | None:
        """The run whose init this very process is, while it lives."""
        return self._run_by_number(process.pid) if process.boot == self._boot else None

    def _run_by_number(self, pid: int) -> Run | None:
        """The run whose init has this number, while it lives."""
        return next((run for run in list(self._runs.values()) if (init := run.init) and init.host_pid == pid), None)

    # Across runs

    def watch(self, directory: Path) -> AbstractContextManager[Wakeup]:
        return self._watchers.watch(directory)

    def forget(self, container: str, directory: Path) -> None:
        self._watchers.tell(directory)

    def listen(self, cleanup: Callable[[str], None]) -> None:
        self._cleanup = cleanup

    def known(self) -> list[str]:
        return sorted(self._runs)

    def close(self) -> None:
        """End every run: their exit records are written and cleaned up after, so that nothing seems to run later."""
        with self._lock:
            self._closed = True
            runs = list(self._started)
        for run in runs:
            with suppress(ProcessLookupError):
                run.send_from_outside(signals.KILL)
        for run in runs:
            if left := run.join(PATIENCE):
                log.warning("container %s: threads that do not end: %s", run.launch.container[:12], ", ".join(left))
        self._runs.clear()
        self._blanks.close()
        self._watchers.tell_all()


@contextmanager
def _refusals(what: str) -> Iterator[None]:
    """The host's refusals as the runtime's."""
    try:
        yield
    except OSError as error:
        raise RuntimeFailed(f"{what}: {error.filename}: {(error.strerror or str(error)).lower()}") from error


def _no_sockets() -> NotHonoured:
    return NotHonoured("attach", "the emulator has no sockets for it; choose runc, or read the logs")
