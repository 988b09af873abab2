"""`mounts`, `linux.maskedPaths` and `linux.readonlyPaths`: what the kernel shows inside. runtime-spec, config.md, "Mounts".

The order matters: each is mounted on what the ones before have made.

    /                     the container's root file system
    ├── proc              processes of its own PID namespace; parts masked or read-only, see below
    ├── dev               a small tmpfs, into which the runtime puts null, zero, full, random, urandom, tty, ptmx
    │   ├── pts           terminals of its own (newinstance: none of the host's can be opened)
    │   ├── shm           POSIX shared memory
    │   └── mqueue        POSIX message queues
    ├── sys               read-only: it shows, and would set, the host's devices and drivers
    │   └── fs/cgroup     read-only: its own control group
    └── …                 tmpfs and volumes, as asked for: the shorter paths first, so that one may lie in another

What is asked for at the place of one of ours takes its place.
"""

from collections.abc import Mapping
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
ALL = "ALL"
MARK = "/run/.containerenv"
ETC = ("/etc/hosts", "/etc/hostname", "/etc/resolv.conf")
"""Files that the engine writes, so that the container knows its name and those of others."""
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


def mounts(
    config: ContainerConfig, cgroup_version: int, shared_memory: str = "", mark: str = "", files: Mapping[str, str] | None = None
) -> list[Mount]:
    """Every mount of the container, in order. A privileged one may write to /sys and to its cgroup.

    shared_memory: the directory that is its /dev/shm where it shares another's IPC namespace. mark: the file by which programs
    see that they are in a container. files: what the engine writes, by its place inside. Version 1 is shown with `relatime` as
    the host has it; version 2 needs no more than a new view (its namespace hides the rest).
    """
    writable = "rw" if config.privileged else "ro"
    usual = [
        _kernels("/proc", "proc", "proc", (), config, "pid_mode"),
        Mount("/dev", "tmpfs", "tmpfs", ("nosuid", "strictatime", "mode=755", "size=65536k")),
        Mount("/dev/pts", "devpts", "devpts", _terminals(config)),
        _memory(config, shared_memory),
        *_queues(config),
        _kernels("/sys", "sysfs", "sysfs", (*NO_PROGRAMS, writable), config, "net_mode"),
        Mount("/sys/fs/cgroup", "cgroup", "cgroup", (*NO_PROGRAMS, *(("relatime",) if cgroup_version == 1 else ()), writable)),
    ]
    asked = [Mount(each.destination, "tmpfs", "tmpfs", each.options) for each in config.tmpfs]
    asked += [Mount(each.destination, "bind", each.source, each.options) for each in config.volumes]
    if config.uid_map:
        asked += [Mount(each.path, "bind", each.source, ("bind",)) for each in config.devices if each.source]
    if mark:
        asked.append(Mount(MARK, "bind", mark, ("bind", "rprivate")))
    taken = {each.destination for each in asked}
    asked += [Mount(place, "bind", path, _bound(config)) for place, path in (files or {}).items() if place not in taken]
    taken = {each.destination for each in asked}
    return [each for each in usual if each.destination not in taken] + sorted(asked, key=lambda each: each.destination.count("/"))


def _bound(config: ContainerConfig) -> tuple[str, ...]:
    return ("bind", "rprivate", *(("ro",) if config.readonly_rootfs else ()))


def propagation(config: ContainerConfig) -> str:
    """`linux.rootfsPropagation`: a volume passes mounts on only below a root that does: mount_namespaces(7), SHARED SUBTREES."""
    words = {word for volume in config.volumes for word in volume.options}
    if words & {"shared", "rshared"}:
        return "rshared"
    return "rslave" if words & {"slave", "rslave"} else ""


def masked_paths(config: ContainerConfig) -> list[str]:
    """`linux.maskedPaths`: the usual ones, and those that were asked for."""
    return [path for path in (*MASKED, *config.masked) if not {path, ALL} & set(config.unmasked)]


def readonly_paths(config: ContainerConfig, cgroup_version: int) -> list[str]:
    """`linux.readonlyPaths`. The mount options of version 1 reach its hierarchies alone: runc 1.1 leaves the tmpfs that holds
    them writable, a corner where a read-only container could keep files, so it is named here."""
    paths = [*READONLY, "/sys/fs/cgroup"] if cgroup_version == 1 else READONLY
    return [path for path in paths if not {path, ALL} & set(config.unmasked)]


def _memory(config: ContainerConfig, shared: str) -> Mount:
    if config.ipc_mode == "host":
        return Mount("/dev/shm", "bind", "/dev/shm", ("rbind", *NO_PROGRAMS))
    if shared:
        return Mount("/dev/shm", "bind", shared, ("rbind", *NO_PROGRAMS))
    maps = config.id_maps()
    owner = "uid={},gid={}".format(*maps.root()).split(",") if maps else ()  # the engine mounts it, outside
    return Mount("/dev/shm", "tmpfs", "shm", (*NO_PROGRAMS, "mode=1777", f"size={-(-config.shm_size // 1024)}k", *owner))


def _queues(config: ContainerConfig) -> list[Mount]:
    """The host's queues can't be mounted by a user namespace of its own, and the host need not have them mounted. mq_open(3)
    opens them all the same: what is missing then is only their list."""
    foreign = config.uid_map and config.ipc_mode == "host"
    return [] if foreign else [Mount("/dev/mqueue", "mqueue", "mqueue", NO_PROGRAMS)]


def _kernels(place: str, kind: str, source: str, options: tuple[str, ...], config: ContainerConfig, field: str) -> Mount:
    """A file system in which the kernel shows a namespace. Only who has rights over that may mount it: a container with a user
    namespace of its own has them over one that is made for it, and over what it shares together with that. In place of the
    host's it is shown what the host has mounted."""
    mode: str = getattr(config, field)
    if config.uid_map and mode == "host":
        return Mount(place, "bind", place, ("rbind", *options))
    return Mount(place, kind, source, options)


def _terminals(config: ContainerConfig) -> tuple[str, ...]:
    options = ("nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620")
    known = not config.gid_map or any(each.inside <= TERMINAL_GROUP < each.inside + each.size for each in config.gid_map)
    return (*options, f"gid={TERMINAL_GROUP}") if known else options
