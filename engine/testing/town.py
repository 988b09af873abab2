"""Where the contract of networks is tried: an engine, on a host of which everything around its network is known."""

import re
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

from podlink.engine.app import Engine
from podlink.engine.errors import EngineError
from podlink.engine.handles import Container
from podlink.engine.network.driver import Wiring, Wish
from podlink.engine.oci.spec.values import Port
from podlink.engine.state.values import Lease

UPLINK, UPLINK6, RANGE = "192.0.2.1", "2001:db8::1", "192.0.2.0/24"
"""The addresses of the host that the town has, and the range that its route leads to."""
FOREVER = ("sleep", "1000")


@dataclass
class Town:
    """An engine with an image `small` (a POSIX shell, cat, sleep), on a host with the uplink above and nobody else on it.

    occupy: somebody else has a port of the host for as long as the block lasts; what they are called. reboot: what was built is
    gone, what was written is there; the wiring after it. namespace: a network namespace that somebody made.
    """

    engine: Engine
    occupy: Callable[[Port], AbstractContextManager[str]]
    reboot: Callable[[], Wiring]
    namespace: str

    @property
    def wiring(self) -> Wiring:
        return self.engine.host.network

    def create(self, *command: str, **fields: Any) -> Container:
        return self.engine.containers.create(image="small", command=command or FOREVER, **{"stop_signal": 9} | fields)

    def run(self, *command: str, **fields: Any) -> Container:
        container = self.create(*command, **fields)
        container.start()
        return container

    def reads(self, path: str, **fields: Any) -> list[str]:
        """The lines of a file as a container of these settings sees it."""
        return "".join(self.engine.containers.run("small", ["cat", path], **fields).logs).splitlines()

    def lease(self, container: Container) -> Lease:
        found = self.engine.host.state.networks.lease_of(container.id)
        assert found is not None, "it has no lease"
        return found

    def ports(self, container: Container) -> list[int]:
        return [port.host_port for port in self.lease(container).ports]

    def namespace_of(self, container: Container) -> str:
        return container.summary().namespaces["net"]

    def attach(self, container: str, *ports: Port, network: str = "") -> Lease:
        """Wire what is no container but an ID; all of it is undone in `clear`."""
        attachment = self.wiring.attach(container, Wish(mode="bridge", network=network, ports=ports))
        attachment.close()
        assert attachment.lease is not None
        return attachment.lease

    def clear(self) -> None:
        """No container, no network, no lease."""
        for each in reversed(self.engine.containers.list()):  # newest first: it may share what an older one has
            self.engine.containers.get(each.container.id).remove(force=True)
        for container in self.wiring.known():
            self.wiring.detach(container)
        for network in self.engine.networks.list():
            self.engine.networks.remove(network.name)

    def nothing_is_left(self) -> None:
        assert self.wiring.known() == [] and list(self.wiring.troubles()) == []
        assert self.engine.host.state.networks.leases() == []


def container_id(number: int) -> str:
    return f"{number:02x}" * 32


def refused(kind: type[EngineError], words: str, act: Callable[[], object]) -> None:
    """words: a regular expression."""
    try:
        act()
    except kind as refusal:
        assert re.search(words, str(refusal)), str(refusal)
        return
    raise AssertionError(f"not refused: {words}")
