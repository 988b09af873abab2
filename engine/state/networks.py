"""The tables of networks and leases, in SQLite. That an address is nobody else's is a constraint of the database."""

import json
import sqlite3
from collections.abc import Iterable
from dataclasses import asdict, astuple

from sqlalchemy import BindParameter, bindparam, delete, insert, select, update

from podlink.engine.errors import NetworkFailed
from podlink.engine.oci.spec.values import Port
from podlink.engine.state.db import Database, concluding
from podlink.engine.state.rules import free_number, known_network, places, used_network
from podlink.engine.state.schema import leases, networks, published
from podlink.engine.state.spelled import Row, spelled
from podlink.engine.state.values import Lease, Network

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
    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, network: Network) -> None:
        with self._database.growing() as connection:
            if FIND.one(connection, which=network.name):
                raise known_network(network.name)
            try:
                ADD(connection, **asdict(network))
            except sqlite3.IntegrityError as error:
                raise NetworkFailed(f"network {network.name}: its bridge or range is another network's: {error}") from error

    def move(self, network: Network) -> None:
        with self._database.growing() as connection:
            MOVE(connection, which=network.name, **asdict(network))

    def find(self, name: str) -> Network | None:
        with self._database.reading() as connection:
            row = FIND.one(connection, which=name)
        return _network(row) if row else None

    def all(self) -> list[Network]:
        with self._database.reading() as connection:
            return [_network(row) for row in ALL(connection)]

    @concluding
    def remove(self, name: str) -> None:
        with self._database.writing() as connection:
            if users := USERS(connection, which=name):
                raise used_network(name, [each for each, _ in users])
            REMOVE(connection, which=name)

    def lease(self, container: str, network: str, ports: tuple[Port, ...], ipv6: bool = True) -> Lease:
        with self._database.growing() as connection:
            (found,) = map(_network, FIND(connection, which=network))
            ((last,),) = LEASED(connection, which=network)
            users: dict[str, int] = dict(USERS(connection, which=network))
            wanted = users.pop(container, last + 1)
            number = free_number(found, wanted, set(users.values()), ipv6)
            lease = Lease(container=container, network=found, number=number, ports=ports, ipv6=ipv6)
            RELEASE(connection, which=container)
            LEASE(connection, **_row(lease))
            for port, protocol in places(ports):
                PUBLISH(connection, port=port, protocol=protocol, container=container)
            GIVE(connection, which=network, leased=number)
            return lease

    @concluding
    def release(self, container: str) -> None:
        with self._database.writing() as connection:
            RELEASE(connection, which=container)

    def lease_of(self, container: str) -> Lease | None:
        with self._database.reading() as connection:
            row = LEASE_OF.one(connection, which=container)
        return _lease(row) if row else None

    def leases(self) -> list[Lease]:
        with self._database.reading() as connection:
            return [_lease(row) for row in LEASES(connection)]

    def publishing(self, ports: Iterable[Port]) -> list[Lease]:
        with self._database.reading() as connection:
            asked = (PUBLISHERS(connection, host=port, spoken=protocol) for port, protocol in places(ports))
            found = dict.fromkeys(container for rows in asked for (container,) in rows)
            return [_lease(row) for container in found for row in LEASE_OF(connection, which=container)]

    def used(self, network: str, but: str) -> bool:
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


def _row(lease: Lease) -> dict[str, object]:
    ports = json.dumps([astuple(each) for each in lease.ports])
    return {
        "container": lease.container,
        "network": lease.network.name,
        "number": lease.number,
        "ports": ports,
        "ipv6": lease.ipv6,
    }
