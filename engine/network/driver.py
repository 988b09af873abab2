"""The network of a container: what the engine asks of whatever wires it, and what that asks of the ground it builds on.

    verbs ──▶ Wiring (wires.py: names, addresses, ports, in the state) ──▶ Ground
                                                                             ├── kernel.py    namespaces, veth, bridge, nftables
                                                                             └── emulated.py  nothing but the bookkeeping

Two grounds under one bookkeeper: what an emulated container is told of its network is decided by the same code as on a host.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from podlink.engine.oci.spec.values import IDMaps, Port
from podlink.engine.state.values import Lease, Network


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """mode: `bridge`, `none`, `host`, or the path of a namespace to join. network, ports: with `bridge`.

    users: the container's own user IDs, which its network is to belong to; userns: `private`, or the path of the user namespace
    that has them.
    """

    mode: str
    network: str = ""
    ports: tuple[Port, ...] = ()
    users: IDMaps | None = None
    userns: str = "private"


@dataclass(frozen=True, slots=True, kw_only=True)
class Attachment:
    """namespace: `private` (a fresh one), `host`, or the path of one. lease: its addresses and ports, on a bridge.

    held: descriptors of sockets that are bound to the published ports, for the monitor to keep; `close` lets go of our copies.
    user_namespace: the one that owns it, for the container to join; empty where that is left to the runtime.
    """

    namespace: str
    lease: Lease | None = None
    held: tuple[int, ...] = ()
    close: Callable[[], None] = lambda: None
    user_namespace: str = ""


class Wiring(Protocol):
    """What the engine asks. Refusals are NetworkFailed or InvalidRequest; a refused `attach` leaves nothing behind."""

    def attach(self, container: str, wish: Wish) -> Attachment:
        """Wire a container before it starts."""
        ...

    def detach(self, container: str) -> None:
        """Undo `attach`, whoever made it and however far it came. Again is no error."""
        ...

    def known(self) -> list[str]:
        """The containers of which anything is held: a lease, a namespace."""
        ...

    def create(self, name: str, subnet: str = "", subnet6: str = "") -> Network:
        """A network of its own for containers that are to know one another by name."""
        ...

    def remove(self, name: str) -> None:
        """The inverse of `create`."""
        ...

    def reload(self) -> None:
        """Set the rules anew, after somebody flushed them, and have bridges, addresses and devices whole."""
        ...

    def troubles(self) -> list[str]:
        """Where state and host differ, a sentence each, which says what to do."""
        ...


class Held(Protocol):
    """A port that is ours while this lives. fileno: -1 where no descriptor has to be kept open for it."""

    def fileno(self) -> int: ...

    def close(self) -> None: ...


class Ground(Protocol):
    """What a network is built on. All of it is idempotent; the caller keeps others away from one network meanwhile."""

    def ranges_in_use(self) -> list[str]:
        """Ranges of addresses that are reached by a route of the host."""
        ...

    def hold(self, port: Port) -> tuple[Port, Sequence[Held]]:
        """Take a port of the host; for port 0, one that is free. Raises NetworkFailed naming who has it."""
        ...

    def has_ipv6(self) -> bool:
        """Whether a device that is made now can have an address of IPv6."""
        ...

    def raise_network(self, network: Network, leases: Callable[[], Sequence[Lease]]) -> bool:
        """Have the bridge, its addresses and its rules: what is missing of them is made, with the ports of these leases.
        False where the bridge of this name is not ours."""
        ...

    def lower_network(self, network: Network) -> None:
        """The inverse of `raise_network`."""
        ...

    def is_up(self, network: Network) -> bool: ...

    def user_namespace(self, container: str, users: IDMaps) -> str:
        """A user namespace with these mappings, for the container to join and its network to belong to: its path."""
        ...

    def connect(self, lease: Lease, userns: str = "") -> str:
        """A namespace with an interface on the bridge: its path. userns: the user namespace that is to own it."""
        ...

    def disconnect(self, container: str, lease: Lease | None) -> None:
        """The inverse of `connect` and `user_namespace`; no lease: whatever is there of the container."""
        ...

    def known(self) -> list[str]:
        """The containers that have a namespace."""
        ...

    def rules(self, network: Network, leases: Sequence[Lease]) -> None:
        """Set the rules of a network and its containers anew, and complete bridge, addresses and devices."""
        ...

    def troubles(self, networks: Sequence[Network], leases: Sequence[Lease]) -> list[str]:
        """What is missing and what is over, a sentence each, which says what to do."""
        ...
