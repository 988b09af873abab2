"""A ground without a kernel: addresses, ports and networks are given and taken as on a host, and nothing is built.

The host that is made up has loopback and one uplink, and nobody on it has a port but containers. What it grants and what it
refuses is what `kernel.py` does: both are held to `engine/testing/network.py`.
"""

import ipaddress
import threading
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace

from podlink.engine.errors import NetworkFailed
from podlink.engine.network.driver import Held
from podlink.engine.network.ports import clash, clashes
from podlink.engine.oci.spec.values import IDMaps, Port
from podlink.engine.state.values import Lease, Network

UPLINK = (ipaddress.ip_interface("192.0.2.1/24"), ipaddress.ip_interface("2001:db8::1/64"))
"""Addresses for examples, which no machine has: RFC 5737, RFC 3849."""
EPHEMERAL = range(32768, 61000)
"""What Linux chooses free ports from: ip(7), ip_local_port_range."""


class Taken:
    """A port that a start has asked for, until the container has it or the start has failed: what a bound socket is on a host."""

    def __init__(self, port: Port, taken: "defaultdict[tuple[int, str], list[Taken]]") -> None:
        self.port, self._taken = port, taken[port.host_port, port.protocol]
        self._taken.append(self)

    def fileno(self) -> int:
        """No descriptor, as a socket without one puts it: nobody has to keep it open."""
        return -1

    def close(self) -> None:
        """Again is no error."""
        with suppress(ValueError):
            self._taken.remove(self)


class EmulatedGround:
    """Its containers get `/emulated/netns/ID` as their namespace: a name, by which the emulator tells them apart."""

    def __init__(self) -> None:
        self._up: dict[str, Network] = {}
        self._connected: dict[str, Lease] = {}
        self._taken = defaultdict[tuple[int, str], list[Taken]](list)
        """By number and protocol."""
        self._last = EPHEMERAL[-1]
        self._guard = threading.Lock()

    def ranges_in_use(self) -> list[str]:
        return [str(each.network) for each in UPLINK] + [subnet for up in self._up.values() for subnet in (up.subnet, up.subnet6)]

    def hold(self, port: Port) -> tuple[Port, Sequence[Held]]:
        if port.host_ip and not self._has(port.host_ip):
            raise NetworkFailed(f"port {port}: {port.host_ip} is no address of this host")
        with self._guard:
            settled = port if port.host_port else self._chosen(port)
            if holder := self._holder(settled):
                raise NetworkFailed(f"port {port} is taken by {holder}; end that, or publish another port")
            return settled, [Taken(settled, self._taken)]

    def has_ipv6(self) -> bool:
        return True

    def raise_network(self, network: Network, leases: Callable[[], Sequence[Lease]]) -> bool:
        self._up[network.bridge] = network
        return True

    def lower_network(self, network: Network) -> None:
        self._up.pop(network.bridge, None)

    def is_up(self, network: Network) -> bool:
        return network.bridge in self._up

    def user_namespace(self, container: str, users: IDMaps) -> str:
        return "private"

    def connect(self, lease: Lease, userns: str = "") -> str:
        if not self.is_up(lease.network):
            raise NetworkFailed(f"the bridge {lease.network.bridge} of network {lease.network.name} went away; start again")
        self._connected[lease.container] = lease
        return f"/emulated/netns/{lease.container}"

    def disconnect(self, container: str, lease: Lease | None) -> None:
        self._connected.pop(container, None)

    def known(self) -> list[str]:
        return sorted(self._connected)

    def rules(self, network: Network, leases: Sequence[Lease]) -> None:
        """The bridge alone: who is connected is reached."""
        self.raise_network(network, lambda: leases)

    def troubles(self, networks: Sequence[Network], leases: Sequence[Lease]) -> list[str]:
        return [*self._missing(leases), *self._forgotten(leases)]

    def _missing(self, leases: Sequence[Lease]) -> Iterator[str]:
        for network in {lease.network.name: lease.network for lease in leases}.values():
            if not self.is_up(network):
                yield f"network {network.name} is in use and its bridge {network.bridge} is gone; run podlink network reload"
        for lease in leases:
            if lease.container not in self._connected:
                name = lease.container[:12]
                yield f"container {name} has a lease and no device, for its namespace is gone; stop it and start it again"

    def _forgotten(self, leases: Sequence[Lease]) -> Iterator[str]:
        held = {lease.container for lease in leases}
        for container in self.known():
            if container not in held:
                yield f"container {container[:12]} has a namespace and no lease; open the engine anew, which removes it"

    def _has(self, text: str) -> bool:
        address = ipaddress.ip_address(text)
        gateways = [gateway for each in self._up.values() for gateway in (each.gateway, each.gateway6)]
        ours = [*(each.ip for each in UPLINK), *map(ipaddress.ip_address, gateways)]
        return address.is_loopback or address.is_unspecified or address in ours

    def _chosen(self, port: Port) -> Port:
        """The next that nobody has, after the last one: whoever lets go of a port is not mistaken for its successor."""
        for number in (*range(self._last + 1, EPHEMERAL.stop), *range(EPHEMERAL.start, self._last + 1)):
            candidate = replace(port, host_port=number)
            if not self._holder(candidate):
                self._last = number
                return candidate
        raise NetworkFailed(f"port {port.container_port}/{port.protocol}: none of the host's ports is free; stop a container")

    def _holder(self, port: Port) -> str:
        """Who has it, or nothing."""
        for lease in [*self._connected.values()]:
            if any(clashes((port,), lease.ports)):
                return f"container {lease.container[:12]}"
        taken = self._taken.get((port.host_port, port.protocol), ())
        return "a start that is under way" if any(clash(port, each.port) for each in taken) else ""
