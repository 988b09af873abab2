"""GetAttachSockets, and what it is in Python: how a client gets at a container's streams."""

from collections.abc import Callable
from typing import TypeVar

from podlink.engine.containers.lifecycle import LIVE, locked, readable
from podlink.engine.containers.networking import settle_rivals
from podlink.engine.containers.start import launched
from podlink.engine.host import Host
from podlink.engine.runtime.base import Sockets
from podlink.engine.streams.attachment import Attachment

Way = TypeVar("Way")


def attach_sockets(host: Host, name: str) -> tuple[str, Sockets]:
    """The container's ID, and its sockets, which are alive. Raises as `attach`; NotHonoured without such sockets."""
    return _in(host, name, host.runtime.sockets)


def attach(host: Host, name: str) -> Attachment:
    """Its streams, live. Raises ContainerNotFound; as `start` does."""
    return _in(host, name, host.runtime.attach)[1]


def _in(host: Host, name: str, way: Callable[[str], Way]) -> tuple[str, Way]:
    """The container's ID, and the way in. One that has no init gets one that waits (`created`).

    So whoever attaches before StartContainer misses nothing of what the container writes.
    """
    settle_rivals(host, host.state.containers.find(name))
    with locked(host, name) as container:
        if container.status in LIVE:
            return container.id, way(container.id)
        with launched(host, readable(container)) as launch:
            process = host.runtime.create(launch)
            found = way(container.id)
            host.state.containers.mark_created(
                container.id, start=launch.number, pid=process.pid, pid_start=process.start, boot=process.boot
            )
            return container.id, found
