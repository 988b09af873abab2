"""The tables of networks and leases, in memory."""

from collections.abc import Iterable

from podlink.engine.errors import NetworkFailed
from podlink.engine.oci.spec.values import Port
from podlink.engine.state.memory.store import Memory
from podlink.engine.state.rules import FIRST, free_number, known_network, places, used_network
from podlink.engine.state.values import Lease, Network


class Networks:
    def __init__(self, memory: Memory) -> None:
        self._memory = memory
        self._rows = memory.networks
        self._leases = memory.leases

    def add(self, network: Network) -> None:
        self._memory.require_room()
        with self._memory:
            if network.name in self._rows:
                raise known_network(network.name)
            self._require_free(network)
            self._rows[network.name] = network
            self._memory.given[network.name] = FIRST - 1

    def move(self, network: Network) -> None:
        self._memory.require_room()
        with self._memory:
            self._require_free(network)
            self._rows[network.name] = network

    def find(self, name: str) -> Network | None:
        with self._memory:
            return self._rows.get(name)

    def all(self) -> list[Network]:
        with self._memory:
            return sorted(self._rows.values(), key=lambda each: (each.created_at, each.name))

    def remove(self, name: str) -> None:
        with self._memory:
            if users := [lease.container for lease in self._of(name)]:
                raise used_network(name, users)
            self._rows.pop(name, None)

    def lease(self, container: str, network: str, ports: tuple[Port, ...], ipv6: bool = True) -> Lease:
        self._memory.require_room()
        with self._memory:
            found = self._rows[network]
            users = {lease.container: lease.number for lease in self._of(network)}
            wanted = users.pop(container, self._memory.given[network] + 1)
            number = free_number(found, wanted, set(users.values()), ipv6)
            self._leases.pop(container, None)
            lease = Lease(container=container, network=found, number=number, ports=ports, ipv6=ipv6)
            self._leases[container] = lease
            self._memory.given[network] = number
            return lease

    def release(self, container: str) -> None:
        with self._memory:
            self._leases.pop(container, None)

    def lease_of(self, container: str) -> Lease | None:
        with self._memory:
            return self._leases.get(container)

    def leases(self) -> list[Lease]:
        with self._memory:
            return list(self._leases.values())

    def publishing(self, ports: Iterable[Port]) -> list[Lease]:
        wanted = places(ports)
        with self._memory:
            return [lease for lease in self._leases.values() if not wanted.keys().isdisjoint(places(lease.ports))]

    def used(self, network: str, but: str) -> bool:
        with self._memory:
            return any(lease.container != but for lease in self._of(network))

    def _of(self, network: str) -> list[Lease]:
        return [lease for lease in self._leases.values() if lease.network.name == network]

    def _require_free(self, network: Network) -> None:
        """Raises NetworkFailed where another one has its bridge or one of its ranges."""
        for other in self._rows.values():
            mine, theirs = ({each.bridge, each.subnet, each.subnet6} for each in (network, other))
            if other.name != network.name and mine & theirs:
                raise NetworkFailed(f"network {network.name}: its bridge or range is that of network {other.name}")
