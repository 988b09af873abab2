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
import posixpath
import random
import threading
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any, Protocol

from podlink.engine.clock import REAL, Clock
from podlink.engine.errors import EngineUnavailable, InvalidState, RuntimeFailed
from podlink.engine.runtime import exits
from podlink.engine.runtime.base import Accounts, Given, Launch, Process, ProcessInfo, Sockets, Wakeup
from podlink.engine.runtime.emulator import figures, programs, signals
from podlink.engine.runtime.emulator.machine import HOSTNAME
from podlink.engine.runtime.emulator.mounts import SHARED_MEMORY, Blanks, mount_all
from podlink.engine.runtime.emulator.process import Process as Emulated
from podlink.engine.runtime.emulator.process import Program
from podlink.engine.runtime.emulator.ps import ps
from podlink.engine.runtime.emulator.run import Run
from podlink.engine.runtime.emulator.tree import Tree, Ways
from podlink.engine.runtime.emulator.userland.table import PROGRAMS
from podlink.engine.runtime.emulator.users import home
from podlink.engine.runtime.emulator.watchers import Watchers
from podlink.engine.runtime.exits import Exit
from podlink.engine.runtime.monitor import records
from podlink.engine.stats.sample import Sample, Spent
from podlink.engine.streams.attachment import Attachment

log = logging.getLogger(__name__)

VERSION = "emulator 1.0"
FIRST = 4096
"""The lowest number of an emulated process as its host counts; no number is given twice."""
TICKS = 100
"""Clock ticks a second, in which the kernel counts the start of a process."""
HEAD_START = 0.1
"""Seconds for init to come to its first rest before `run` answers. A real one has that lead too, over an engine that has
syncing to do; without it a signal right after the start would come before the trap for it, or not, as threads happen to run."""
Beginning = Callable[[Run, Program, list[str], Mapping[str, str]], Emulated]
"""`Run.start` or `Run.create`."""
PATIENCE = 15.0
"""Seconds for a run that has ended to write its exit record, and for the threads of one that was killed to end."""


class Files(Protocol):
    """Where root file systems come from, if containers share them until they write: `storage/shared.py`."""

    def shares(self, rootfs: Path) -> bool:
        """Whether a root file system is others' too, and so is never to be written to."""
        ...

    def claim(self, container: str) -> Path:
        """A root file system for this container alone."""
        ...


class EmulatorRuntime:
    """clock: whatever sleeps or is dated asks it. more: programs by base name or absolute path, beside those of busybox.

    files: None is one for each container. durable: whether exit records are to outlive this object. chooser: where randomness
    comes from; None is the system.
    """

    name = "emulator"

    def __init__(
        self,
        clock: Clock = REAL,
        more: Mapping[str, Program] | None = None,
        *,
        files: Files | None = None,
        durable: bool = True,
        chooser: random.Random | None = None,
    ) -> None:
        self._clock = clock
        self._files, self._durable = files, durable
        self._ways: dict[Path, Ways] = {}
        """In each root file system that is shared."""
        self._chooser = chooser or random.SystemRandom()
        self._blanks = Blanks()
        self.programs = programs.Programs({**PROGRAMS, **(more or {})})
        self.is_full = False
        """Whether the emulated disk has no room left."""
        self._boot = str(uuid.UUID(int=self._chooser.getrandbits(128), version=4))
        self._numbers = itertools.count(FIRST)
        self._lock = threading.Lock()
        """Taken before a run's own; never by a thread that holds a run's."""
        self._runs: dict[str, Run] = {}
        self._started: list[Run] = []
        """Runs whose threads may not have ended yet, deleted ones too."""
        self._exits: dict[Path, Exit] = {}
        """By the container's directory, where no file has to keep them."""
        self._watchers = Watchers(clock)
        self._cleanup: Callable[[str], None] | None = None
        self._closed = False

    def version(self) -> str:
        return VERSION

    # A run, from its start to its end

    def take_room(self, directory: Path) -> None:
        if self._durable:
            exits.take_room(directory)

    def forget_run(self, directory: Path) -> None:
        exits.forget(directory) if self._durable else self._exits.pop(directory, None)

    def run(self, launch: Launch) -> Process:
        run, init = self._begin(launch, Run.start)
        run.at_rest.wait(HEAD_START)
        return self._identity(init)

    def create(self, launch: Launch) -> Process:
        return self._identity(self._begin(launch, Run.create)[1])

    def start(self, container: str) -> None:
        run = self._live(container, "start")
        run.go()
        run.at_rest.wait(HEAD_START)

    def waits(self, container: str) -> bool:
        run = self._runs.get(container)
        return run is not None and run.waits

    def sockets(self, container: str) -> Sockets:
        return self._live(container, "attach to").streams.sockets()

    def attach(self, container: str) -> Attachment:
        return self._live(container, "attach to").streams.sit()

    def _live(self, container: str, verb: str) -> Run:
        run = self._runs.get(container)
        if run is None or run.init is None:
            raise InvalidState(f"cannot {verb} container {container[:12]}: it does not run")
        return run

    def _begin(self, launch: Launch, how: Beginning) -> tuple[Run, Emulated]:
        """A run with its init."""
        self._require_open()
        if launch.container in self._runs:
            self.delete(launch.container)
        if launch.pid_file:
            with _refusals(f"conmon_pidfile: {launch.pid_file} can't be written"):
                records.write_pid(Path(launch.pid_file))
        tree = self._tree(launch)
        try:
            settings = launch.spec["process"]
            env = dict(entry.partition("=")[::2] for entry in settings.get("env", ()))
            with _refusals("the root file system can't be made ready"):
                mount_all(tree, launch.spec, self._blanks)
                tree.make_directories(settings.get("cwd", "/"))
            if not env.get("HOME"):
                env["HOME"] = home(tree, settings.get("user", {}).get("uid", 0))
            loaded = self._load(launch.image, tree, settings.get("cwd", "/"), settings["args"], env.get("PATH", ""))
            return self._start(launch, tree, loaded, env, how)
        except BaseException:
            tree.close()
            raise

    def _tree(self, launch: Launch) -> Tree:
        readonly = bool(launch.spec["root"].get("readonly"))
        if not (self._files and self._files.shares(launch.rootfs)):
            return Tree(launch.rootfs, readonly)
        ways = self._ways.setdefault(launch.rootfs, Ways(launch.rootfs))
        return Tree(launch.rootfs, readonly, partial(self._files.claim, launch.container), ways)

    def _load(self, image: str, tree: Tree, directory: str, argv: list[str], path: str) -> programs.Loaded:
        """What is to be run. Raises RuntimeFailed in runc's words for what runc finds out before there is a container."""
        if given := self.programs.of_image(image):
            return programs.Loaded(given, argv)
        try:
            found = programs.find(self.programs, tree, directory, argv[0], path)
        except programs.Missing as missing:
            raise RuntimeFailed(str(missing)) from None
        try:
            return programs.load(self.programs, tree, posixpath.normpath(found), argv)
        except OSError as error:
            return programs.Loaded(programs.broken(argv[0], error), argv)

    def _start(
        self, launch: Launch, tree: Tree, loaded: programs.Loaded, env: Mapping[str, str], how: Beginning
    ) -> tuple[Run, Emulated]:
        with self._lock, _refusals("the log can't be opened"):
            self._require_open()
            run = Run(
                launch,
                tree,
                self._host_name(launch.spec),
                programs=self.programs,
                clock=self._clock,
                numbers=self._numbers,
                keep=partial(exits.write if self._durable else self._exits.__setitem__, launch.directory),
                is_full=lambda: self.is_full,
                randomness=random.Random(self._chooser.getrandbits(64)),
                tell=lambda: self._watchers.tell(launch.directory),
                ended=lambda: self._ask_for_cleanup(launch.container),
                leader=self._owner(launch.spec, "pid"),
            )
            try:
                init = how(run, loaded.program, loaded.argv, env)
            except BaseException:
                run.streams.discard()
                raise
            if run.leader and run.leader.init is None:  # it has ended while this one came to life
                with suppress(ProcessLookupError):
                    run.send_from_outside(signals.KILL)
            self._runs[launch.container] = run
            self._started = [*(each for each in self._started if each.threads), run]
            return run, init

    def _require_open(self) -> None:
        if self._closed:
            raise EngineUnavailable("the emulator is closed; open the engine again")

    def _host_name(self, spec: Mapping[str, Any]) -> str:
        """Its own, or that of whose UTS namespace it shares: another container's or the host's."""
        if own := spec.get("hostname"):
            return str(own)
        owner = self._owner(spec, "uts")
        return owner.hostname if owner else HOSTNAME

    def _owner(self, spec: Mapping[str, Any], kind: str) -> Run | None:
        """Whose namespace of a kind it is to join, where that is another container's."""
        return figures.owner(figures.listed(spec).get(kind, ""), self._run_by_number)

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
        return exits.read(directory) if self._durable else self._exits.get(directory)

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

    def given(self, container: str) -> Given | None:
        run = self._runs.get(container)
        return Given.of(run.launch.spec) if run else None

    def run_out_of_memory(self, container: str) -> None:
        """End the process of it that uses most, as the kernel does. Raises InvalidState where it does not run."""
        run = self._live(container, "kill anything of")
        with run.changed:
            run.run_out_of_memory()

    def processes(self, container: str) -> list[ProcessInfo]:
        run = self._runs.get(container)
        return figures.processes(run) if run else []

    def ps(self, container: str, options: Sequence[str], accounts: Accounts) -> list[str]:
        return ps(self.processes(container), options, self._clock.now() / 1e9, accounts)

    def sample(self, container: str, process: Process) -> Sample:
        run = self._runs.get(container)
        return figures.sample(run) if run else Sample(at=self._clock.now())

    def spent(self, container: str) -> Spent:
        run = self._runs.get(container)
        return Spent(self._clock.now(), sum(figures.spent(run)) if run else 0)

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

    def watch(self, directory: Path, wakeup: Wakeup | None = None) -> AbstractContextManager[Wakeup]:
        return self._watchers.watch(directory, wakeup)

    def forget(self, container: str, directory: Path) -> None:
        self._exits.pop(directory, None)
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
