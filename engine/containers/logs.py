"""GetContainerLogs: what the container wrote, line by line, once or as it comes."""

from collections.abc import Iterator

from podlink.engine.cancel import NEVER, Cancel
from podlink.engine.containers.lifecycle import LIVE, truth
from podlink.engine.errors import ContainerNotFound, ErrorOccurred
from podlink.engine.host import Host
from podlink.engine.state.containers import Container
from podlink.engine.streams import log

FILE = "ctr.log"


def logs(host: Host, name: str) -> list[str]:
    """Every line so far, each with its newline where it had one. A container that never ran has none.

    Raises ContainerNotFound; ErrorOccurred where no log is kept (log_driver `none`).
    """
    container = _with_log(host, name)
    return [line.decode(errors="replace") for line in log.read(host.directory(container.id) / FILE)]


def follow(host: Host, name: str, cancel: Cancel = NEVER) -> Iterator[list[str]]:
    """Batches of lines: what is there, then what comes, until the container's run ends or the caller leaves.

    A container that does not run gives what is there and ends. Raises as `logs` does.
    """
    container = _with_log(host, name)

    def over() -> bool:
        try:
            return truth(host, host.state.containers.get(container.id)).status not in LIVE
        except ContainerNotFound:
            return True

    directory = host.directory(container.id)
    with host.runtime.watch(directory) as wakeup:
        for batch in log.follow(directory / FILE, wakeup, over, cancel):
            yield [line.decode(errors="replace") for line in batch]


def _with_log(host: Host, name: str) -> Container:
    container = host.state.containers.find(name)
    if container.config.log_driver == "none":
        raise ErrorOccurred(f"container {container.name} keeps no log: its log_driver is none; attach to it while it runs")
    return container
