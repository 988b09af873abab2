"""What a request names on this host, found at creation and before anything is made: files, devices, other containers."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from podlink.engine.containers.limits import settle_limits, settle_oom_score, settle_rlimits
from podlink.engine.containers.logging import Logging, settle_logging
from podlink.engine.containers.mappings import settle_users
from podlink.engine.containers.modes import settle_mode
from podlink.engine.containers.networking import Networking, settle_networking
from podlink.engine.containers.request import CreateRequest
from podlink.engine.containers.reserved import refuse_reserved
from podlink.engine.containers.security import Confinement, settle_confinement
from podlink.engine.containers.volumes import (
    declared,
    find_devices,
    image_volumes,
    parse_tmpfs,
    parse_volumes,
    refuse_clashes,
    shared_memory,
)
from podlink.engine.host import Host
from podlink.engine.oci.spec.values import Device, IDRange, Resources, Rlimit, Tmpfs, Volume

VOLUMES = "volumes"
"""Below the root: named volumes. Below a container's directory: its anonymous ones."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """As ContainerConfig has them."""

    resources: Resources = field(default_factory=Resources)
    rlimits: tuple[Rlimit, ...] = ()
    oom_score_adj: int | None = None
    confinement: Confinement = field(default_factory=Confinement)
    pid_mode: str = "private"
    ipc_mode: str = "private"
    uts_mode: str = "private"
    volumes: tuple[Volume, ...] = ()
    tmpfs: tuple[Tmpfs, ...] = ()
    devices: tuple[Device, ...] = ()
    userns_mode: str = "host"
    uid_map: tuple[IDRange, ...] = ()
    gid_map: tuple[IDRange, ...] = ()
    networking: Networking = field(default_factory=Networking)
    logging: Logging = field(default_factory=Logging)


def find_named(host: Host, request: CreateRequest, image: Mapping[str, Any], container: str) -> Found:
    """image: the `config` object of the image configuration. Raises InvalidRequest and NotHonoured, naming the field."""
    volumes, tmpfs = _mounts(host, request, image, container)
    userns_mode, maps = settle_users(host, request)
    return Found(
        resources=settle_limits(request.resources, host.facts),
        rlimits=settle_rlimits(request.resources.ulimit, host.facts),
        oom_score_adj=settle_oom_score(request.resources.oom_score_adj, host.facts),
        confinement=settle_confinement(request, host.facts),
        pid_mode=settle_mode(host, "pid_mode", request.pid_mode),
        ipc_mode=settle_mode(host, "ipc_mode", request.ipc_mode),
        uts_mode=settle_mode(host, "uts_mode", request.uts_mode),
        volumes=tuple(volumes),
        tmpfs=tuple(tmpfs),
        devices=find_devices(request.devices),
        userns_mode=userns_mode,
        uid_map=maps.uids if maps else (),
        gid_map=maps.gids if maps else (),
        networking=settle_networking(host, request, image),
        logging=settle_logging(request),
    )


def named_volumes(host: Host) -> Path:
    """Where named volumes are."""
    return host.config.root / VOLUMES


def _mounts(host: Host, request: CreateRequest, image: Mapping[str, Any], container: str) -> tuple[list[Volume], list[Tmpfs]]:
    own = host.directory(container) / VOLUMES
    volumes = parse_volumes(request.volumes, host.facts, named_volumes(host), own)
    if request.shm_dir:
        volumes.append(shared_memory(request.shm_dir))
    tmpfs = parse_tmpfs(request.tmpfs)
    refuse_clashes(volumes, tmpfs)
    refuse_reserved(volumes, tmpfs)
    taken = [*(each.destination for each in volumes), *(each.destination for each in tmpfs)]
    more, in_memory = image_volumes(declared(image, request.builtin_imgvolumes), request.image_volume_type, own, taken)
    refuse_reserved(more, in_memory, "the image's Volumes")
    return [*volumes, *more], [*tmpfs, *in_memory]
