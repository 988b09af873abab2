"""What the engine asks of its state, table by table. Two kinds answer: SQLite in a file, and `memory` where none is kept.

Reads take no lock and hand out frozen values. A change is durable when it returns, where anything is, and its event is written
with it. Whatever is asked of a state that is closed, or in a fork of the process that opened it, raises EngineUnavailable.
"""

from collections.abc import Iterable, Sequence
from typing import Protocol

from podlink.engine.oci.spec.values import Port
from podlink.engine.state.values import Container, Event, Image, Layer, Lease, Network, Status


class Store(Protocol):
    """What the tables are in."""

    is_full: bool
    """Whether there is to be no room for anything new."""

    def require_room(self) -> None:
        """Raises StorageFull where there is none for something new."""
        ...

    def close(self) -> None:
        """What is asked afterwards is EngineUnavailable. Again is no error."""
        ...


class ContainerTable(Protocol):
    """The containers that exist: what each was created with, and how its last run stands.

        add ──▶ configured ── mark_running ──▶ running ── mark_exited ──▶ exited ──▶ remove
                                                ▲  │ mark_status             │
                                                │  ▼                         │ mark_running
                                               paused                     (running)

    Which moves are legal is for `containers/lifecycle.py`; this table only refuses what could never be true: the news of an older
    run over a newer one (InvalidState). An ID that is not there is ContainerNotFound.
    """

    def add(self, container: Container) -> None:
        """Make it exist. Raises NameInUse naming the holder, ImageNotFound when the image went away meanwhile; StorageFull."""
        ...

    def get(self, id: str) -> Container:
        """The container with this full ID."""
        ...

    def find(self, name: str) -> Container:
        """By full ID, full name, or an ID prefix that fits one alone, in this order: an ID always means its container.

        Raises ContainerNotFound, or AmbiguousName with the matches.
        """
        ...

    def all(self) -> list[Container]:
        """Every container, oldest first."""
        ...

    def of_image(self, image: str) -> list[Container]:
        """The containers of the image with this ID, oldest first."""
        ...

    def mentioning(self, id: str) -> list[Container]:
        """The containers whose settings speak of this full ID, oldest first: all that depend on it, and perhaps others."""
        ...

    def mark_running(self, id: str, *, start: int, pid: int, pid_start: int, boot: str, at: int) -> None:
        """Start number `start` runs."""
        ...

    def mark_created(self, id: str, *, start: int, pid: int, pid_start: int, boot: str) -> None:
        """Start number `start` has an init that waits."""
        ...

    def mark_status(self, id: str, status: Status) -> None:
        """It is `paused`, or `running` again."""
        ...

    def mark_exited(self, id: str, *, start: int, code: int, at: int, oom_killed: bool, error: str, rw_size: int) -> Container:
        """Start number `start` has ended: the container as it is now."""
        ...

    def remove(self, id: str) -> None:
        """Make it not exist."""
        ...


class ImageTable(Protocol):
    """The images that are here, their names, and the layers that they share.

    An image's ID is the digest of its configuration, so the same image has one row however it came here. A name belongs to one
    image at a time and moves when it is given to another; so does a digest, the `REPOSITORY@DIGEST` under which a registry is
    known to have the image: its manifests there may be several. A layer is known by its chain ID and is there as long as an image
    has it. An ID that is not there is ImageNotFound.
    """

    def add(self, image: Image, names: Sequence[str] = (), action: str = "import") -> None:
        """Make it exist and give it these names, taking them from others. One that is here keeps what it has.

        action: how it came, for the event: `import`, `pull`, `commit` or `load`. `image.names` are given first.
        Raises StorageFull.
        """
        ...

    def get(self, id: str) -> Image:
        """The image with this full ID."""
        ...

    def by_name(self, full_name: str) -> Image | None:
        """The image that has exactly this name."""
        ...

    def by_prefix(self, prefix: str) -> list[Image]:
        """The images whose ID starts so; none for what is no hex."""
        ...

    def by_digest(self, digest: str) -> list[Image]:
        """The images whose manifest has this digest."""
        ...

    def by_repo_digest(self, name: str) -> Image | None:
        """The image that a registry has under exactly this `REPOSITORY@DIGEST`."""
        ...

    def all(self) -> list[Image]:
        """Every image, newest first."""
        ...

    def tag(self, id: str, name: str) -> None:
        """Give the image one more name, taking it from another that has it. Raises StorageFull."""
        ...

    def note(self, id: str, digests: Sequence[str]) -> None:
        """Remember under which `REPOSITORY@DIGEST` registries have the image. Raises StorageFull."""
        ...

    def untag(self, name: str) -> str:
        """Take the name away, and answer the ID of the image that had it. Raises ImageNotFound."""
        ...

    def remove(self, id: str) -> list[Layer]:
        """Make it and its names not exist. The answer: the layers that no image has any more, topmost first.

        In this order they can be deleted.

        Raises ImageInUse naming the containers that stand on it.
        """
        ...

    def layer(self, chain: str) -> Layer | None:
        """The layer with this chain ID, if some image has it."""
        ...

    def all_layers(self) -> list[Layer]:
        """Every layer that some image has: what is on the disk beside them, and their blobs, is garbage."""
        ...


class NetworkTable(Protocol):
    """Which networks there are, and who has which address of them.

        network "podlink": 10.88.0.0/16 and fd4e:…::/64        lease: container 4f1d…, number 2
                                                                 → 10.88.0.2, fd4e:…::2, MAC 02:4e:0a:58:00:02

    A lease is one number, unique in its network, so it can't be given to two containers. From it both addresses follow, and
    the MAC address from the first (with the "locally administered" bit of IEEE 802): who gets a number that another had is known
    to every neighbour's cache by the right MAC.

    Numbers are given in turn, each after the one that was given last: an address comes back as late as can be, when connections
    and caches of who had it before have ended, and which one it will be doesn't hang on how fast an ended container was cleaned
    up.
    """

    def add(self, network: Network) -> None:
        """Make it exist. Raises NetworkFailed for a taken name, bridge or range; StorageFull."""
        ...

    def move(self, network: Network) -> None:
        """Give it this bridge and these ranges. The caller has seen that nobody has a lease. Raises StorageFull."""
        ...

    def find(self, name: str) -> Network | None: ...

    def all(self) -> list[Network]:
        """Oldest first."""
        ...

    def remove(self, name: str) -> None:
        """Raises NetworkFailed while containers have addresses of it."""
        ...

    def lease(self, container: str, network: str, ports: tuple[Port, ...], ipv6: bool = True) -> Lease:
        """The next free number of the network, for this container: again, the one that it has.

        Raises NetworkFailed for a full range; StorageFull.
        """
        ...

    def release(self, container: str) -> None:
        """Give the address back. Again is no error."""
        ...

    def lease_of(self, container: str) -> Lease | None: ...

    def leases(self) -> list[Lease]: ...

    def publishing(self, ports: Iterable[Port]) -> list[Lease]:
        """Who has one of these ports of the host, on whatever address. Nobody else's lease is read."""
        ...

    def used(self, network: str, but: str) -> bool:
        """Whether anybody has a lease of the network, but this container."""
        ...


class EventTable(Protocol):
    """What happened to containers and images, newest 10,000 kept."""

    def append(self, event: Event) -> None:
        """Write an event that goes with no change of the state, and give it its number. Raises StorageFull."""
        ...

    def read(self, *, after: int = 0, since: int = 0, limit: int = -1) -> list[Event]:
        """The events with a number above `after`, not before the time `since`, oldest first; `limit` of them, -1 for all."""
        ...

    def of(self, id: str) -> list[Event]:
        """The events of one container or image, newest first; they outlive it."""
        ...
