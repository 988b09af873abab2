"""`mounts`, `linux.maskedPaths` and `linux.readonlyPaths`: what the kernel shows inside. runtime-spec, config.md, "Mounts".

The order matters: each is mounted on what the ones before have made.

    /                     the container's root file system
    ├── proc              processes of its own PID namespace; parts masked or read-only, see below
    ├── dev               a small tmpfs, into which the runtime puts null, zero, full, random, urandom, tty, ptmx
    │   ├── pts           terminals of its own (newinstance: none of the host's can be opened)
    │   ├── shm           POSIX shared memory
    │   └── mqueue        POSIX message queues
    └── sys               read-only: it shows, and would set, the host's devices and drivers
        └── fs/cgroup     read-only: its own control group
"""

from dataclasses import dataclass
from typing import Any

from podlink.engine.oci.spec.values import ContainerConfig

MASKED = (
    "/proc/acpi",
    "/proc/asound",
    "/proc/interrupts",
    "/proc/kcore",
    "/proc/keys",
    "/proc/latency_stats",
    "/proc/sched_debug",
    "/proc/scsi",
    "/proc/timer_list",
    "/proc/timer_stats",
    "/sys/dev/block",
    "/sys/devices/virtual/powercap",
    "/sys/firmware",
    "/sys/fs/selinux",
)
"""What /proc and /sys tell of the host whatever the namespace: its memory, keys, timers, disks, firmware, and figures fine
enough to listen in on its neighbours (interrupts, power). A directory appears empty, a file reads empty."""

READONLY = ("/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger")
"""What /proc would let root change on the host: kernel settings, interrupt routing, and `echo b > /proc/sysrq-trigger`."""

NO_PROGRAMS = ("nosuid", "noexec", "nodev")
TERMINAL_GROUP = 5
"""The group `tty` of every distribution: pseudo terminals belong to it."""


@dataclass(frozen=True, slots=True)
class Mount:
    """One mount, as mount(8) takes it."""

    destination: str
    type: str
    source: str
    options: tuple[str, ...] = ()

    def document(self) -> dict[str, Any]:
        """Its object in config.json, where no options is no key."""
        document: dict[str, Any] = {"destination": self.destination, "type": self.type, "source": self.source}
        return document | {"options": list(self.options)} if self.options else document


def mounts(config: ContainerConfig, cgroup_version: int) -> list[Mount]:
    """Every mount of the container, in order. A privileged one may write to /sys and to its cgroup.

    Version 1 is shown with `relatime` as the host has it; version 2 needs no more than a new view (its namespace hides the rest).
    """
    writable = "rw" if config.privileged else "ro"
    return [
        Mount("/proc", "proc", "proc"),
        Mount("/dev", "tmpfs", "tmpfs", ("nosuid", "strictatime", "mode=755", "size=65536k")),
        Mount("/dev/pts", "devpts", "devpts", _terminals()),
        Mount("/dev/shm", "tmpfs", "shm", (*NO_PROGRAMS, "mode=1777", "size=65536k")),
        Mount("/dev/mqueue", "mqueue", "mqueue", NO_PROGRAMS),
        Mount("/sys", "sysfs", "sysfs", (*NO_PROGRAMS, writable)),
        Mount("/sys/fs/cgroup", "cgroup", "cgroup", (*NO_PROGRAMS, *(("relatime",) if cgroup_version == 1 else ()), writable)),
    ]


def readonly_paths(cgroup_version: int) -> list[str]:
    """`linux.readonlyPaths`. The mount options of version 1 reach its hierarchies alone: runc 1.1 leaves the tmpfs that holds
    them writable, a corner where a read-only container could keep files, so it is named here."""
    return [*READONLY, "/sys/fs/cgroup"] if cgroup_version == 1 else list(READONLY)


def _terminals() -> tuple[str, ...]:
    return ("nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", f"gid={TERMINAL_GROUP}")
