"""The plain directories of `vfs`, for containers that end with this process: nobody's copy is made before it is needed.

    ROOT/
      9f86d081…/tree              this layer and all below it: the root of every container that has not written yet
      containers/4f1d…/tree …     from the first write on, as vfs has it

A kernel would have to be told not to let a container write to a layer. Here whoever writes is the emulator, which asks for the
container's own copy first (`claim`). Most containers of a test write nothing, and then cost nothing on the disk.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from podlink.engine.linux import trees
from podlink.engine.oci.layer.owners import Owners
from podlink.engine.oci.spec.values import IDMaps
from podlink.engine.storage.changes import Change
from podlink.engine.storage.durable import refusals
from podlink.engine.storage.vfs import VfsDriver


class SharedDriver(VfsDriver):
    """Nothing is to outlive a power cut here, nor which containers share their files this very object."""

    def __init__(self, root: Path) -> None:
        super().__init__(root, owners=False)
        self._sharing: dict[str, tuple[str, ...]] = {}
        """The layers of each container that has no copy of its own."""
        self._seen: dict[str, Path] = {}
        """By layer, the root file systems that containers were shown."""

    def create(self, container: str, layers: Sequence[str], maps: IDMaps | None = None) -> None:
        if not layers:
            super().create(container, layers, maps)
            return
        self._require(layers[-1:])
        if not self._container(container).exists():
            self._sharing[container] = tuple(layers)

    def claim(self, container: str) -> Path:
        """The container's own copy, made now where there is none yet: it is to be written to. Again is no error.

        Until it is complete, whoever looks at the container sees the layer.
        """
        if layers := self._sharing.get(container):
            super().create(container, layers)
            self._sharing.pop(container, None)
        return super().mount(container)

    def mount(self, container: str, maps: IDMaps | None = None) -> Path:
        """Where the container's files are read. Before they are written to: `claim`."""
        layers = self._sharing.get(container)
        if not layers:
            return super().mount(container)
        return self._seen.get(layers[-1]) or self._seen.setdefault(layers[-1], self.contents_of(layers[-1]))

    def shares(self, rootfs: Path) -> bool:
        """Whether what `mount` answered is a layer, which nobody ever writes to."""
        return rootfs in self._seen.values()

    def known(self) -> tuple[list[str], list[str]]:
        layers, containers = super().known()
        return layers, sorted({*containers, *self._sharing})

    @contextmanager
    def seen(self, container: str) -> Iterator[Path]:
        yield self.mount(container)

    def unmount(self, container: str) -> None:
        """Nothing is ever mounted."""

    def delete(self, container: str) -> None:
        if self._sharing.pop(container, None) is None:
            with refusals(f"container {container}"):
                trees.remove(self._container(container))

    def _persist(self) -> None:
        """It need not last."""

    def owners(self, container: str) -> Owners | None:
        return None

    def usage(self, container: str) -> int:
        return 0 if container in self._sharing else super().usage(container)

    def changes(self, container: str) -> list[Change]:
        return [] if container in self._sharing else super().changes(container)

    def written(self, container: str) -> Path:
        return self.mount(container)

    def place(self, container: str) -> dict[str, str]:
        return {"MergedDir": str(self.mount(container))}
