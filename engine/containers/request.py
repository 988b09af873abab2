"""What a client may ask of a new container: the `Create` type of the interface, field for field.

A zero value (0, "", False, empty) means "not asked". A field that is asked for and that this engine does not honour yet
is refused by name; none is ever ignored.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace

from podlink.engine.errors import InvalidRequest, NotHonoured


@dataclass(frozen=True, slots=True, kw_only=True)
class IDMap:
    """One range of IDs: `size` of them, from `container_id` inside to `host_id` outside."""

    container_id: int = 0
    host_id: int = 0
    size: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class IDMappingOptions:
    """The user namespace's mappings, as the interface spells them."""

    host_uid_mapping: bool = False
    host_gid_mapping: bool = False
    uid_map: IDMap = field(default_factory=IDMap)
    gid_map: IDMap = field(default_factory=IDMap)


@dataclass(frozen=True, slots=True, kw_only=True)
class ResourceRequest:
    """The `CreateResourceConfig` type. Sizes in bytes, periods and quotas in microseconds."""

    blkio_weight: int = 0
    blkio_weight_device: Sequence[str] = ()
    cpu_period: int = 0
    cpu_quota: int = 0
    cpu_rt_period: int = 0
    cpu_rt_runtime: int = 0
    cpu_shares: int = 0
    cpus: float = 0.0
    cpuset_cpus: str = ""
    cpuset_mems: str = ""
    device_read_bps: Sequence[str] = ()
    device_read_iops: Sequence[str] = ()
    device_write_bps: Sequence[str] = ()
    device_write_iops: Sequence[str] = ()
    disable_oomkiller: bool = False
    kernel_memory: int = 0
    memory: int = 0
    memory_reservation: int = 0
    memory_swap: int = 0
    memory_swappiness: int = 0
    oom_score_adj: int = 0
    pids_limit: int = 0
    shm_size: int = 0
    ulimit: Sequence[str] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class CreateRequest:
    """The `Create` type. stop_timeout: seconds; stop_signal: a signal's number."""

    args: Sequence[str] = ()
    cap_add: Sequence[str] = ()
    cap_drop: Sequence[str] = ()
    conmon_pidfile: str = ""
    cgroup_parent: str = ""
    command: Sequence[str] = ()
    detach: bool = False
    devices: Sequence[str] = ()
    dns_opt: Sequence[str] = ()
    dns_search: Sequence[str] = ()
    dns_servers: Sequence[str] = ()
    entrypoint: Sequence[str] = ()
    env: Mapping[str, str] = field(default_factory=dict)
    exposed_ports: Sequence[str] = ()
    gidmap: Sequence[str] = ()
    group_add: Sequence[str] = ()
    host_add: Sequence[str] = ()
    hostname: str = ""
    image: str = ""
    image_id: str = ""
    builtin_imgvolumes: Sequence[str] = ()
    id_mappings: IDMappingOptions = field(default_factory=IDMappingOptions)
    image_volume_type: str = ""
    interactive: bool = False
    ipc_mode: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    log_driver: str = ""
    log_driver_opt: Sequence[str] = ()
    name: str = ""
    net_mode: str = ""
    network: str = ""
    pid_mode: str = ""
    pod: str = ""
    privileged: bool = False
    publish: Sequence[str] = ()
    publish_all: bool = False
    quiet: bool = False
    readonly_rootfs: bool = False
    resources: ResourceRequest = field(default_factory=ResourceRequest)
    rm: bool = False
    shm_dir: str = ""
    stop_signal: int = 0
    stop_timeout: int = 0
    subuidmap: str = ""
    subgidmap: str = ""
    subuidname: str = ""
    subgidname: str = ""
    sys_ctl: Mapping[str, str] = field(default_factory=dict)
    tmpfs: Sequence[str] = ()
    tty: bool = False
    uidmap: Sequence[str] = ()
    userns_mode: str = ""
    user: str = ""
    uts_mode: str = ""
    volumes: Sequence[str] = ()
    work_dir: str = ""
    mount_label: str = ""
    process_label: str = ""
    no_new_privs: bool = False
    apparmor_profile: str = ""
    seccomp_profile_path: str = ""
    security_opts: Sequence[str] = ()


HONOURED = frozenset(
    {"cap_add", "cap_drop", "command", "detach", "entrypoint", "env", "hostname", "image", "image_id", "labels", "name"}
    | {"net_mode", "network", "privileged", "quiet", "readonly_rootfs", "resources", "rm", "stop_signal", "stop_timeout"}
    | {"user", "work_dir", "args", "group_add", "no_new_privs", "apparmor_profile", "seccomp_profile_path", "security_opts"}
    | {"mount_label", "process_label", "pid_mode", "ipc_mode", "uts_mode", "volumes", "tmpfs", "devices", "shm_dir", "sys_ctl"}
    | {"builtin_imgvolumes", "image_volume_type", "cgroup_parent", "userns_mode", "uidmap", "gidmap", "id_mappings"}
    | {"subuidmap", "subgidmap", "subuidname", "subgidname", "conmon_pidfile", "tty", "interactive", "log_driver"}
    | {"log_driver_opt"}
    | {"publish", "publish_all", "exposed_ports", "dns_servers", "dns_search", "dns_opt", "host_add"}
)
"""The fields of CreateRequest that do what they say. The others are refused when they are asked for."""
UNBUILT = tuple(each.name for each in fields(CreateRequest) if each.name not in HONOURED)


def refuse_unbuilt(request: CreateRequest) -> None:
    """Raise NotHonoured, naming the field, for the first field that is asked for and not honoured yet."""
    if request.pod:
        raise NotHonoured("pod", "this engine has no pods; share namespaces by pid_mode, ipc_mode and net_mode instead")
    for name in UNBUILT:
        if _asked(getattr(request, name)):
            raise NotHonoured(name, "not built yet; leave it out or at its zero value")


def _asked(value: object) -> bool:
    """Whether a field differs from its zero value."""
    return value != IDMappingOptions() if isinstance(value, IDMappingOptions) else bool(value)


def spread(request: CreateRequest) -> CreateRequest:
    """Clients of the time also put image and command into `args`: with an empty `image`, the first word is the image and the rest
    the command. Where both are given they must agree. Raises InvalidRequest."""
    if not request.args:
        return request
    image, *command = request.args
    if request.image and request.image != image:
        raise InvalidRequest(f"args: its first word, {image!r}, is the image, and image says {request.image!r}; drop one")
    if command and request.command and list(request.command) != command:
        raise InvalidRequest("args: the words after the image are the command, and command says something else; drop one")
    return replace(request, image=image, command=command or request.command)
