"""What this host is and may do, read once when the engine opens.

Plain values: the runtime-spec's own (`oci.spec.values.HostFacts`) is built from them at the top of the house.
"""

import os
import platform
import resource
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from podlink.engine.linux import capabilities, cgroups

SKIPPED = frozenset({"pts", "shm", "mqueue", "console", "fd", ".lxc", ".udev"})
"""Names in /dev that each container gets of its own, or that are not devices of the host."""


@dataclass(frozen=True, kw_only=True)
class DeviceNode:
    """A device node of /dev. type: `c` or `b`; mode: permission bits."""

    path: str
    type: str
    major: int
    minor: int
    mode: int
    uid: int
    gid: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """capabilities: those of this process's bounding set. architecture: `uname -m`. features: what each of its processors can do.

    seccomp: whether filters can be loaded.
    controls: the names of the control files that a cgroup has here. rlimits: this process's own, soft and hard by name.
    realtime_budget: microseconds of realtime in a period that the cgroup `parent` has to give.
    """

    cgroup_version: int
    capabilities: frozenset[str]
    architecture: str
    features: frozenset[str]
    seccomp: bool
    devices: tuple[DeviceNode, ...]
    selinux: bool
    apparmor: bool
    controls: frozenset[str]
    rlimits: dict[str, tuple[int, int]]
    oom_score_adj: int
    processors: frozenset[int]
    memory_nodes: frozenset[int]
    realtime_budget: int


def read(
    parent: str, proc: Path = Path("/proc"), dev: Path = Path("/dev"), sys: Path = Path("/sys"), cgroup_root: Path = cgroups.ROOT
) -> Facts:
    """All of them. parent: the cgroup below which containers have theirs, `/podlink`."""
    return Facts(
        cgroup_version=cgroups.version(cgroup_root),
        capabilities=bounding(proc),
        architecture=platform.machine(),
        features=features(_text(proc / "cpuinfo")),
        seccomp=seccomp(proc),
        devices=tuple(devices(dev)),
        selinux=(sys / "fs/selinux/enforce").exists(),
        apparmor=_text(sys / "module/apparmor/parameters/enabled").strip() == "Y",
        controls=cgroups.controls(parent, cgroup_root),
        rlimits=rlimits(),
        oom_score_adj=int(_text(proc / "self/oom_score_adj") or 0),
        processors=numbers(_text(sys / "devices/system/cpu/online")),
        memory_nodes=numbers(_text(sys / "devices/system/node/online")),
        realtime_budget=cgroups.realtime_budget(parent, cgroup_root),
    )


def features(cpuinfo: str) -> frozenset[str]:
    """What every processor can do: the words of `flags` (x86) or `Features` (ARM) in /proc/cpuinfo; none where it has neither."""
    lines = [line.partition(":") for line in cpuinfo.splitlines()]
    told = [frozenset(words.split()) for name, _, words in lines if name.strip() in ("flags", "Features")]
    return frozenset.intersection(*told) if told else frozenset()


def rlimits() -> dict[str, tuple[int, int]]:
    """getrlimit(2) by name, `RLIMIT_NOFILE`; no limit is 2**64-1, as the kernel writes it."""
    names = [name for name in dir(resource) if name.startswith("RLIMIT_") and name != "RLIMIT_OFILE"]
    found = {name: resource.getrlimit(getattr(resource, name)) for name in names}
    return {name: (soft % 2**64, hard % 2**64) for name, (soft, hard) in found.items()}


def numbers(text: str) -> frozenset[int]:
    """A list as the kernel writes them: `0-3,6`."""
    spans = [[int(word) for word in part.split("-")] for part in text.strip().split(",") if part]
    return frozenset(number for span in spans for number in range(span[0], span[-1] + 1))


def _text(path: Path) -> str:
    """Empty where it is missing: the kernel is built without it."""
    try:
        return path.read_text()
    except OSError:
        return ""


def every_capability() -> tuple[str, ...]:
    """All that have a name, whether or not this process may hand them on."""
    return capabilities.NAMES


def bounding(proc: Path = Path("/proc")) -> frozenset[str]:
    """What this process may hand on: `CapBnd` of its status. A child never gets more: capabilities(7)."""
    lines = (proc / "self/status").read_text().splitlines()
    mask = next(line.split()[1] for line in lines if line.startswith("CapBnd:"))
    return capabilities.named(int(mask, 16))


def seccomp(proc: Path = Path("/proc")) -> bool:
    """Whether the kernel can filter system calls and answer with an errno: seccomp(2), "/proc interfaces"."""
    try:
        return "errno" in (proc / "sys/kernel/seccomp/actions_avail").read_text().split()
    except FileNotFoundError:
        return False


def devices(folder: Path = Path("/dev")) -> Iterator[DeviceNode]:
    """The character and block devices below `folder`, sorted by path. Links are left out: what they name is here itself."""
    for entry in sorted(os.scandir(folder), key=lambda entry: entry.name):
        if entry.name in SKIPPED or entry.is_symlink():
            continue
        if entry.is_dir():
            yield from devices(Path(entry.path))
            continue
        status = entry.stat(follow_symlinks=False)
        if stat.S_ISCHR(status.st_mode) or stat.S_ISBLK(status.st_mode):
            yield DeviceNode(
                path=entry.path,
                type="c" if stat.S_ISCHR(status.st_mode) else "b",
                major=os.major(status.st_rdev),
                minor=os.minor(status.st_rdev),
                mode=stat.S_IMODE(status.st_mode),
                uid=status.st_uid,
                gid=status.st_gid,
            )
