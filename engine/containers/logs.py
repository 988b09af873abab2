"""GetContainerLogs: what the container wrote, line by line, once or as it comes."""

from collections.abc import Iterator

from podlink.engine.cancel import NEVER, Cancel
from podlink.engine.containers.lifecycle import LIVE, truth
from podlink.engine.errors import ContainerNotFound
from podlink.engine.host import Host
from podlink.engine.streams import log

FILE = "ctr.log"


def logs(host: Host, name: str) -> list[str]:
    """Every line so far, each with its newline where it had one. A container that never ran has none."""
    container = host.state.containers.find(name)
    return [line.decode(errors="replace") for line in log.read(host.directory(container.id) / FILE)]


def follow(host: Host, name: str, cancel: Cancel = NEVER) -> Iterator[list[str]]:
    """Batches of lines: what is there, then what comes, until the container's run ends or the caller leaves.

    A container that does not run gives what is there and ends.
    """
    container = host.state.containers.find(name)

    def over() -> bool:
        try:
            return truth(host, host.state.containers.get(container.id)).status not in LIVE
        except ContainerNotFound:
            return True

    directory = host.directory(container.id)
    with host.runtime.watch(directory) as wakeup:
        for batch in log.follow(directory / FILE, wakeup, over, cancel):
            yield [line.decode(errors="replace") for line in batch]
