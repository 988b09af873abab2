"""The plain directories of `vfs`, for containers that live in this process: nobody's copy is made before it is needed.

    ROOT/
      9f86d081…/tree              this layer and all below it: the root of every container that has not written yet
      containers/4f1d…/layers     chain IDs, base first, a line each
      containers/4f1d…/tree …     from the first write on, as vfs has it

A kernel would have to be told not to let a container write to a layer. Here whoever writes is the emulator, which asks for the
container's own copy first (`claim`). Most containers of a test write nothing, and then cost one small file.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from podlink.engine.linux import trees
from podlink.engine.oci.spec.values import IDMaps
from podlink.engine.storage.changes import Change
from podlink.engine.storage.durable import refusals
from podlink.engine.storage.vfs import VfsDriver


class SharedDriver(VfsDriver):
    """durable: whether what is acknowledged must outlive a power cut; what goes with its engine need not."""

    def __init__(self, root: Path, *, durable: bool = True) -> None:
        super().__init__(root, owners=False)
        self._durable = durable

    def create(self, container: str, layers: Sequence[str], maps: IDMaps | None = None) -> None:
        if self._durable or not layers:
            super().create(container, layers, maps)
            return
        self._require(layers[-1:])
        with refusals(f"container {container}"):
            home = self._container(container)
            with suppress(FileExistsError):
                home.mkdir()
                self._list(home, layers)

    def claim(self, container: str) -> Path:
        """The container's own copy, made now where there is none yet: it is to be written to. Again is no error.

        Until it is complete, whoever looks at the container sees the layer.
        """
        home = self._existing(container)
        if not self._is_own(home):
            layers = (home / "layers").read_text().split()
            with refusals(f"container {container}"), self._scratch() as draft:
                self._copied(draft, self._top(layers)).rename(home / self.contents)
                self._complete(home)
        return home / self.contents

    def mount(self, container: str, maps: IDMaps | None = None) -> Path:
        """Where the container's files are read. Before they are written to: `claim`."""
        home = self._existing(container)
        if self._is_own(home):
            return home / self.contents
        return self.contents_of((home / "layers").read_text().split()[-1])

    @contextmanager
    def seen(self, container: str) -> Iterator[Path]:
        yield self.mount(container)

    def unmount(self, container: str) -> None:
        """Nothing is ever mounted."""

    def delete(self, container: str) -> None:
        if self._durable:
            super().delete(container)
            return
        with refusals(f"container {container}"):
            trees.remove(self._container(container))

    def usage(self, container: str) -> int:
        return super().usage(container) if self._is_own(self._existing(container)) else 0

    def changes(self, container: str) -> list[Change]:
        return super().changes(container) if self._is_own(self._existing(container)) else []

    def written(self, container: str) -> Path:
        return self.mount(container)

    def place(self, container: str) -> dict[str, str]:
        return {"MergedDir": str(self.mount(container))}

    def _is_own(self, home: Path) -> bool:
        return (home / "made").exists()
