"""What the tables hand out: frozen values that know of no database. Who only speaks of containers loads nothing else."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import lru_cache
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network

from podlink.engine.oci.spec.values import ContainerConfig, Port


@lru_cache(maxsize=1024)
def range_of(subnet: str) -> IPv4Network | IPv6Network:
    """A range such as `10.88.0.0/16`, read: once, for that is slow, and each start asks for several."""
    return ip_network(subnet)


class Status(StrEnum):
    """created: in the OCI runtime and not started; configured: only here."""

    CONFIGURED = "configured"
    CREATED = "created"
    RUNNING = "running"
    PAUSED = "paused"
    EXITED = "exited"


@dataclass(frozen=True, slots=True, kw_only=True)
class Container:
    """One container. Times are nanoseconds since the epoch, 0 for never; sizes are bytes.

    image: the image's ID; image_name: what the client called it. layers: chain IDs, base first; root_size: theirs together.
    start: the number of the last start, 0 before the first. pid, pid_start, boot: that run's init while it lives, else 0 and "";
    pid_start is field 22 of /proc/PID/stat and boot the boot ID, since a number alone may be another process by now.

    unreadable: why config is not what was written; it is then all defaults, and the container good for being shown, stopped and
    removed. Not a column.
    """

    id: str
    name: str
    image: str
    image_name: str
    layers: tuple[str, ...]
    created_at: int
    config: ContainerConfig
    root_size: int = 0
    status: Status = Status.CONFIGURED
    start: int = 0
    pid: int = 0
    pid_start: int = 0
    boot: str = ""
    started_at: int = 0
    finished_at: int = 0
    exit_code: int = 0
    oom_killed: bool = False
    error: str = ""
    rw_size: int = 0
    unreadable: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Layer:
    """One layer. chain: its chain ID and parent: that of the layer below, 64 hex digits each ("" for a base).

    diff_id: digest of the uncompressed tar; blob: digest of what is stored, blob_size bytes of media_type; size: bytes unpacked.
    """

    chain: str
    diff_id: str
    blob: str
    media_type: str
    size: int
    blob_size: int
    parent: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Image:
    """One image. id: 64 hex digits; digest: of the manifest, `sha256:…`; created_at: nanoseconds since the epoch.

    config and manifest: the JSON as it came, byte for byte, since both are known by their hash. size: bytes of its layers.
    layers: base first. names: full names, in the order in which they were given. digests: `REPOSITORY@DIGEST` of registries that
    are known to have it.
    """

    id: str
    digest: str
    created_at: int
    config: bytes
    manifest: bytes
    size: int
    layers: tuple[Layer, ...]
    names: tuple[str, ...] = ()
    digests: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Network:
    """subnet, subnet6: as `10.88.0.0/16`. fixed: the range was asked for, and doesn't step aside.

    asked: what the configuration said when bridge and range were chosen; empty for one that was created by name.
    """

    name: str
    bridge: str
    subnet: str
    subnet6: str
    fixed: bool = False
    created_at: int = 0
    asked: str = ""

    @property
    def gateway(self) -> str:
        return str(range_of(self.subnet)[1])

    @property
    def gateway6(self) -> str:
        return str(range_of(self.subnet6)[1])

    @property
    def prefix(self) -> int:
        return range_of(self.subnet).prefixlen

    @property
    def prefix6(self) -> int:
        return range_of(self.subnet6).prefixlen


@dataclass(frozen=True, slots=True, kw_only=True)
class Lease:
    """What a container has of a network while it runs. ipv6: whether this host had IPv6 when it started."""

    container: str
    network: Network
    number: int
    ports: tuple[Port, ...] = ()
    ipv6: bool = True

    @property
    def address(self) -> str:
        return str(range_of(self.network.subnet)[self.number])

    @property
    def address6(self) -> str:
        """Empty without IPv6."""
        return str(range_of(self.network.subnet6)[self.number]) if self.ipv6 else ""

    @property
    def addresses(self) -> tuple[str, ...]:
        return (self.address, self.address6) if self.ipv6 else (self.address,)

    @property
    def mac(self) -> str:
        return ":".join(f"{byte:02x}" for byte in (0x02, 0x4E, *ip_address(self.address).packed))


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One thing that happened. number: grows with each event and is never used twice. at: nanoseconds since the epoch.

    type and action:
        container   create, init, start, pause, unpause, die, remove
        image       import, pull, commit, load, tag, untag, remove
    """

    number: int = 0
    at: int
    type: str
    action: str
    id: str
    name: str
    attributes: Mapping[str, str] = field(default_factory=dict)
