"""GetContainerLogs: what the container wrote, line by line, once or as it comes."""

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from podlink.engine.cancel import NEVER, Cancel
from podlink.engine.containers.lifecycle import LIVE, truth
from podlink.engine.errors import Cancelled, ContainerNotFound, ErrorOccurred
from podlink.engine.host import Host
from podlink.engine.state.values import Container
from podlink.engine.streams import log


def log_file(host: Host, container: Container) -> Path | None:
    """The file that holds the container's log, once it has run; None where none does."""
    if container.config.log_driver not in log.FILES:
        return None
    path = container.config.log_path
    return Path(path) if path else host.directory(container.id) / log.FILE


def logs(host: Host, name: str) -> Iterator[list[str]]:
    """Batches of lines: all that is there now, each with its newline where it had one. A container that never ran has none.

    The log is read as the batches are taken. Raises, at once, ContainerNotFound; ErrorOccurred where no file holds it.
    """
    container = host.state.containers.find(name)
    return map(_texts, log.read(_readable(host, container), container.config.log_driver))


def follow(host: Host, name: str, cancel: Cancel = NEVER) -> Iterator[list[str]]:
    """Batches of lines: what is there, then what comes, until the container's run ends.

    A container that does not run gives what is there and ends. Raises as `logs` does, and Cancelled when the caller leaves.
    """
    container = host.state.containers.find(name)
    file = _readable(host, container)

    def over() -> bool:
        try:
            return truth(host, host.state.containers.get(container.id)).status not in LIVE
        except ContainerNotFound:
            return True

    with host.runtime.watch(host.directory(container.id)) as wakeup:
        yield from map(_texts, log.follow(file, wakeup, over, cancel, container.config.log_driver))
    if cancel.is_set():
        raise Cancelled(f"the caller stopped following the log of container {name}")


def _texts(batch: list[bytes]) -> list[str]:
    with suppress(UnicodeDecodeError):
        return list(map(bytes.decode, batch))  # half as long as one by one, where all are UTF-8
    return [line.decode(errors="replace") for line in batch]


def _readable(host: Host, container: Container) -> Path:
    file, driver = log_file(host, container), container.config.log_driver
    if file is None and driver == log.JOURNAL:
        raise ErrorOccurred(
            f"container {container.name}: its log is in the journal; read it there: journalctl CONTAINER_ID_FULL={container.id}"
        )
    if file is None:
        raise ErrorOccurred(f"container {container.name} keeps no log: its log_driver is {driver}; attach to it while it runs")
    return file
