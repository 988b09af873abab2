"""What a runtime-spec configuration is made from: the container's own settings, and facts about the host."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True, slots=True)
class DeviceValue:
    """A block device and a figure for it: a weight, or bytes or operations a second."""

    major: int
    minor: int
    value: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Resources:
    """Limits of the container's cgroup; 0, empty and None are no limit. Sizes in bytes; quotas and periods in microseconds.

    memory_swap: memory and swap together, -1 for no limit of the two. cpuset: lists such as `0-3,6`.
    """

    memory: int = 0
    memory_reservation: int = 0
    memory_swap: int = 0
    memory_swappiness: int | None = None
    disable_oomkiller: bool = False
    cpu_shares: int = 0
    cpu_quota: int = 0
    cpu_period: int = 0
    cpu_rt_runtime: int = 0
    cpu_rt_period: int = 0
    cpuset_cpus: str = ""
    cpuset_mems: str = ""
    pids_limit: int = 0
    blkio_weight: int = 0
    blkio_weight_device: tuple[DeviceValue, ...] = ()
    device_read_bps: tuple[DeviceValue, ...] = ()
    device_write_bps: tuple[DeviceValue, ...] = ()
    device_read_iops: tuple[DeviceValue, ...] = ()
    device_write_iops: tuple[DeviceValue, ...] = ()


@dataclass(frozen=True, slots=True)
class Rlimit:
    """A limit of each process: getrlimit(2). kind: `RLIMIT_NOFILE`, …; 2**64-1 is no limit."""

    kind: str
    soft: int
    hard: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Volume:
    """A directory or file of the host that is seen inside. options: as mount(8) has them, `ro` or `rw` among them.

    seed: whether it is filled, at the first start, with what the image has at its place.
    """

    source: str
    destination: str
    options: tuple[str, ...] = ()
    seed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Tmpfs:
    """A file system in memory. options: as mount(8) has them."""

    destination: str
    options: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class IDRange:
    """`size` IDs, from `inside` in the container to `outside` on the host: user_namespaces(7)."""

    inside: int
    outside: int
    size: int


@dataclass(frozen=True, slots=True)
class IDMaps:
    """The two mappings of a user namespace; both have ID 0, the container's root."""

    uids: tuple[IDRange, ...]
    gids: tuple[IDRange, ...]

    def root(self) -> tuple[int, int]:
        """The container's root, user and group, as the host counts."""
        return outside(self.uids, 0), outside(self.gids, 0)


def outside(ranges: tuple[IDRange, ...], number: int) -> int:
    """The host's number of one of the container's IDs. Raises KeyError for one that is not mapped."""
    for each in ranges:
        if each.inside <= number < each.inside + each.size:
            return each.outside + number - each.inside
    raise KeyError(number)


@dataclass(frozen=True, slots=True, kw_only=True)
class Device:
    """A device node. type: `c` or `b`; mode: permission bits; access: of `rwm` (read, write, mknod) what is allowed."""

    path: str
    type: str
    major: int
    minor: int
    mode: int
    uid: int = 0
    gid: int = 0
    access: str = "rwm"
    source: str = ""


@dataclass(frozen=True, slots=True)
class Port:
    """A port of the container that is reached by one of the host. host_port: 0 is any that is free; host_ip: "" is each address.

    protocol: `tcp`, `udp` or `sctp`.
    """

    container_port: int
    host_port: int = 0
    protocol: str = "tcp"
    host_ip: str = ""

    def __str__(self) -> str:
        return f"{self.host_port}/{self.protocol}" + (f" of {self.host_ip}" if self.host_ip else "")


@dataclass(frozen=True, slots=True, kw_only=True)
class ContainerConfig:
    """All that CreateContainer settled once and for all, from the request and the image. Kept in the state as JSON.

    args: the argv of init (entrypoint, then command). env: `NAME=value`. user: as asked or as the image says, unresolved
    (`name`, `uid:gid`, …). stop_timeout: seconds. net_mode: `bridge`, `none`, `host`, `container:ID` or `ns:PATH`; an old record
    may have `private`, which is `none`. network: the name of the network, with `bridge`. hosts: `NAME:ADDRESS`.

    pid_mode, ipc_mode, uts_mode, userns_mode: `private`, `host`, `container:ID`, `ns:PATH`; an absent user namespace is the
    host's. seccomp: a filter as JSON (config-linux.md, "Seccomp"), `unconfined`, or empty for our own.
    oom_score_adj: None is the engine's own. shm_size: bytes. masked, unmasked: paths beyond, or less than, the usual ones;
    `ALL` among the latter unmasks every one. uid_map, gid_map: both are empty with the host's user namespace, else neither.
    conmon_pidfile: where the monitor is to leave its PID. tty: init has a terminal; interactive: its stdin is open, for whoever
    attaches. log_driver: `k8s-file`, `json-file`, `journald` or `none`; log_path: of its file, empty is in the container's
    directory; log_limit: bytes of one file, 0 is any; log_files: how many are kept then; log_tag: of entries in the journal.
    """

    args: tuple[str, ...]
    env: tuple[str, ...] = ()
    cwd: str = "/"
    user: str = ""
    hostname: str = ""
    net_mode: str = "private"
    readonly_rootfs: bool = False
    cap_add: tuple[str, ...] = ()
    cap_drop: tuple[str, ...] = ()
    privileged: bool = False
    resources: Resources = field(default_factory=Resources)
    stop_signal: int = 15
    stop_timeout: int = 10
    rm: bool = False
    detach: bool = False
    quiet: bool = False
    labels: Mapping[str, str] = field(default_factory=dict)
    entrypoint: tuple[str, ...] = ()
    command: tuple[str, ...] = ()
    group_add: tuple[str, ...] = ()
    rlimits: tuple[Rlimit, ...] = ()
    oom_score_adj: int | None = None
    no_new_privileges: bool = False
    apparmor_profile: str = ""
    process_label: str = ""
    mount_label: str = ""
    seccomp: str = ""
    security_opts: tuple[str, ...] = ()
    masked: tuple[str, ...] = ()
    unmasked: tuple[str, ...] = ()
    pid_mode: str = "private"
    ipc_mode: str = "private"
    uts_mode: str = "private"
    userns_mode: str = "host"
    uid_map: tuple[IDRange, ...] = ()
    gid_map: tuple[IDRange, ...] = ()
    volumes: tuple[Volume, ...] = ()
    tmpfs: tuple[Tmpfs, ...] = ()
    devices: tuple[Device, ...] = ()
    sysctls: Mapping[str, str] = field(default_factory=dict)
    shm_size: int = 64 * 2**20
    cgroup_parent: str = ""
    network: str = ""
    ports: tuple[Port, ...] = ()
    publish_all: bool = False
    dns_servers: tuple[str, ...] = ()
    dns_search: tuple[str, ...] = ()
    dns_options: tuple[str, ...] = ()
    hosts: tuple[str, ...] = ()
    conmon_pidfile: str = ""
    tty: bool = False
    interactive: bool = False
    log_driver: str = "k8s-file"
    log_limit: int = 0
    log_files: int = 2
    log_path: str = ""
    log_tag: str = ""

    def modes(self) -> tuple[str, ...]:
        """Whose namespaces it has; one may be another container's."""
        return self.pid_mode, self.ipc_mode, self.uts_mode, self.net_mode, self.userns_mode

    def id_maps(self) -> IDMaps | None:
        """The mappings of its user namespace; None where it has the host's."""
        return IDMaps(self.uid_map, self.gid_map) if self.uid_map else None


@dataclass(frozen=True, slots=True, kw_only=True)
class User:
    """Whom init runs as, in numbers, as found in the image's /etc/passwd and /etc/group."""

    uid: int = 0
    gid: int = 0
    additional_gids: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class HostFacts:
    """What the spec must know of the host. Read once when the engine opens; a value, so that the spec stays pure.

    capabilities: those that this process may hand on (its bounding set), upper case with `CAP_`.
    architecture: `uname -m`. features: what its processors can do, in the words of /proc/cpuinfo. devices: the host's device
    nodes, for privileged containers. controls: the names of the control files that cgroups have here, `memory.swappiness` or
    `io.weight`. rlimits, oom_score_adj: the engine's own, which a container inherits. processors, memory_nodes: those that are
    online. realtime_budget: microseconds of a period that the containers' cgroup may give away.
    """

    cgroup_version: int = 2
    capabilities: frozenset[str] = frozenset()
    architecture: str = "x86_64"
    features: frozenset[str] = frozenset()
    seccomp: bool = True
    devices: tuple[Device, ...] = ()
    selinux: bool = False
    apparmor: bool = False
    controls: frozenset[str] = frozenset()
    rlimits: tuple[Rlimit, ...] = ()
    oom_score_adj: int = 0
    processors: frozenset[int] = frozenset()
    memory_nodes: frozenset[int] = frozenset()
    realtime_budget: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Placement:
    """Where this start happens: the container's ID, its mounted root, whom init runs as, its cgroup and namespaces.

    cgroup: absolute path below each hierarchy's root, `/podlink/4f1d…`. network, pid, ipc, uts: `private`, `host` or a path
    of /proc or nsfs. user_namespace: the same, where the container has mappings. shared_memory: the /dev/shm of the container
    whose IPC namespace is joined. mark: the file that is bound to /run/.containerenv.
    """

    container: str
    rootfs: Path
    user: User
    cgroup: str
    network: str
    pid: str = "private"
    ipc: str = "private"
    uts: str = "private"
    user_namespace: str = "private"
    shared_memory: str = ""
    files: Mapping[str, str] = field(default_factory=dict)
    mark: str = ""
