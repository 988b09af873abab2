"""GetAttachSockets: where a client connects to a container's streams."""

from podlink.engine.containers.lifecycle import LIVE, locked, readable
from podlink.engine.containers.networking import settle_rivals
from podlink.engine.containers.start import launched
from podlink.engine.host import Host
from podlink.engine.runtime.base import Sockets


def attach_sockets(host: Host, name: str) -> tuple[str, Sockets]:
    """The container's ID, and its sockets, which are alive: one that has no init gets one that waits (`created`).

    So whoever attaches before StartContainer misses nothing of what the container writes. Raises ContainerNotFound; NotHonoured
    where the runtime has no such sockets; as `start` does.
    """
    settle_rivals(host, host.state.containers.find(name))
    with locked(host, name) as container:
        if container.status not in LIVE:
            with launched(host, readable(container)) as launch:
                process = host.runtime.create(launch)
                host.state.containers.mark_created(
                    container.id, start=launch.number, pid=process.pid, pid_start=process.start, boot=process.boot
                )
        return container.id, host.runtime.sockets(container.id)
