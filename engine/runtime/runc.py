"""The verbs on a real host: runc starts and deletes, the kernel is asked directly for everything else.

    run         a run directory, a monitor, `runc run -d` (see `monitor/`)
    create      the same with `runc create`: init waits for `start`, and whoever attaches first misses nothing
    signal      pidfd_send_signal(2): as `runc kill`, less the start of a process
    pause       the cgroup's freezer, which is also what `runc pause` writes and `runc state` reads
    delete      kill what is left, remove runc's folder and the cgroup: as `runc delete`, where no hook is to run after it
    processes   /proc, for the PIDs in the container's cgroup

*Running* means that init, as the monitor wrote it down (`process.json`), is alive: same PID, start time and boot, no
zombie. *Settled* means that nobody holds the run's lock: no start is under way, and an exit record that is not there will
not come. The monitor lets go of the lock right after it has written the record, before it asks for the cleanup; so who
sees the record goes ahead at once, and who sees neither record nor lock knows that the end was not seen.
"""

import os
import select
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict
from functools import cached_property
from pathlib import Path

from podlink.engine import trace
from podlink.engine.errors import EngineUnavailable, InvalidState, RuntimeFailed
from podlink.engine.linux import cgroups, proc, process
from podlink.engine.linux.programs import SEARCH_PATH
from podlink.engine.linux.watch import Watcher
from podlink.engine.runtime import exits, listener
from podlink.engine.runtime.base import Accounts, Given, Launch, Process, ProcessInfo, Sockets, Wakeup
from podlink.engine.runtime.bundle import Bundles
from podlink.engine.runtime.exits import Exit
from podlink.engine.runtime.helper import Helper, MonitorLost
from podlink.engine.runtime.joined import check_joined
from podlink.engine.runtime.monitor import records
from podlink.engine.runtime.monitor.start import ENVIRONMENT
from podlink.engine.runtime.ps import ps
from podlink.engine.runtime.record import Damaged
from podlink.engine.stats import cgroup_v1, cgroup_v2, net
from podlink.engine.stats.sample import Sample, Spent
from podlink.engine.streams.attachment import Attachment, SocketAttachment

ATTEMPTS = 2
"""How often a start is tried when its monitor is lost before it could answer."""
INIT = "runc:[2:INIT]"
"""What runc calls the process that sets the container up, until it executes the container's program."""
PROMPT = 1.0
"""Seconds that this takes at most; mostly it is done before it is looked for."""
PATIENCE = 15.0
"""Seconds for a killed container to end and for its monitor to write that down."""


class RuncRuntime:
    """Containers under runc. cgroup_parent: the cgroup below which each has its own, without a slash in front."""

    name = "runc"

    def __init__(self, runroot: Path, cgroup_parent: str) -> None:
        self._runroot = runroot.absolute()
        self._parent = cgroup_parent.strip("/")
        found = shutil.which("runc", path=SEARCH_PATH)
        if found is None:
            raise EngineUnavailable(f"runc was not found in {SEARCH_PATH}; install it: apt install runc")
        process.place_of_prctl()  # says so now where it is missing, not at the first start
        self._runc = [found, "--root", str(self._runroot / "runc")]
        self._bundles = Bundles(self._runroot)
        self._helper = Helper(f"/{self._parent}/monitor", self._runroot / "monitor.log")
        try:
            self._watcher = Watcher(self._residents)
        except OSError as error:
            raise EngineUnavailable(f"inotify: {error.strerror}; see fs.inotify.max_user_instances in sysctl(8)") from error
        self._listener: listener.Listener | None = None

    def version(self) -> str:
        return self._version

    @cached_property
    def _version(self) -> str:
        done = subprocess.run([self._runc[0], "--version"], env=ENVIRONMENT, cwd="/", capture_output=True, text=True)
        if done.returncode != 0 or not done.stdout:
            raise EngineUnavailable(f"{self._runc[0]} --version: {done.stderr.strip() or 'no answer'}; install runc again")
        return done.stdout.splitlines()[0].replace(" version ", " ")

    # A run, from its start to its end

    def take_room(self, directory: Path) -> None:
        exits.take_room(directory)

    def forget_run(self, directory: Path) -> None:
        exits.forget(directory)

    def run(self, launch: Launch) -> Process:
        process = self._begin(launch, "run", "-d")
        _await_execution(process)
        return process

    def create(self, launch: Launch) -> Process:
        return self._begin(launch, "create")

    def start(self, container: str) -> None:
        argv = [*self._runc, "start", container]
        trace.ran(*argv)
        done = subprocess.run(argv, env=ENVIRONMENT, cwd="/", stdin=subprocess.DEVNULL, capture_output=True, text=True)
        if done.returncode != 0:
            raise RuntimeFailed(f"container {container[:12]}: {done.stderr.strip() or 'runc start failed without a word'}")
        if found := self.running(container):
            _await_execution(found[1])

    def waits(self, container: str) -> bool:
        return (self._runroot / "runc" / container / "exec.fifo").exists()

    def sockets(self, container: str) -> Sockets:
        return self._bundles.sockets(container)

    def attach(self, container: str) -> Attachment:
        sockets = self.sockets(container)
        return SocketAttachment(sockets.io, sockets.control)

    def _begin(self, launch: Launch, *verb: str) -> Process:
        for left in reversed(range(ATTEMPTS)):
            try:
                return self._run(launch, *verb)
            except MonitorLost as lost:
                if not left:
                    raise RuntimeFailed(str(lost)) from None
        raise AssertionError("not reached")

    def _run(self, launch: Launch, *verb: str) -> Process:
        container, bundle = launch.container, self._bundles.path(launch.container)
        check_joined(launch.spec)
        if bundle.exists():
            self.delete(container)
        log = ["--log", str(bundle / records.RUNC_LOG), "--log-format", "json"]
        argv = [*self._runc, *log, *verb, "--bundle", str(bundle), "--pid-file", str(bundle / records.PID_FILE), container]
        try:
            lock = self._bundles.write(launch, argv, launch.spec["linux"]["cgroupsPath"])
            trace.ran(*argv)
            answer = self._helper.monitor(bundle, lock, launch.held)
            if "error" in answer:
                raise RuntimeFailed(answer["error"])
        except BaseException:
            self._clear(container)
            raise
        return Process(answer["pid"], answer["start"], answer["boot"])

    def running(self, container: str) -> tuple[int, Process] | None:
        started = self._started(container)
        if started is None:
            return None
        init = Process(started.pid, started.start, started.boot)
        return (started.number, init) if self.alive(init) else None

    def given(self, container: str) -> Given | None:
        return self._bundles.given(container)

    def alive(self, process: Process) -> bool:
        return proc.alive(process.pid, process.start, process.boot)

    def exit_of(self, directory: Path) -> Exit | None:
        return exits.read(directory)

    def settled(self, container: str) -> bool:
        return self._bundles.is_free(container)

    def delete(self, container: str) -> None:
        with suppress(Damaged):  # who runs can't be told; that nobody does is waited for
            if found := self.running(container):
                raise RuntimeFailed(
                    f"container {container[:12]} can't be deleted while it runs (process {found[1].pid}): stop it first"
                )
        self._await_over(container)
        self._clear(container)

    def destroy(self, container: str) -> None:
        try:
            if found := self.running(container):
                with suppress(ProcessLookupError):
                    self.signal(container, found[1], signal.SIGKILL)
                    _await_end(found[1])
        except Damaged:
            with _refusals(f"container {container[:12]}"):
                cgroups.kill_all(self._cgroup(container))
        self._await_over(container)
        self._clear(container)

    def _started(self, container: str) -> records.Started | None:
        """Who runs, or ran; a start that is under way (its engine died, or we would hold the lock) is waited for.

        Raises Damaged where somebody lives and the record doesn't tell who.
        """
        bundle = self._bundles.path(container)

        def is_decided() -> bool:
            return self.settled(container) or records.read_started(bundle) is not None

        if not _until(is_decided, PATIENCE):
            raise RuntimeFailed(f"container {container[:12]} has been starting for {PATIENCE:.0f} s, and still is")
        try:
            return records.read_started(bundle)
        except Damaged:
            if self.settled(container):
                return None
            raise

    def _await_over(self, container: str) -> None:
        """Wait until the exit record of the run is there, or can't come any more."""

        def is_over() -> bool:
            if self.settled(container):
                return True
            try:
                orders = records.read_orders(self._bundles.path(container))
            except Damaged:
                return False  # where its record would be is not known: the monitor itself is waited for
            record = self.exit_of(Path(orders.directory)) if orders else None
            return orders is None or (record is not None and record.number >= orders.number)

        if not _until(is_over, PATIENCE):
            raise RuntimeFailed(
                f"container {container[:12]} has ended, and its monitor has not written that down for {PATIENCE:.0f} s"
            )

    def _clear(self, container: str) -> None:
        """Remove what a run that has ended holds on the host, and what one that was cut short has left there."""
        cgroup = self._cgroup(container)
        with _refusals(f"container {container[:12]}"):
            cgroups.kill_all(cgroup)
            if (state := self._runroot / "runc" / container).exists():
                trace.ran(*self._runc, "delete", "--force", container)
                shutil.rmtree(state, ignore_errors=True)
            cgroups.remove(cgroup)
        self._bundles.remove(container)

    # A run while it lasts

    def signal(self, container: str, process: Process, number: int) -> None:
        pidfd = os.pidfd_open(process.pid)
        try:
            if not self.alive(process):  # asked with the pidfd in hand: from here on nobody else can be meant
                raise ProcessLookupError(f"process {process.pid} of container {container[:12]} has ended")
            trace.ran("kill", f"-{number}", process.pid)
            signal.pidfd_send_signal(pidfd, number)
        finally:
            os.close(pidfd)
        if number == signal.SIGKILL and cgroups.frozen(cgroup := self._cgroup(container)):
            with suppress(FileNotFoundError):
                cgroups.thaw(cgroup)  # version 1 keeps even SIGKILL from a frozen process

    def pause(self, container: str) -> None:
        if (found := self.running(container)) is None:
            raise InvalidState(f"cannot pause container {container[:12]}: it does not run")
        with _refusals(f"container {container[:12]} can't be paused"):
            try:
                cgroups.freeze(self._cgroup(container), lambda: proc.is_ending(found[1].pid))
            except ProcessLookupError:
                raise InvalidState(f"cannot pause container {container[:12]}: it is just ending") from None

    def resume(self, container: str) -> None:
        with _refusals(f"container {container[:12]} can't be resumed"):
            cgroups.thaw(self._cgroup(container))

    def processes(self, container: str) -> list[ProcessInfo]:
        found = []
        for pid in self._members(container):
            with suppress(ProcessLookupError):  # it ended since
                found.append(ProcessInfo(**asdict(proc.info(pid))))
        return found

    def ps(self, container: str, options: Sequence[str], accounts: Accounts) -> list[str]:
        return ps(options, self._members(container), accounts, self._runroot)

    def _members(self, container: str) -> list[int]:
        """The PIDs in its cgroup, and its init while that lives: the kernel's list may be short where processes come and go."""
        found = set(cgroups.processes(self._cgroup(container)))
        if started := self.running(container):
            found.add(started[1].pid)
        return sorted(found)

    def sample(self, container: str, process: Process) -> Sample:
        part = cgroup_v2 if cgroups.version() == 2 else cgroup_v1
        texts = cgroups.texts(self._cgroup(container), part.FILES)
        at = time.time_ns()
        usage = part.usage(texts, proc.memory().total)
        received, sent = self._transferred(process)
        return Sample(at=at, **asdict(usage), net_input=received, net_output=sent)

    def spent(self, container: str) -> Spent:
        part = cgroup_v2 if cgroups.version() == 2 else cgroup_v1
        texts = cgroups.texts(self._cgroup(container), (part.PROCESSOR,))
        return Spent(time.time_ns(), part.cpu_nano(texts))

    def namespaces(self, process: Process) -> dict[str, str]:
        return proc.namespaces(process.pid) if self.alive(process) else dict.fromkeys(proc.NAMESPACES, "")

    def _transferred(self, process: Process) -> tuple[int, int]:
        """What went through the container's network; one that has the host's has no figures of its own."""
        if proc.namespace(process.pid, "net") == proc.namespace(os.getpid(), "net"):
            return 0, 0
        try:
            return net.totals(Path(f"/proc/{process.pid}/net/dev").read_text())
        except OSError:
            return 0, 0

    def _cgroup(self, container: str) -> str:
        return self._bundles.cgroup(container) or f"/{self._parent}/{container}"

    def shared_memory(self, container: str) -> str:
        return self._bundles.shared_memory(container) if container else ""

    # Across runs

    @contextmanager
    def watch(self, directory: Path, wakeup: Wakeup | None = None) -> Iterator[Wakeup]:
        wakeup = wakeup or Wakeup()
        release = self._watcher.watch(directory, wakeup.notify)
        try:
            yield wakeup
        finally:
            release()

    def _residents(self, directory: Path) -> list[int]:
        """init and monitor of the container whose directory this is: should both be killed, nobody writes anything."""
        try:
            started = records.read_started(self._bundles.path(directory.name))
        except Damaged:
            return []
        if started is None:
            return []
        processes = ((started.pid, started.start), (started.monitor, started.monitor_start))
        return [pid for pid, start in processes if proc.alive(pid, start, started.boot)]

    def forget(self, container: str, directory: Path) -> None:
        self._watcher.notify(directory)

    def listen(self, cleanup: Callable[[str], None]) -> None:
        self._runroot.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._listener = listener.listen(self._runroot, cleanup)
        self._helper.warm_up()

    def known(self) -> list[str]:
        state = self._runroot / "runc"
        return sorted({*self._bundles.known(), *(path.name for path in (state.iterdir() if state.exists() else ()))})

    def close(self) -> None:
        if self._listener:
            self._listener.close()
            self._listener = None
        self._watcher.close()
        self._helper.close()


def _until(done: Callable[[], bool], seconds: float) -> bool:
    """Ask until it is so: at once, then at growing distances. Whether it was within `seconds`.

    Only for what another engine or a monitor is about to do; what may take long is waited for by `watch`.
    """
    deadline, pause = time.monotonic() + seconds, 0.0005
    while not done():
        if time.monotonic() > deadline:
            return False
        time.sleep(pause)
        pause = min(pause * 2, 0.05)
    return True


def _await_execution(process: Process) -> None:
    """runc leaves when init may go on. Until it has become the container's program, SIGTERM ends runc's own, with status 2."""
    with suppress(ProcessLookupError):
        _until(lambda: proc.name(process.pid) != INIT, PROMPT)


def _await_end(process: Process) -> None:
    """Wait until a killed process has ended. Raises ProcessLookupError where it has already, RuntimeFailed where it does not."""
    pidfd = os.pidfd_open(process.pid)
    try:
        end = select.poll()  # not select(2): with many clients the descriptor may well be above its limit of 1024
        end.register(pidfd, select.POLLIN)
        if proc.alive(process.pid, process.start, process.boot) and not end.poll(PATIENCE * 1000):
            raise RuntimeFailed(f"process {process.pid} was killed and has not ended for {PATIENCE:.0f} s: see its state in ps")
    finally:
        os.close(pidfd)


@contextmanager
def _refusals(what: str) -> Iterator[None]:
    """The kernel's refusals as the runtime's."""
    try:
        yield
    except OSError as error:
        raise RuntimeFailed(f"{what}: {error}") from error
