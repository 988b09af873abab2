"""What a runtime-spec configuration is made from: the container's own settings, and facts about the host."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Resources:
    """Limits of the container's cgroup; 0 is no limit. memory: bytes; quota and period: microseconds."""

    memory: int = 0
    cpu_shares: int = 0
    cpu_quota: int = 0
    cpu_period: int = 0
    pids_limit: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class ContainerConfig:
    """All that CreateContainer settled once and for all, from the request and the image. Kept in the state as JSON.

    args: the argv of init (entrypoint, then command). env: `NAME=value`. user: as asked or as the image says, unresolved
    (`name`, `uid:gid`, …). net_mode: `private`, `none` or `host`. stop_timeout: seconds.
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
    architecture: `uname -m`. devices: the host's device nodes, for privileged containers.
    """

    cgroup_version: int = 2
    capabilities: frozenset[str] = frozenset()
    architecture: str = "x86_64"
    seccomp: bool = True
    devices: tuple["Device", ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Device:
    """A device node. type: `c` or `b`; mode: permission bits."""

    path: str
    type: str
    major: int
    minor: int
    mode: int
    uid: int = 0
    gid: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Placement:
    """Where this start happens: the container's ID, its mounted root, whom init runs as, its cgroup and network.

    cgroup: absolute path below each hierarchy's root, `/podlink/4f1d…`. network: `private`, `host` or a path of /proc or nsfs.
    """

    container: str
    rootfs: Path
    user: User
    cgroup: str
    network: str
