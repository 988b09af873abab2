"""KillContainer."""

import signal
from contextlib import suppress

from podlink.engine.containers.lifecycle import locked, process_of, require
from podlink.engine.containers.settle import check_signal
from podlink.engine.host import Host


def kill(host: Host, name: str, number: int = -1) -> str:
    """Send a signal to a container's init and return the container's ID; the effect is the container's affair.

    number: 1 to 64; -1 means SIGTERM. Raises ContainerNotFound; InvalidState where nothing runs; InvalidRequest for a
    number that is no signal.
    """
    chosen = signal.SIGTERM if number == -1 else check_signal("signal", number)
    with locked(host, name) as container:
        require(container, "kill")
        with suppress(ProcessLookupError):  # init ended just now, which is what was asked for
            host.runtime.signal(container.id, process_of(container), chosen)
        return container.id
