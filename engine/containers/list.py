"""ListContainers and GetContainer: what there is, seen without locks and without one container's trouble for the others."""

import logging
from dataclasses import dataclass, field

from podlink.engine.containers.lifecycle import LIVE, process_of, truth
from podlink.engine.containers.mark import place_of_mark
from podlink.engine.containers.modes import joined
from podlink.engine.containers.names import places_of_names
from podlink.engine.errors import EngineError
from podlink.engine.host import Host
from podlink.engine.oci.spec.mounts import Mount, mounts
from podlink.engine.oci.spec.values import Port
from podlink.engine.state.values import Container, Lease

log = logging.getLogger(__name__)

NAMESPACES = ("user", "uts", "pid", "cgroup", "net", "mnt", "ipc")


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """A container and what the host tells of it.

    rw_size: bytes written over the image; namespaces: inode numbers; lease: what it has of a network now.
    """

    container: Container
    rw_size: int
    mounts: tuple[Mount, ...]
    namespaces: dict[str, str] = field(default_factory=dict)
    lease: Lease | None = None

    @property
    def ports(self) -> tuple[Port, ...]:
        """As they are while it runs; else as they were asked for, less those of which a start is yet to choose the host's."""
        return self.lease.ports if self.lease else tuple(port for port in self.container.config.ports if port.host_port)


def list_containers(host: Host) -> list[Summary]:
    """Every container, oldest first."""
    leases = {lease.container: lease for lease in host.state.networks.leases()}
    return [_summary_or_row(host, row, leases.get(row.id)) for row in host.state.containers.all()]


def get_container(host: Host, name: str) -> Summary:
    """One container. Raises ContainerNotFound."""
    row = host.state.containers.find(name)
    return summary(host, row, host.state.networks.lease_of(row.id))


def _summary_or_row(host: Host, row: Container, lease: Lease | None) -> Summary:
    """What can be told of one container, so that the others are told of whatever happened to it."""
    try:
        return summary(host, row, lease)
    except (EngineError, OSError, ValueError) as trouble:
        log.warning("container %s (%s) is shown as it was last known: %s", row.name, row.id[:12], trouble)
        return Summary(container=row, rw_size=row.rw_size, mounts=(), namespaces=dict.fromkeys(NAMESPACES, ""))


def summary(host: Host, row: Container, lease: Lease | None) -> Summary:
    """What the lists show of a container. The sizes of one that does not run are known; nothing is walked for them.

    One that ended just now, and whose end nobody has written down yet, is looked at as one that runs.
    """
    if row.unreadable:
        log.warning("container %s (%s): %s", row.name, row.id[:12], row.unreadable)
    container = truth(host, row)
    live = container.status in LIVE
    return Summary(
        container=container,
        rw_size=written(host, container) if row.status in LIVE else container.rw_size,
        mounts=_mounts(host, container),
        namespaces=_namespaces(host, container) if live else dict.fromkeys(NAMESPACES, ""),
        lease=lease if live else None,
    )


def _mounts(host: Host, container: Container) -> tuple[Mount, ...]:
    """Those that its run was given; where none is under way, those that the next one would be."""
    if container.status in LIVE and (given := host.runtime.given(container.id)):
        return given.mounts
    shared, mark = host.runtime.shared_memory(joined(container.config.ipc_mode)), str(place_of_mark(host, container))
    return tuple(mounts(container.config, host.facts.cgroup_version, shared, mark, places_of_names(host, container)))


def written(host: Host, container: Container) -> int:
    """Bytes that a running container has written so far; what was last known where it is just going."""
    try:
        return host.storage.usage(container.id)
    except (EngineError, OSError) as trouble:
        log.warning("size of container %s: %s", container.id[:12], trouble)
        return container.rw_size


def _namespaces(host: Host, container: Container) -> dict[str, str]:
    try:
        return host.runtime.namespaces(process_of(container))
    except (EngineError, OSError):  # it ended just now
        return dict.fromkeys(NAMESPACES, "")
