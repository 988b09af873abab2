"""A ground without a kernel: addresses, ports and networks are given and taken, and nothing is built."""

import itertools
from collections.abc import Sequence
from dataclasses import replace

from podlink.engine.network.driver import Held
from podlink.engine.oci.spec.values import Port
from podlink.engine.state.networks import Lease, Network

EPHEMERAL = 32768
"""Where Linux begins to give out free ports: ip(7), ip_local_port_range."""


class EmulatedGround:
    """Its containers get `/emulated/netns/ID` as their namespace: a name, by which the emulator tells them apart."""

    def __init__(self) -> None:
        self._up: set[str] = set()
        self._connected: set[str] = set()
        self._free = itertools.count(EPHEMERAL)

    def ranges_in_use(self) -> list[str]:
        return []

    def hold(self, port: Port) -> tuple[Port, Sequence[Held]]:
        return replace(port, host_port=port.host_port or next(self._free)), ()

    def raise_network(self, network: Network) -> bool:
        self._up.add(network.name)
        return True

    def lower_network(self, network: Network) -> None:
        self._up.discard(network.name)

    def is_up(self, network: Network) -> bool:
        return network.name in self._up

    def connect(self, lease: Lease) -> str:
        self._connected.add(lease.container)
        return f"/emulated/netns/{lease.container}"

    def disconnect(self, container: str, lease: Lease | None) -> None:
        self._connected.discard(container)

    def known(self) -> list[str]:
        return sorted(self._connected)

    def rules(self, network: Network, leases: Sequence[Lease]) -> None:
        self._up.add(network.name)

    def troubles(self, networks: Sequence[Network], leases: Sequence[Lease]) -> list[str]:
        held = {lease.container for lease in leases}
        return [f"container {each[:12]} has no lease and is connected" for each in sorted(self._connected - held)]
