"""The bookkeeping of networks: addresses and ports are taken in the state first, built after, and given back last.

    attach   ports bound ─▶ lease written ─▶ network raised ─▶ namespace, veth, addresses, rules
    detach   rules, veth, namespace ─▶ network lowered where nobody else is on it ─▶ lease gone

Whatever step a crash comes at, the lease is there to say what may have to be undone.
"""

import hashlib
import ipaddress
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from dataclasses import replace

from podlink.engine.errors import InvalidRequest, NetworkFailed
from podlink.engine.ids import NAME
from podlink.engine.network.driver import Attachment, Ground, Held, Wish
from podlink.engine.network.ports import clash
from podlink.engine.oci.spec.values import Port
from podlink.engine.state.networks import Lease, Network
from podlink.engine.state.state import State

DEFAULT = "podlink"
"""The network of a container that names none."""
OWN = "10.89.0.0/16"
"""Where the ranges of further networks come from, 256 addresses each."""
LOCK = "networks"
ATTEMPTS = 100
MODES = ("bridge", "none", "host", "container", "ns", "default", "private")
"""Words that mean something else where a network's name may stand."""


class Wires:
    """A `Wiring` over any ground. bridge, subnet: of the default network. owner: what our ULA is made from."""

    def __init__(self, state: State, ground: Ground, bridge: str, subnet: str, owner: str, now: Callable[[], int]) -> None:
        self._state, self._ground, self._now = state, ground, now
        self._bridge, self._subnet, self._owner = bridge, subnet, owner

    def attach(self, container: str, wish: Wish) -> Attachment:
        if wish.mode in ("none", "private"):
            return Attachment(namespace="private")
        if wish.mode != "bridge":
            return Attachment(namespace=wish.mode)
        with ExitStack() as undo:
            held: list[Held] = []
            undo.callback(_close, held)
            undo.callback(self.detach, container)
            with self._state.locks.hold(LOCK):
                network = self._existing(wish.network or DEFAULT)
                self._refuse_published(container, wish.ports)
                ports = tuple(self._hold(port, held) for port in wish.ports)
                network = self._settle(network)
                self._state.networks.lease(container, network.name, ports)
                lease = self._raise(network, container)
            namespace = self._ground.connect(lease)
            undo.pop_all()
        return Attachment(
            namespace=namespace, lease=lease, held=tuple(each.fileno() for each in held), close=lambda: _close(held)
        )

    def detach(self, container: str) -> None:
        if self._state.networks.lease_of(container) or container in self._ground.known():
            with self._state.locks.hold(LOCK):
                self._detach(container)

    def _detach(self, container: str) -> None:
        lease = self._state.networks.lease_of(container)
        self._ground.disconnect(container, lease)
        if lease:
            if not any(other.network == lease.network for other in self._state.networks.leases() if other.container != container):
                self._ground.lower_network(lease.network)
            self._state.networks.release(container)

    def known(self) -> list[str]:
        return sorted({*(lease.container for lease in self._state.networks.leases()), *self._ground.known()})

    def create(self, name: str, subnet: str = "", subnet6: str = "") -> Network:
        if not NAME.fullmatch(name) or name in MODES:
            raise InvalidRequest(f"network: {name!r} can't be a network's name")
        with self._state.locks.hold(LOCK):
            taken = [*self._ground.ranges_in_use(), *(each.subnet for each in self._state.networks.all())]
            chosen = _parse("subnet", subnet, 4) if subnet else _free(OWN, taken, 24)
            _refuse_overlap("subnet", chosen, taken)
            return self._add(name, chosen, _parse("subnet6", subnet6, 6) if subnet6 else "", fixed=bool(subnet))

    def remove(self, name: str) -> None:
        with self._state.locks.hold(LOCK):
            network = self._existing(name)
            self._state.networks.remove(name)
            self._ground.lower_network(network)

    def reload(self) -> None:
        with self._state.locks.hold(LOCK):
            leases = self._state.networks.leases()
            for network in self._state.networks.all():
                if mine := [lease for lease in leases if lease.network.name == network.name]:
                    self._ground.rules(network, mine)

    def troubles(self) -> list[str]:
        return self._ground.troubles(self._state.networks.all(), self._state.networks.leases())

    def _existing(self, name: str) -> Network:
        if found := self._state.networks.find(name):
            return found
        if name != DEFAULT:
            known = ", ".join(each.name for each in self._state.networks.all()) or "none yet"
            raise NetworkFailed(f"there is no network {name!r}; create it first (there are: {known})")
        return self._add(name, _parse("subnet", self._subnet, 4), "", fixed=False)

    def _add(self, name: str, subnet: str, subnet6: str, fixed: bool) -> Network:
        known = self._state.networks.all()
        bridge = self._bridge if name == DEFAULT else _next(self._bridge, {each.bridge for each in known} | {self._bridge})
        network = Network(
            name=name, bridge=bridge, subnet=subnet, subnet6=subnet6 or self._ula(name), fixed=fixed, created_at=self._now()
        )
        self._state.networks.add(network)
        return network

    def _ula(self, name: str) -> str:
        """A range of our own that others are unlikely to have: RFC 4193, section 3.2.2, from a hash."""
        digest = hashlib.sha256(f"{self._owner}\0{name}".encode()).digest()
        return str(ipaddress.ip_network((bytes([0xFD]) + digest[:7] + bytes(8), 64)))

    def _settle(self, network: Network) -> Network:
        """The network with a range that is free on this host now, where nobody is on it yet."""
        if self._ground.is_up(network) or any(each.network == network for each in self._state.networks.leases()):
            return network
        others = [each.subnet for each in self._state.networks.all() if each.name != network.name]
        taken = [*self._ground.ranges_in_use(), *others]
        if not _overlaps(network.subnet, taken):
            return network
        if network.fixed:
            _refuse_overlap(f"network {network.name}", network.subnet, taken)
        moved = replace(network, subnet=_free(network.subnet, taken, network.prefix))
        self._state.networks.move(moved)
        return moved

    def _raise(self, network: Network, container: str) -> Lease:
        """Have it up, and the container's lease of it. A bridge that is not ours is left alone: the next number is taken."""
        for _ in range(ATTEMPTS):
            if self._ground.raise_network(network):
                lease = self._state.networks.lease_of(container)
                assert lease is not None
                return lease
            names = {each.bridge for each in self._state.networks.all()}
            network = replace(network, bridge=_next(network.bridge, names))
            self._state.networks.move(network)
        raise NetworkFailed(f"network {network.name}: no name for a bridge was free up to {network.bridge}")

    def _refuse_published(self, container: str, ports: Iterable[Port]) -> None:
        """Asked before any port is bound: of ours, the holder has a name."""
        for port in ports:
            for other in self._state.networks.leases():
                if other.container != container and any(clash(port, each) for each in other.ports):
                    holder = other.container[:12]
                    raise NetworkFailed(f"port {port} is published by container {holder}; stop that one or choose another port")

    def _hold(self, port: Port, held: list[Held]) -> Port:
        settled, sockets = self._ground.hold(port)
        held.extend(sockets)
        return settled


def _close(held: list[Held]) -> None:
    while held:
        held.pop().close()


def _parse(field: str, text: str, version: int) -> str:
    try:
        found = ipaddress.ip_network(text)
    except ValueError as error:
        raise InvalidRequest(f"{field}: {error}") from None
    if found.version != version or found.num_addresses < 4:
        raise InvalidRequest(f"{field}: {text!r} is no IPv{version} range with room for a bridge and a container")
    return str(found)


def _overlaps(subnet: str, taken: Iterable[str]) -> str:
    """The first of the ranges that has an address in common with this one."""
    wanted = ipaddress.ip_network(subnet)
    return next((each for each in taken if ":" not in each and wanted.overlaps(ipaddress.ip_network(each))), "")


def _refuse_overlap(field: str, subnet: str, taken: Iterable[str]) -> None:
    if found := _overlaps(subnet, taken):
        raise NetworkFailed(f"{field}: {subnet} overlaps {found}, which this host or another network uses; choose another range")


def _free(first: str, taken: list[str], prefix: int) -> str:
    """The first range of this size that nobody uses, from the first address of `first` on and within its /8."""
    start = ipaddress.IPv4Network(first)
    size = 2 ** (32 - prefix)
    begin = int(start.network_address)
    end = int(start.supernet(new_prefix=8).broadcast_address) if start.prefixlen >= 8 else int(start.broadcast_address)
    for address in range(begin, end, size):
        candidate = str(ipaddress.IPv4Network((address, prefix)))
        if not _overlaps(candidate, taken):
            return candidate
    raise NetworkFailed(f"no free range of /{prefix} was found from {first} on; name one")


def _next(name: str, taken: set[str]) -> str:
    """`podlink1` after `podlink0`."""
    stem = name.rstrip("0123456789")
    number = int(name[len(stem) :] or 0)
    while f"{stem}{number}" in taken or f"{stem}{number}" == name:
        number += 1
    return f"{stem}{number}"
