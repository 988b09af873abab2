"""The tables of networks and leases: which networks there are, and who has which address of them.

    network "podlink": 10.88.0.0/16 and fd4e:…::/64        lease: container 4f1d…, number 2
                                                             → 10.88.0.2, fd4e:…::2, MAC 02:4e:0a:58:00:02

A lease is one number, unique in its network by a constraint of the database, so two processes can't give it to two containers.
From it both addresses follow, and the MAC address from the first (with the "locally administered" bit of IEEE 802): who
gets a number that another had is known to every neighbour's cache by the right MAC.

Numbers are given in turn, each after the one that was given last: an address comes back as late as can be, when connections
and caches of who had it before have ended, and which one it will be doesn't hang on how fast an ended container was cleaned up.
"""

import json
import sqlite3
from collections.abc import Iterable
from dataclasses import asdict, astuple

from sqlalchemy import BindParameter, bindparam, delete, insert, select, update

from podlink.engine.errors import NetworkFailed
from podlink.engine.oci.spec.values import Port
from podlink.engine.state.db import Database, concluding
from podlink.engine.state.kept import Kept
from podlink.engine.state.schema import leases, networks, published
from podlink.engine.state.spelled import Row, spelled
from podlink.engine.state.values import Lease, Network, range_of

NONE = "none"
FIRST = 2
"""0 is the network's own number and 1 its bridge's."""


_which: BindParameter[str] = bindparam("which")
_columns = tuple(column.name for column in networks.columns if column.name != "leased")
_networks = [networks.c[name] for name in _columns]
_of_network = select(leases.c.container, leases.c.number).where(leases.c.network == _which)
_leases = select(leases, *_networks).join_from(leases, networks, leases.c.network == networks.c.name)

ADD = spelled(insert(networks), *_columns)
MOVE = spelled(update(networks).where(networks.c.name == _which), *_columns)
ALL = spelled(select(*_networks).order_by(networks.c.created_at, networks.c.name))
FIND = spelled(select(*_networks).where(networks.c.name == _which))
REMOVE = spelled(delete(networks).where(networks.c.name == _which))
LEASED = spelled(select(networks.c.leased).where(networks.c.name == _which))
GIVE = spelled(update(networks).where(networks.c.name == _which), "leased")
LEASE = spelled(insert(leases))
LEASES = spelled(_leases)
LEASE_OF = spelled(_leases.where(leases.c.container == _which))
USERS = spelled(_of_network)
OTHERS = spelled(_of_network.where(leases.c.container != bindparam("container")).limit(1))
PUBLISH = spelled(insert(published))
PUBLISHERS = spelled(
    select(published.c.container).where(published.c.port == bindparam("host"), published.c.protocol == bindparam("spoken"))
)
RELEASE = spelled(delete(leases).where(leases.c.container == _which))


class Networks:
    """Reads take no lock; changes are durable when they return."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._networks: Kept[Network] = database.keeping()
        self._leases: Kept[Lease | str] = database.keeping()
        """By container; NONE of one that has none."""

    def add(self, network: Network) -> None:
        """Make it exist. Raises NetworkFailed for a taken name, bridge or range."""
        with self._database.growing() as connection:
            if FIND.one(connection, which=network.name):
                raise NetworkFailed(f"there is a network {network.name} already; remove it first, or choose another name")
            try:
                ADD(connection, **asdict(network))
            except sqlite3.IntegrityError as error:
                raise NetworkFailed(f"network {network.name}: its bridge or range is another network's: {error}") from error

    def move(self, network: Network) -> None:
        """Give it this bridge and these ranges. The caller has seen that nobody has a lease."""
        with self._database.growing() as connection:
            MOVE(connection, which=network.name, **asdict(network))
            self._networks.drop(network.name)
            self._leases.clear()

    def find(self, name: str) -> Network | None:
        if kept := self._networks.find(name):
            return kept
        with self._database.reading() as connection:
            if not (row := FIND.one(connection, which=name)):
                return None
            network = _network(row)
            self._networks.put(name, network)
        return network

    def all(self) -> list[Network]:
        """Oldest first."""
        with self._database.reading() as connection:
            return [_network(row) for row in ALL(connection)]

    @concluding
    def remove(self, name: str) -> None:
        """Raises NetworkFailed while containers have addresses of it."""
        with self._database.writing() as connection:
            if users := USERS(connection, which=name):
                raise NetworkFailed(f"network {name} is used by {', '.join(each[:12] for each, _ in users)}; stop them first")
            REMOVE(connection, which=name)
            self._networks.drop(name)

    def lease(self, container: str, network: str, ports: tuple[Port, ...], ipv6: bool = True) -> Lease:
        """The next free number of the network, for this container: again, the one that it has.

        Raises NetworkFailed for a full range.
        """
        with self._database.growing() as connection:
            (found,) = map(_network, FIND(connection, which=network))
            ((last,),) = LEASED(connection, which=network)
            users: dict[str, int] = dict(USERS(connection, which=network))
            wanted = users.pop(container, last + 1)
            number = _free(found, wanted, set(users.values()), ipv6)
            lease = Lease(container=container, network=found, number=number, ports=ports, ipv6=ipv6)
            RELEASE(connection, which=container)
            LEASE(connection, **_row(lease))
            for port, protocol in _places(ports):
                PUBLISH(connection, port=port, protocol=protocol, container=container)
            GIVE(connection, which=network, leased=number)
            self._leases.put(container, lease)
            return lease

    @concluding
    def release(self, container: str) -> None:
        """Give the address back. Again is no error."""
        with self._database.writing() as connection:
            RELEASE(connection, which=container)
            self._leases.put(container, NONE)

    def lease_of(self, container: str) -> Lease | None:
        if (kept := self._leases.find(container)) is None:
            with self._database.reading() as connection:
                row = LEASE_OF.one(connection, which=container)
                kept = _lease(row) if row else NONE
                self._leases.put(container, kept)
        return kept if isinstance(kept, Lease) else None

    def leases(self) -> list[Lease]:
        with self._database.reading() as connection:
            return [_lease(row) for row in LEASES(connection)]

    def publishing(self, ports: Iterable[Port]) -> list[Lease]:
        """Who has one of these ports of the host, on whatever address. Nobody else's lease is read."""
        with self._database.reading() as connection:
            asked = (PUBLISHERS(connection, host=port, spoken=protocol) for port, protocol in _places(ports))
            found = dict.fromkeys(container for rows in asked for (container,) in rows)
            return [_lease(row) for container in found for row in LEASE_OF(connection, which=container)]

    def used(self, network: str, but: str) -> bool:
        """Whether anybody has a lease of the network, but this container."""
        with self._database.reading() as connection:
            return OTHERS.one(connection, which=network, container=but) is not None


def _network(row: Row) -> Network:
    values = dict(zip(_columns, row, strict=True))
    return Network(**{**values, "fixed": bool(values["fixed"])})


def _lease(row: Row) -> Lease:
    container, _, number, ports, ipv6, *network = row
    return Lease(
        container=container,
        network=_network(tuple(network)),
        number=number,
        ports=tuple(Port(*each) for each in json.loads(ports)),
        ipv6=bool(ipv6),
    )


def _places(ports: Iterable[Port]) -> dict[tuple[int, str], None]:
    """The ports of the host, each once. One that is to be chosen yet is nobody's."""
    return dict.fromkeys((port.host_port, port.protocol) for port in ports if port.host_port)


def _row(lease: Lease) -> dict[str, object]:
    ports = json.dumps([astuple(each) for each in lease.ports])
    return {
        "container": lease.container,
        "network": lease.network.name,
        "number": lease.number,
        "ports": ports,
        "ipv6": lease.ipv6,
    }


def _free(network: Network, wanted: int, taken: set[int], ipv6: bool) -> int:
    """The first number from this one on that nobody has, round and round in the smaller range where there are two."""
    ends = {network.subnet: range_of(network.subnet).num_addresses - 1}  # less the broadcast address
    if ipv6:
        ends[network.subnet6] = range_of(network.subnet6).num_addresses
    smaller = min(ends, key=lambda each: ends[each])
    count = ends[smaller] - FIRST
    for turn in range(count):
        number = FIRST + (wanted - FIRST + turn) % count
        if number not in taken:
            return number
    raise NetworkFailed(f"network {network.name}: all {count} addresses of {smaller} are in use; stop a container")
