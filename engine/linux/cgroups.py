"""Control groups: what holds a container's processes together, counts what they use, freezes and kills them. cgroups(7)

    version 2 ("unified")             version 1, and hybrid
    /sys/fs/cgroup/                   /sys/fs/cgroup/
      cgroup.controllers                memory/podlink/4f1d…/memory.usage_in_bytes     a hierarchy for each controller,
      podlink/4f1d…/memory.current      freezer/podlink/4f1d…/freezer.state            the same path in all of them
      podlink/4f1d…/cgroup.freeze       unified/podlink/4f1d…/cgroup.procs             hybrid: a version 2 without controllers

A *cgroup* is named by its path below each hierarchy's root, `/podlink/4f1d…`, as in the OCI runtime-spec's `cgroupsPath`.
Nothing here touches anything outside that path. What is gone already is no error: the end that was asked for is there.
"""

import errno
import os
import signal
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from functools import partial
from pathlib import Path

from podlink.engine import trace

ROOT = Path("/sys/fs/cgroup")
PATIENCE = 20.0
"""Seconds that the kernel gets to freeze, empty or let go of a cgroup: a process in an uninterruptible sleep holds it up."""
UNIFIED = "unified"
GONE = (errno.ENOENT, errno.ENOTDIR, errno.ENODEV, errno.EOPNOTSUPP)
"""No such file, its cgroup removed while it was open, its controller switched off."""


def version(root: Path = ROOT) -> int:
    """2 where the root is a cgroup2 file system (only that has `cgroup.controllers`), 1 for version 1 and hybrid."""
    return 2 if (root / "cgroup.controllers").exists() else 1


def paths(cgroup: str, root: Path = ROOT) -> dict[str, Path]:
    """Where the cgroup is, or would be, in each hierarchy, by controller: `memory`, `cpu`, …; `unified` is version 2's."""
    below = _checked(cgroup)
    if version(root) == 2:
        return {UNIFIED: root / below}
    found = {}
    for entry in sorted(os.scandir(root), key=lambda entry: entry.name):
        # `cpu,cpuacct` is one hierarchy of two controllers; the links `cpu` and `cpuacct` beside it lead to the same place
        if not entry.is_symlink() and os.path.exists(f"{entry.path}/cgroup.procs"):  # noqa: PTH110 (asked at every reading)
            found.update(dict.fromkeys(entry.name.split(","), Path(entry.path, below)))
    return found


def texts(cgroup: str, files: Iterable[tuple[str, str]], root: Path = ROOT) -> dict[str, str]:
    """The texts of (controller, file) pairs, by file name. What is missing or unreadable is left out."""
    places = paths(cgroup, root)
    found = {name: read(places[controller] / name) for controller, name in files if controller in places}
    return {name: text for name, text in found.items() if text is not None}


def read(path: Path) -> str | None:
    """The text of a control file; None where there is none, or where its cgroup went away under the hand."""
    try:
        return path.read_text()
    except OSError as error:
        if error.errno in GONE:
            return None
        raise


def controls(parent: str, root: Path = ROOT) -> frozenset[str]:
    """The names of the control files that a cgroup below `parent` has, seen in one that is made and removed again.

    The root of a hierarchy lacks many of them, so looking there is not enough. Empty where no cgroup can be made.
    """
    probe = f"{parent}/probe-{os.getpid()}-{threading.get_ident()}"
    found: set[str] = set()
    try:
        for path in _distinct(paths(probe, root)):
            path.mkdir(parents=True)
            if version(root) == 2:
                _enable_all(path.parent, root)
            found.update(entry.name for entry in path.iterdir() if entry.is_file())
    except OSError:
        return frozenset()
    finally:
        with suppress(OSError):
            remove(probe, root)
    return frozenset(found)


def _enable_all(path: Path, root: Path) -> None:
    """Have the children of this cgroup, and of those above it, get every controller that there is: cgroups(7), "Enabling and
    disabling controllers". The runtime does the same for each container."""
    for folder in reversed([path, *(above for above in path.parents if above.is_relative_to(root))]):
        for controller in (read(folder / "cgroup.controllers") or "").split():
            with suppress(OSError):  # one that is busy elsewhere, or in a cgroup that has processes of its own
                _write(folder / "cgroup.subtree_control", f"+{controller}", quietly=True)


def realtime_budget(cgroup: str, root: Path = ROOT) -> int:
    """Microseconds of realtime in each period that this cgroup of version 1 may use and hand on."""
    places = {} if version(root) == 2 else paths(cgroup, root)
    text = read(places["cpu"] / "cpu.rt_runtime_us") if "cpu" in places else None
    return max(int(text), 0) if text else 0


def processes(cgroup: str, root: Path = ROOT) -> list[int]:
    """The PIDs in the cgroup and in those below it, sorted.

    Every hierarchy is asked: a privileged container may move its own processes about in one and not in another.
    """
    return _members(paths(cgroup, root))


def _members(places: Mapping[str, Path]) -> list[int]:
    found: set[int] = set()
    for path in _distinct(places):
        for folder, _, _ in os.walk(path):
            found.update(int(word) for word in (read(Path(folder) / "cgroup.procs") or "").split())
    return sorted(found - {0})  # 0: a process of another PID namespace


def join(cgroup: str, pid: int, root: Path = ROOT) -> None:
    """Move a process into the cgroup in every hierarchy, making the cgroup where it is missing."""
    for path in _distinct(paths(cgroup, root)):
        if not path.is_dir():
            trace.ran("mkdir", "-p", path)
            path.mkdir(parents=True, exist_ok=True)
            _inherit_cpuset(path, root)
        _write(path / "cgroup.procs", str(pid))


def freeze(cgroup: str, hopeless: Callable[[], bool] = lambda: False, root: Path = ROOT) -> None:
    """Stop every process of the cgroup where it stands. Back only when all of them have stopped; else none is.

    hopeless: whether it is no use any more. An init that is ending waits for its children, and where those are frozen, for
    good. Raises ProcessLookupError then, TimeoutError where it takes too long.
    """
    places = paths(cgroup, root)
    control, word = (
        (places[UNIFIED] / "cgroup.freeze", "1") if version(root) == 2 else (places["freezer"] / "freezer.state", "FROZEN")
    )

    def settled() -> bool:
        if frozen(cgroup, root):
            return True
        if hopeless():
            raise ProcessLookupError(errno.ESRCH, "its init is ending", cgroup)
        _write(control, word, quietly=True)  # FREEZING can last for good when a process forks just then: ask again
        return False

    _write(control, word)
    try:
        _until(settled, f"{cgroup} to freeze")
    except OSError:
        thaw(cgroup, root)  # half frozen is worse than not frozen
        raise


def thaw(cgroup: str, root: Path = ROOT) -> None:
    """Let the processes go on. Again is no error."""
    places = paths(cgroup, root)
    control, word = (
        (places[UNIFIED] / "cgroup.freeze", "0") if version(root) == 2 else (places["freezer"] / "freezer.state", "THAWED")
    )
    if not control.exists():
        return
    _write(control, word)
    _until(lambda: not frozen(cgroup, root), f"{cgroup} to thaw")


def frozen(cgroup: str, root: Path = ROOT) -> bool:
    """Whether every process of the cgroup stands still."""
    places = paths(cgroup, root)
    if version(root) == 2:
        return _counters(places[UNIFIED] / "cgroup.events").get("frozen") == 1
    return "freezer" in places and (read(places["freezer"] / "freezer.state") or "").strip() == "FROZEN"


def kill_all(cgroup: str, root: Path = ROOT) -> None:
    """SIGKILL to every process in the cgroup and below it; back when it is empty. Frozen ones die too."""
    places = paths(cgroup, root)
    if not (found := _members(places)):
        return
    if os.getpid() in found:
        raise ValueError(f"{cgroup} holds this process itself: it will not be killed")
    control = places.get(UNIFIED, root) / "cgroup.kill"
    if version(root) == 2 and control.exists():
        _write(control, "1")
    _until(lambda: not _kill_once(places), f"the processes of {cgroup} to end")


def remove(cgroup: str, root: Path = ROOT) -> None:
    """Remove the cgroup and those below it, in every hierarchy. It must be empty; the kernel may take a moment to see that."""
    for path in _distinct(paths(cgroup, root)):
        if path.exists():
            trace.ran("find", path, "-depth", "-type", "d", "-exec", "rmdir", "{}", ";")
            _until(partial(_removed, path), f"{path} to be let go")


def oom_killed(cgroup: str, root: Path = ROOT) -> bool:
    """Whether the kernel killed a process of the cgroup for want of memory."""
    places = paths(cgroup, root)
    if version(root) == 2:
        return _counters(places[UNIFIED] / "memory.events").get("oom_kill", 0) > 0
    return "memory" in places and _counters(places["memory"] / "memory.oom_control").get("oom_kill", 0) > 0


def _checked(cgroup: str) -> str:
    """The cgroup's path without its leading slash, once it is sure to be below the root and not the root."""
    parts = cgroup.split("/")[1:]
    if not cgroup.startswith("/") or not all(parts) or {".", ".."} & set(parts) or "\0" in cgroup:
        raise ValueError(f"{cgroup!r} is not the path of a cgroup: absolute, below the root, without . and ..")
    return "/".join(parts)


def _distinct(places: Mapping[str, Path]) -> list[Path]:
    """Each path once: two controllers may share a hierarchy."""
    return list(dict.fromkeys(places.values()))


def _counters(path: Path) -> dict[str, int]:
    """A file of `name number` lines; empty where it is missing."""
    pairs = (line.split() for line in (read(path) or "").splitlines())
    return {words[0]: int(words[1]) for words in pairs if len(words) == 2}


def _write(path: Path, text: str, quietly: bool = False) -> None:
    """Write to a control file. In one write(2), and never creating a plain file where the control is missing."""
    if not quietly:
        trace.ran("sh", "-c", f"echo {text} > {path}")
    descriptor = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    try:
        os.write(descriptor, text.encode())
    finally:
        os.close(descriptor)


def _until(done: Callable[[], bool], what: str) -> None:
    """Ask until it is so: at once, then at growing distances, for PATIENCE at most. The kernel has no event for these."""
    deadline, pause = time.monotonic() + PATIENCE, 0.0005
    while not done():
        if time.monotonic() > deadline:
            raise TimeoutError(f"waited {PATIENCE:.0f} s for {what}")
        time.sleep(pause)
        pause = min(pause * 2, 0.05)


def _kill_once(places: Mapping[str, Path]) -> list[int]:
    """Signal every process that is there now; the answer is who they were. More may have been forked meanwhile: call again.

    On version 1 they are asked to freeze first, so that few fork between the look and the signal; and a signal to a frozen
    process stays pending, so the thaw comes last.
    """
    if not (found := _members(places)):
        return found
    freezer = places.get("freezer")
    if freezer:
        _ask(freezer / "freezer.state", "FROZEN")
        found = _members(places)
    for pid in found:
        with suppress(ProcessLookupError):
            trace.ran("kill", "-KILL", pid)
            os.kill(pid, signal.SIGKILL)
    if freezer:
        _ask(freezer / "freezer.state", "THAWED")
    return found


def _ask(control: Path, word: str) -> None:
    """Write to a control file of a cgroup that may go away at any moment; then there is nothing left to ask."""
    try:
        _write(control, word, quietly=True)
    except OSError as error:
        if error.errno not in GONE:
            raise


def _removed(path: Path) -> bool:
    """Try to remove the cgroup, children first (rmdir(2) does not care for the control files in it); whether it is gone."""
    for folder, _, _ in os.walk(path, topdown=False):
        try:
            Path(folder).rmdir()
        except FileNotFoundError:
            continue
        except OSError as error:
            if error.errno not in (errno.EBUSY, errno.ENOTEMPTY):  # somebody is still in it
                raise
            return False
    return not path.exists()


def _inherit_cpuset(path: Path, root: Path) -> None:
    """A new cpuset of version 1 has no CPU and no memory node, and lets nobody in until it has: give it its parent's."""
    if version(root) == 2:
        return  # there an empty cpuset stands for the parent's
    for name in ("cpuset.cpus", "cpuset.mems"):
        for folder in reversed([path, *path.parents]):
            if folder.is_relative_to(root) and (control := folder / name).exists() and not (read(control) or "").strip():
                _write(control, (read(folder.parent / name) or "").strip())
