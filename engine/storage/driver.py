"""Layers unpacked, and root file systems made of them: what the engine asks of a storage driver.

Two implement it: `overlay` (overlayfs mounts, root) and `vfs` (plain copied directories, no root). A *layer* is known by
its chain ID (64 hex digits; OCI image-spec, "Layer ChainID"), a container by its ID.

    with ExitStack() as undo:
        staging = driver.stage(parents)                 # an empty place, or for vfs a copy of the topmost parent
        undo.callback(driver.discard, staging)
        … unpack a layer into staging.path with staging.whiteouts …
        driver.commit([(staging, layer)])               # now, and only now, the layer is there
"""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Protocol

from podlink.engine.oci.layer.owners import Owners
from podlink.engine.oci.layer.whiteouts import Whiteouts
from podlink.engine.oci.spec.values import IDMaps
from podlink.engine.storage.changes import Change

__all__ = ["Staging", "StorageDriver", "Whiteouts"]


@dataclass(frozen=True, slots=True)
class Staging:
    """A layer in the making; it has no name until it is committed. path: an existing directory to unpack into.

    below: the directories that it will lie on, topmost first, where it has no copy of what is in them.
    """

    path: Path
    whiteouts: Whiteouts
    below: tuple[Path, ...] = ()


class StorageDriver(Protocol):
    """Every method is durable when it returns, and safe to repeat after a crash. Refusals are StorageFailed."""

    name: ClassVar[str]
    stacks: ClassVar[bool]
    """Whether a staging holds what its layer brings and nothing else, so that it can be filled before those below it are."""

    def status(self) -> dict[str, str]:
        """`backing_filesystem`, `native_overlay_diff`, `supports_d_type`, as GetInfo shows them."""
        ...

    def stage(self, parents: Sequence[str], over: Staging | None = None) -> Staging:
        """Begin a layer over these (base first), and over one on top of them that is unpacked and has no name yet.

        That one is to be committed first; and, save where the driver `stacks`, to be filled before this is called.
        """
        ...

    def commit(self, layers: Sequence[tuple[Staging, str]]) -> None:
        """Give the layers their names, base first. One that has its name already stays, and its staging is discarded."""
        ...

    def discard(self, staging: Staging) -> None:
        """Drop an unfinished layer. Again is no error."""
        ...

    def has(self, layer: str) -> bool:
        """Whether the layer is there, whole."""
        ...

    def remove(self, layer: str) -> None:
        """Remove a layer that nothing stands on. Again is no error."""
        ...

    def create(self, container: str, layers: Sequence[str], maps: IDMaps | None = None) -> None:
        """Make the writable layer of a container over these layers (base first). maps: those that `mount` will be given."""
        ...

    def owners(self, container: str) -> Owners | None:
        """How to turn the owners of what `written` and `seen` hold into the container's; None where they are the container's."""
        ...

    def mount(self, container: str, maps: IDMaps | None = None) -> Path:
        """Make the container's root file system visible; the answer is where. Again answers the same.

        maps: its files are to belong to the host's IDs that these map the container's to. On the disk they have the container's.
        """
        ...

    def maps_owners(self) -> str:
        """Why `mount` can't map owners here; empty where it can."""
        ...

    def seen(self, container: str) -> AbstractContextManager[Path]:
        """The root file system of one that is mounted, with owners as `owners` says, to be read while the block lasts."""
        ...

    def read(self, container: str, path: str, limit: int) -> bytes | None:
        """A regular file of the container's, mounted or not, of at most `limit` bytes; None where there is none at the path.

        Links are followed as from inside. Raises ErrorOccurred where it is longer.
        """
        ...

    def unmount(self, container: str) -> None:
        """Take it away; what was written stays. Again is no error."""
        ...

    def delete(self, container: str) -> None:
        """Remove the writable layer. Again is no error."""
        ...

    def usage(self, container: str) -> int:
        """Bytes that the container has written over its image: proportional work to what changed, not to the image."""
        ...

    def changes(self, container: str) -> list[Change]:
        """What the container's file system has that its image has not, and the other way round, by path."""
        ...

    def written(self, container: str) -> Path:
        """The directory that holds whatever the container added or changed, under the same paths."""
        ...

    def place(self, container: str) -> dict[str, str]:
        """Where the driver keeps the container's parts, for Inspect's `GraphDriver.Data`: LowerDir, UpperDir, …"""
        ...

    def known(self) -> tuple[list[str], list[str]]:
        """The layers and the containers that it holds, for garbage collection."""
        ...

    def sweep(self) -> None:
        """Remove stagings that no living process is working on (a crash left them)."""
        ...

    def close(self) -> None:
        """Let go of what this engine's process holds of the driver; what is stored and mounted stays."""
        ...
