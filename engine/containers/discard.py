"""Take a container away, parts and record."""

import logging
import shutil
from contextlib import suppress

from podlink.engine.errors import ContainerNotFound, EngineError
from podlink.engine.host import Host
from podlink.engine.state.values import Container

log = logging.getLogger(__name__)


def discard(host: Host, container: Container) -> None:
    """Remove a container that does not run. The caller holds its lock.

    What can refuse comes first, while the container is still whole; then the record goes, and with it the container.
    What is left on the disk after that belongs to nobody, and if a crash leaves it there, `sweep` finds it.
    """
    host.runtime.delete(container.id)
    host.network.detach(container.id)
    host.storage.unmount(container.id)
    with suppress(ContainerNotFound):
        host.state.containers.remove(container.id)
    drop_parts(host, container.id)


def drop_parts(host: Host, container: str) -> None:
    """Remove what the host holds of a container without a record, its lock, which the caller holds, last of all."""
    host.baselines.pop(container, None)
    host.state.locks.forget(container)
    try:
        host.storage.delete(container)
        shutil.rmtree(host.directory(container), ignore_errors=True)
        host.runtime.forget(container, host.directory(container))
        host.arrears.soon()
    except (EngineError, OSError) as trouble:
        log.warning("container %s is removed; a part of it is left until the next sweep: %s", container[:12], trouble)
