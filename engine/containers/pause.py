"""PauseContainer and UnpauseContainer: the cgroup freezer."""

from contextlib import ExitStack

from podlink.engine.containers.lifecycle import locked, require
from podlink.engine.host import Host
from podlink.engine.state.values import Status


def pause(host: Host, name: str) -> str:
    """Freeze a running container and return its ID. Raises ContainerNotFound, InvalidState."""
    with locked(host, name) as container, ExitStack() as undo:
        require(container, "pause")
        undo.callback(host.runtime.resume, container.id)
        host.runtime.pause(container.id)
        host.state.containers.mark_status(container.id, Status.PAUSED)
        undo.pop_all()
        return container.id


def unpause(host: Host, name: str) -> str:
    """Thaw a paused container and return its ID. Raises ContainerNotFound, InvalidState."""
    with locked(host, name) as container, ExitStack() as undo:
        require(container, "unpause")
        undo.callback(host.runtime.pause, container.id)
        host.runtime.resume(container.id)
        host.state.containers.mark_status(container.id, Status.RUNNING)
        undo.pop_all()
        return container.id
