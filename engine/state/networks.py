"""The tables of networks and leases: which networks there are, and who has which address of them.

    network "podlink": 10.88.0.0/16 and fd4e:…::/64        lease: container 4f1d…, number 2
                                                             → 10.88.0.2, fd4e:…::2, MAC 02:4e:0a:58:00:02

A lease is one number, unique in its network by a constraint of the database, so two processes can't give it to two containers.
From it both addresses follow, and the MAC address from the first (with the "locally administered" bit of IEEE 802): who
gets a number that another had is known to every neighbour's cache by the right MAC.
"""

import ipaddress
import json
from dataclasses import asdict, astuple, dataclass

from sqlalchemy import Connection, delete, insert, select, update
from sqlalchemy.exc import IntegrityError

from podlink.engine.errors import NetworkFailed
from podlink.engine.oci.spec.values import Port
from podlink.engine.state.db import Database
from podlink.engine.state.schema import leases, networks

FIRST = 2
"""0 is the network's own number and 1 its bridge's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Network:
    """subnet, subnet6: as `10.88.0.0/16`. fixed: the range was asked for, and doesn't step aside."""

    name: str
    bridge: str
    subnet: str
    subnet6: str
    fixed: bool = False
    created_at: int = 0

    @property
    def gateway(self) -> str:
        return str(ipaddress.ip_network(self.subnet)[1])

    @property
    def gateway6(self) -> str:
        return str(ipaddress.ip_network(self.subnet6)[1])

    @property
    def prefix(self) -> int:
        return ipaddress.ip_network(self.subnet).prefixlen

    @property
    def prefix6(self) -> int:
        return ipaddress.ip_network(self.subnet6).prefixlen


@dataclass(frozen=True, slots=True, kw_only=True)
class Lease:
    """What a container has of a network while it runs."""

    container: str
    network: Network
    number: int
    ports: tuple[Port, ...] = ()

    @property
    def address(self) -> str:
        return str(ipaddress.ip_network(self.network.subnet)[self.number])

    @property
    def address6(self) -> str:
        return str(ipaddress.ip_network(self.network.subnet6)[self.number])

    @property
    def mac(self) -> str:
        return ":".join(f"{byte:02x}" for byte in (0x02, 0x4E, *ipaddress.ip_address(self.address).packed))


class Networks:
    """Reads take no lock; changes are durable when they return."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, network: Network) -> None:
        """Make it exist. Raises NetworkFailed for a taken name, bridge or range."""
        with self._database.writing() as connection:
            try:
                connection.execute(insert(networks), asdict(network))
            except IntegrityError as error:
                raise NetworkFailed(
                    f"network {network.name}: its name, bridge or range is another network's: {error.orig}"
                ) from error

    def move(self, network: Network) -> None:
        """Give it this bridge and these ranges. The caller has seen that nobody has a lease."""
        with self._database.writing() as connection:
            connection.execute(update(networks).where(networks.c.name == network.name), asdict(network))

    def find(self, name: str) -> Network | None:
        return next((each for each in self.all() if each.name == name), None)

    def all(self) -> list[Network]:
        """Oldest first."""
        with self._database.reading() as connection:
            return _all(connection)

    def remove(self, name: str) -> None:
        """Raises NetworkFailed while containers have addresses of it."""
        with self._database.writing() as connection:
            if users := connection.execute(select(leases.c.container).where(leases.c.network == name)).scalars().all():
                raise NetworkFailed(f"network {name} is used by {', '.join(each[:12] for each in users)}; stop them first")
            connection.execute(delete(networks).where(networks.c.name == name))

    def lease(self, container: str, network: str, ports: tuple[Port, ...]) -> Lease:
        """The lowest free number of the network, for this container: again, the one that it has.

        Raises NetworkFailed for a full range.
        """
        with self._database.writing() as connection:
            held = _leases(connection)
            found = next(each for each in _all(connection) if each.name == network)
            others = [each for each in held if each.container != container]
            lease = Lease(container=container, network=found, number=_free(found, others), ports=ports)
            connection.execute(delete(leases).where(leases.c.container == container))
            connection.execute(insert(leases), _row(lease))
            return lease

    def release(self, container: str) -> None:
        """Give the address back. Again is no error."""
        with self._database.writing() as connection:
            connection.execute(delete(leases).where(leases.c.container == container))

    def lease_of(self, container: str) -> Lease | None:
        return next((each for each in self.leases() if each.container == container), None)

    def leases(self) -> list[Lease]:
        with self._database.reading() as connection:
            return _leases(connection)


def _all(connection: Connection) -> list[Network]:
    return [
        Network(**row._mapping) for row in connection.execute(select(networks).order_by(networks.c.created_at, networks.c.name))
    ]


def _leases(connection: Connection) -> list[Lease]:
    known = {each.name: each for each in _all(connection)}
    return [
        Lease(
            container=row.container,
            network=known[row.network],
            number=row.number,
            ports=tuple(Port(*each) for each in json.loads(row.ports)),
        )
        for row in connection.execute(select(leases))
    ]


def _row(lease: Lease) -> dict[str, object]:
    ports = json.dumps([astuple(each) for each in lease.ports])
    return {"container": lease.container, "network": lease.network.name, "number": lease.number, "ports": ports}


def _free(network: Network, held: list[Lease]) -> int:
    taken = {each.number for each in held if each.network.name == network.name}
    last = ipaddress.ip_network(network.subnet).num_addresses - 1  # the broadcast address
    for number in range(FIRST, last):
        if number not in taken:
            return number
    raise NetworkFailed(f"network {network.name}: all {last - FIRST} addresses of {network.subnet} are in use; stop a container")
