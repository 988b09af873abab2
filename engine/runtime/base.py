"""The OCI runtime and the monitor as one part: what the engine asks of whatever runs its containers.

Two implement it: `runc` with `monitor` on a real host, and `emulator` in the process itself. Plain values cross this
line, never an engine record, and `engine/testing/runtime.py` holds both to one contract.

A container's *directory* (`root/containers/ID`) is the meeting point. The runtime writes the log (`ctr.log`, see
`podlink.engine.streams`) and the exit record (`exit.json`) there, and `watch` wakes up for whatever changes in it:
the log grew, the exit record appeared, the directory was removed. Nothing polls.
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from podlink.engine.clock import REAL, Clock
from podlink.engine.oci.spec.mounts import Mount
from podlink.engine.oci.spec.values import User
from podlink.engine.runtime.exits import Exit
from podlink.engine.stats.sample import Sample, Spent
from podlink.engine.streams.attachment import Attachment
from podlink.engine.streams.log import Keeping


@dataclass(frozen=True, slots=True)
class Process:
    """A process that can be told from a later one of the same number.

    pid: as the host counts; start: field 22 of /proc/PID/stat, in clock ticks since boot (proc_pid_stat(5));
    boot: /proc/sys/kernel/random/boot_id of the boot that it ran in.
    """

    pid: int
    start: int
    boot: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Launch:
    """All that one start needs.

    number: the how-manyth start of this container this is, from 1; every record of this run carries it.
    rootfs: the mounted root file system. directory: where the log and the exit record go.
    spec: the OCI runtime-spec configuration, whose `root.path` is `rootfs`.
    held: descriptors to be kept open as long as the run lasts (sockets bound to published ports); the caller closes its own.
    cleanup: argv that undoes what the host still holds after the exit, for when no engine is there to do it.
    interactive: init's stdin is a pipe, or the terminal where it has one, that whoever attaches writes to; else it is empty.
    log: how output is written down.
    image: the ID of the container's image.
    pid_file: where whoever watches over the run leaves its own PID; empty is nowhere.
    """

    container: str
    number: int
    rootfs: Path
    directory: Path
    spec: Mapping[str, Any]
    cleanup: Sequence[str] = ()
    held: Sequence[int] = ()
    image: str = ""
    pid_file: str = ""
    interactive: bool = False
    log: Keeping = field(default_factory=Keeping)


@dataclass(frozen=True, slots=True)
class Sockets:
    """Where a run is attached to: paths that fit into `sun_path`. What is spoken there: `podlink.engine.streams.attach`."""

    io: str
    control: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessInfo:
    """One process of a container, as ps(1) on the host would tell. Times in seconds; started: since the epoch."""

    pid: int
    ppid: int
    uid: int
    cpu_time: float
    started: float
    tty: str
    command: str


@dataclass(frozen=True, slots=True)
class Accounts:
    """Which names IDs have inside. users: name, user ID and group ID; groups: name and group ID. The first of an ID counts."""

    users: tuple[tuple[str, int, int], ...] = ()
    groups: tuple[tuple[str, int], ...] = ()

    def user(self, uid: int) -> str:
        """The name, or the number where there is none."""
        return next((name for name, number, _ in self.users if number == uid), str(uid))


@dataclass(frozen=True, slots=True)
class Given:
    """What a run was made with: whom its init runs as, and its mounts."""

    user: User
    mounts: tuple[Mount, ...]

    @classmethod
    def of(cls, spec: Mapping[str, Any]) -> "Given":
        """From the runtime-spec configuration that it was made from."""
        user = spec["process"]["user"]
        return cls(
            User(uid=user["uid"], gid=user["gid"], additional_gids=tuple(user.get("additionalGids", ()))),
            tuple(
                Mount(each["destination"], each["type"], each["source"], tuple(each.get("options", ())))
                for each in spec["mounts"]
            ),
        )


class Wakeup:
    """Something happened; look again. Set by the watcher, cleared by each wait that it ends. clock: whose seconds count."""

    def __init__(self, clock: Clock = REAL) -> None:
        self._clock = clock
        self._changed = clock.condition()
        self._told = False

    def notify(self) -> None:
        with self._changed:
            self._told = True
            self._changed.notify_all()

    def wait(self, timeout: float | None = None) -> bool:
        """Block until notified, at most `timeout` seconds; whether there was a notice. Notices fold into one."""
        clock = self._clock
        with clock.working(), self._changed:
            deadline = None if timeout is None else clock.monotonic() + timeout
            while not self._told and (deadline is None or clock.monotonic() < deadline):
                clock.wait(self._changed, deadline)
            told, self._told = self._told, False
            return told


class Runtime(Protocol):
    """The verbs of the OCI runtime-spec, with streams, exit status, processes and figures.

    Every verb is safe to call from several threads; the caller holds the container's lock for those that change it.
    Refusals are `RuntimeFailed` with the runtime's own reason.
    """

    name: str

    def version(self) -> str:
        """What runs the containers, as it calls itself: `runc 1.1.5`. Raises EngineUnavailable where it is missing."""
        ...

    def take_room(self, directory: Path) -> None:
        """Have room in the container's directory for the exit record of a run that is about to begin. Raises OSError."""
        ...

    def forget_run(self, directory: Path) -> None:
        """The run came to nothing: neither an exit record nor room for one is left. Again is no error."""
        ...

    def run(self, launch: Launch) -> Process:
        """Create and start in one. When this fails nothing runs and nothing of this start is left, in the log neither."""
        ...

    def create(self, launch: Launch) -> Process:
        """The first half of `run`: init is there, with its streams and sockets, and waits. When this fails nothing is left."""
        ...

    def start(self, container: str) -> None:
        """The second half: let init execute what it is to run."""
        ...

    def waits(self, container: str) -> bool:
        """Whether its init was created and not started yet."""
        ...

    def sockets(self, container: str) -> Sockets:
        """Where a run that is alive can be attached to. Raises NotHonoured where this system has no such sockets."""
        ...

    def attach(self, container: str) -> Attachment:
        """The streams of a run that is alive."""
        ...

    def running(self, container: str) -> tuple[int, Process] | None:
        """The start number and init of a run that is alive, whoever started it. None: nothing lives."""
        ...

    def given(self, container: str) -> Given | None:
        """What the run that is under way was made with. None: there is none."""
        ...

    def alive(self, process: Process) -> bool:
        """Whether this very process still runs: same number, start time and boot, and not a zombie."""
        ...

    def exit_of(self, directory: Path) -> Exit | None:
        """The newest exit record in the container's directory."""
        ...

    def settled(self, container: str) -> bool:
        """Whether no monitor is at work for the container: an exit record that is not there now won't come."""
        ...

    def signal(self, container: str, process: Process, number: int) -> None:
        """Send a signal to the container's init. A frozen container gets it once it is thawed; SIGKILL ends it at once."""
        ...

    def pause(self, container: str) -> None:
        """Freeze every process of the container (cgroup freezer). Raises InvalidState where it has ended, or is just ending."""
        ...

    def resume(self, container: str) -> None:
        """Thaw it."""
        ...

    def delete(self, container: str) -> None:
        """Remove what the runtime keeps of a run that has ended: its state, bundle and cgroup. Again is no error."""
        ...

    def destroy(self, container: str) -> None:
        """The inverse of `run`, whatever state the container is in: kill, wait for the exit, delete."""
        ...

    def processes(self, container: str) -> list[ProcessInfo]:
        """The processes of a running container, by PID."""
        ...

    def ps(self, container: str, options: Sequence[str], accounts: Accounts) -> list[str]:
        """What ps(1) with these options writes of the container's processes, a line each; mostly there is a header.

        Raises ErrorOccurred for what ps refuses.
        """
        ...

    def sample(self, container: str, process: Process) -> Sample:
        """What the container has used so far."""
        ...

    def spent(self, container: str) -> Spent:
        """The CPU time of that alone: a fraction of the work, for a start, which needs no more."""
        ...

    def namespaces(self, process: Process) -> dict[str, str]:
        """The inode number of each namespace of the process, by its name in /proc/PID/ns; "" where unknown."""
        ...

    def shared_memory(self, container: str) -> str:
        """The directory on the host that is the container's /dev/shm, for another one that joins its IPC namespace; "": none."""
        ...

    def watch(self, directory: Path, wakeup: Wakeup | None = None) -> AbstractContextManager[Wakeup]:
        """Be woken up by what changes in the container's directory: log, exit record, removal.

        wakeup: what is notified, where that is not to be a new one; its `notify` has to be quick. FileNotFoundError: no such one.
        """
        ...

    def forget(self, container: str, directory: Path) -> None:
        """The container is gone and its directory with it: wake up whoever still watches it. Again is no error."""
        ...

    def listen(self, cleanup: Callable[[str], None]) -> None:
        """Have `cleanup(container)` called when a run has ended, for as long as this engine is open.

        Of several engines on one run directory the first one listens; where none does, `Launch.cleanup` is executed.
        """
        ...

    def known(self) -> list[str]:
        """The containers of which this runtime holds anything on the host: a bundle, a state, a monitor."""
        ...

    def close(self) -> None:
        """Let go of threads and helper processes of this engine. Containers live on (emulated ones end)."""
        ...
