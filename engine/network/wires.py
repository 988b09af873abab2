"""The bookkeeping of networks: addresses and ports are taken in the state first, built after, and given back last.

    attach   ports bound ─▶ lease written ─▶ network raised ─▶ namespace, veth, addresses, rules
    detach   rules, veth, namespace ─▶ network lowered where nobody else is on it ─▶ lease gone

Whatever step a crash comes at, the lease is there to say what may have to be undone.
"""

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from podlink.engine.errors import ContainerNotFound, InvalidRequest, NetworkFailed
from podlink.engine.ids import NAME
from podlink.engine.network import ranges
from podlink.engine.network.driver import Attachment, Ground, Held, Wish
from podlink.engine.network.ports import clashes, versions
from podlink.engine.oci.spec.values import Port
from podlink.engine.state.values import Lease, Network

if TYPE_CHECKING:
    from podlink.engine.state.state import State

DEFAULT = "podlink"
"""The network of a container that names none."""
OWN = "10.89.0.0/16"
"""Where the ranges of further networks come from, 256 addresses each."""
LOCK = "networks"
LONGEST = 15
"""Characters of a device's name: IFNAMSIZ less the NUL."""
ATTEMPTS = 100
MODES = ("bridge", "none", "host", "container", "ns", "default", "private")
"""Words that mean something else where a network's name may stand."""


class Wires:
    """A `Wiring` over any ground. bridge, subnet: of the default network. owner: what our ULA is made from."""

    def __init__(self, state: "State", ground: Ground, bridge: str, subnet: str, owner: str, now: Callable[[], int]) -> None:
        self._state, self._ground, self._now = state, ground, now
        self._bridge, self._subnet, self._owner = bridge, subnet, owner

    def attach(self, container: str, wish: Wish) -> Attachment:
        if wish.mode in ("none", "private"):
            return Attachment(namespace="private")
        if wish.mode != "bridge":
            return Attachment(namespace=wish.mode)
        with ExitStack() as undo:
            held: list[Held] = []
            undo.callback(self.detach, container)
            undo.callback(_close, held)  # undone first: there may be no descriptor left for the rest
            with self._state.locks.hold(LOCK):
                network = self._existing(wish.network) if wish.network not in ("", DEFAULT) else self._default(container)
                ipv6 = self._ground.has_ipv6()
                self._refuse_published(container, wish.ports, ipv6)
                ports = tuple(self._hold(port, held) for port in wish.ports)
                network = self._settle(network, container)
                self._state.networks.lease(container, network.name, ports, ipv6)
                lease = self._raise(network, container)
            userns = self._user_namespace(container, wish)
            namespace = self._ground.connect(lease, userns)
            undo.pop_all()
        return Attachment(
            namespace=namespace,
            lease=lease,
            held=tuple(each.fileno() for each in held),
            close=lambda: _close(held),
            user_namespace=userns if wish.userns == "private" else "",
        )

    def _user_namespace(self, container: str, wish: Wish) -> str:
        """The user namespace that is to own the container's network, so that its root may show it in /sys: user_namespaces(7)."""
        if wish.users is None or wish.userns != "private":
            return wish.userns if wish.users else ""
        return self._ground.user_namespace(container, wish.users)

    def detach(self, container: str) -> None:
        if self._state.networks.lease_of(container) or container in self._ground.known():
            with self._state.locks.hold(LOCK):
                self._detach(container)

    def _detach(self, container: str) -> None:
        lease = self._state.networks.lease_of(container)
        self._ground.disconnect(container, lease)
        if lease:
            if not self._state.networks.used(lease.network.name, but=container):
                self._ground.lower_network(lease.network)
            self._state.networks.release(container)

    def known(self) -> list[str]:
        return sorted({*(lease.container for lease in self._state.networks.leases()), *self._ground.known()})

    def create(self, name: str, subnet: str = "", subnet6: str = "") -> Network:
        if not NAME.fullmatch(name) or name in MODES:
            raise InvalidRequest(f"network: {name!r} can't be a network's name")
        if name == DEFAULT:
            raise InvalidRequest(f"network: {name} is the default one; its bridge and its range are the configuration's")
        with self._state.locks.hold(LOCK):
            taken = self._taken()
            chosen = ranges.parse("subnet", subnet, 4) if subnet else ranges.free(OWN, taken, 24)
            ranges.refuse_overlap("subnet", chosen, taken)
            chosen6 = ranges.parse("subnet6", subnet6, 6) if subnet6 else ranges.unique_local(self._owner, name, taken)
            ranges.refuse_overlap("subnet6", chosen6, taken)
            network = Network(
                name=name,
                bridge=_next(self._bridge, {each.bridge for each in self._state.networks.all()} | {self._bridge}),
                subnet=chosen,
                subnet6=chosen6,
                fixed=bool(subnet),
                created_at=self._now(),
            )
            self._state.networks.add(network)
            return network

    def remove(self, name: str) -> None:
        with self._state.locks.hold(LOCK):
            network = self._existing(name)
            self._state.networks.remove(name)
            self._ground.lower_network(network)

    def reload(self) -> None:
        refusals = []
        with self._state.locks.hold(LOCK):
            for network in self._state.networks.all():
                try:
                    if mine := self._on(network):
                        self._ground.rules(network, mine)
                    else:
                        self._ground.lower_network(network)
                except NetworkFailed as error:  # the others are to be whole all the same
                    refusals.append(error.reason)
        if refusals:
            raise NetworkFailed("; ".join(refusals))

    def troubles(self) -> list[str]:
        return self._ground.troubles(self._state.networks.all(), self._state.networks.leases())

    def _taken(self, but: str = "") -> list[str]:
        """All ranges that the host or a network uses, but that of the network of this name."""
        others = [each for each in self._state.networks.all() if each.name != but]
        return [*self._ground.ranges_in_use(), *(each.subnet for each in others), *(each.subnet6 for each in others)]

    def _on(self, network: Network, but: str = "") -> list[Lease]:
        """Who is on a network, but this container."""
        leases = self._state.networks.leases()
        return [lease for lease in leases if lease.network.name == network.name and lease.container != but]

    def _existing(self, name: str) -> Network:
        if found := self._state.networks.find(name):
            return found
        known = ", ".join(each.name for each in self._state.networks.all()) or "none yet"
        raise NetworkFailed(f"there is no network {name!r}; create it first (there are: {known})")

    def _default(self, container: str) -> Network:
        """The default network as the configuration has it now. A changed one counts as soon as nobody is on the network."""
        asked = f"{self._bridge} with {self._subnet}"
        found = self._state.networks.find(DEFAULT)
        if found and found.asked == asked:
            return found
        if found and (users := self._on(found, but=container)):
            if not found.asked:  # of an older podlink, which did not write it down
                return found
            names = ", ".join(each.container[:12] + self._name(each.container) for each in users)
            raise NetworkFailed(
                f"network {DEFAULT} is in use as {found.asked}, and the configuration says {asked}; stop {names} first,"
                f" or open the engine with the former"
            )
        network = self._configured(asked, found)
        if found:
            self._ground.lower_network(found)
            self._state.networks.move(network)
        else:
            self._state.networks.add(network)
        return network

    def _configured(self, asked: str, found: Network | None) -> Network:
        """The default network, beside the others that there are. found: as it was until now."""
        others = [each for each in self._state.networks.all() if each.name != DEFAULT]
        bridges, taken = {each.bridge for each in others}, [each.subnet for each in others]
        subnet = ranges.parse("subnet", self._subnet, 4)
        if ranges.overlapped(subnet, taken):
            subnet = ranges.free(subnet, taken, int(subnet.partition("/")[2]))
        return Network(
            name=DEFAULT,
            bridge=_next(self._bridge, bridges) if self._bridge in bridges else self._bridge,
            subnet=subnet,
            subnet6=found.subnet6 if found else ranges.unique_local(self._owner, DEFAULT, [each.subnet6 for each in others]),
            created_at=found.created_at if found else self._now(),
            asked=asked,
        )

    def _settle(self, network: Network, container: str) -> Network:
        """The network with ranges that are free on this host now, where nobody is on it yet."""
        if self._state.networks.used(network.name, but=container) or self._ground.is_up(network):
            return network
        taken = self._taken(but=network.name)
        moved = network
        if ranges.overlapped(network.subnet, taken):
            if network.fixed:
                ranges.refuse_overlap(f"network {network.name}", network.subnet, taken)
            moved = replace(moved, subnet=ranges.free(network.subnet, taken, network.prefix))
        if ranges.overlapped(network.subnet6, taken):
            if network.name != DEFAULT:
                ranges.refuse_overlap(f"network {network.name}", network.subnet6, taken)
            moved = replace(moved, subnet6=ranges.unique_local(self._owner, network.name, taken))
        if moved != network:
            self._state.networks.move(moved)
        return moved

    def _raise(self, network: Network, container: str) -> Lease:
        """Have it up, and the container's lease of it. A bridge that is not ours is left alone: the next number is taken."""
        for _ in range(ATTEMPTS):
            if self._ground.raise_network(network, partial(self._on, network)):
                lease = self._state.networks.lease_of(container)
                assert lease, "it was given in this very block"
                return lease
            if self._state.networks.used(network.name, but=container):
                raise NetworkFailed(
                    f"network {network.name} is in use, and its bridge {network.bridge} has become somebody else's;"
                    f" stop its containers, or remove that device"
                )
            names = {each.bridge for each in self._state.networks.all()}
            network = replace(network, bridge=_next(network.bridge, names))
            self._state.networks.move(network)
        raise NetworkFailed(f"network {network.name}: no name for a bridge was free up to {network.bridge}")

    def _refuse_published(self, container: str, ports: Sequence[Port], ipv6: bool) -> None:
        """Asked before any port is bound: of ours, the holder has a name."""
        if not ipv6 and (port := next((each for each in ports if versions(each) == ("6",)), None)):
            raise NetworkFailed(f"port {port}: IPv6 is off on this host (net.ipv6.conf.all.disable_ipv6); publish an IPv4 one")
        for other in self._state.networks.publishing(ports):
            for port, _ in clashes(ports, other.ports if other.container != container else ()):
                holder, name = other.container[:12], self._name(other.container)
                raise NetworkFailed(f"port {port} is published by container {holder}; stop that one{name} or choose another port")

    def _name(self, container: str) -> str:
        """` (web)`: how people know it."""
        try:
            return f" ({self._state.containers.get(container).name})"
        except ContainerNotFound:
            return ""

    def _hold(self, port: Port, held: list[Held]) -> Port:
        """Bind it. What the kernel chooses may be another container's, which holds it no more since its monitor was killed."""
        passed: list[Held] = []
        try:
            settled, sockets = self._ground.hold(port)
            while not port.host_port and self._state.networks.publishing((settled,)):
                passed.extend(sockets)  # not closed yet, or the kernel might choose it again
                settled, sockets = self._ground.hold(port)
            held.extend(sockets)
            return settled
        finally:
            _close(passed)


def _close(held: list[Held]) -> None:
    while held:
        held.pop().close()


def _next(name: str, taken: set[str]) -> str:
    """`podlink1` after `podlink0`; never longer than a device's name may be."""
    stem = name.rstrip("0123456789")
    number = int(name[len(stem) :] or 0)
    while (found := f"{stem[: LONGEST - len(str(number))]}{number}") in taken or found == name:
        number += 1
    return found
