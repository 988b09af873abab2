"""Layers and containers on overlayfs, the kernel's own union of directories. mount(8); the kernel's filesystems/overlayfs.rst

    ROOT/
      9f86d081…/diff              a layer: its files, and its whiteouts as overlayfs reads them
      l/9f86d081884c              a short name for it: a symbolic link to ../9f86d081…/diff
      empty                       what a container without layers stands on
      containers/4f1d…/
        layers                    chain IDs, base first, a line each
        upper  work  merged       what the container wrote; the kernel's workshop; where its root is mounted

    mount -t overlay overlay -o lowerdir=l/TOP:…:l/BASE,upperdir=…,workdir=… merged

Options are one page at most, and an image has up to 127 layers: hence the short names, and where the path of their folder makes
even those too long, a mount from within that folder, all paths being relative. A mount is the kernel's and outlives the engine.

Nothing in a layer steers overlayfs: `metacopy` and `redirect_dir`, by which an attribute of one file could show the data of
another, are off, and attributes that could do so are refused when a layer is unpacked. `index` is off: a root that was copied to
another disk still works.
"""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import cached_property
from pathlib import Path

from podlink.engine.errors import StorageFailed
from podlink.engine.linux import mounts, trees
from podlink.engine.linux.mounts import escaped
from podlink.engine.oci.layer.hiding import OPAQUE
from podlink.engine.oci.layer.owners import Owners
from podlink.engine.oci.layer.whiteouts import Whiteouts
from podlink.engine.oci.spec.values import IDMaps
from podlink.engine.storage import probe
from podlink.engine.storage.changes import Change, Stack, of_upper
from podlink.engine.storage.directories import DirectoryDriver, copy_attributes
from podlink.engine.storage.driver import Staging
from podlink.engine.storage.durable import refusals, sync_directory, write_durably
from podlink.engine.storage.reading import read_found

OPTIONS = "index=off,metacopy=off,redirect_dir=nofollow"
MOST_LAYERS = 290
"""What short names leave room for in a page. The kernel's own limit is 500 (OVL_MAX_STACK); builders of images stop at 127."""
SHORT = 12
"""Digits of a chain ID that make a short name."""


class OverlayDriver(DirectoryDriver):
    """The driver for root. Safe to use from several threads and processes; a container's lock is the caller's to hold."""

    name = "overlay"
    whiteouts = Whiteouts.OVERLAY
    contents = "diff"
    stacks = True

    def __init__(self, root: Path) -> None:
        super().__init__(root.resolve())  # one spelling: a mount that is there is known by its path
        self._short = self.root / "l"
        self._empty = self.root / "empty"
        with refusals(f"storage in {root}"):
            for folder in (self._short, self._empty):
                folder.mkdir(exist_ok=True)
                folder.chmod(0o755)  # whatever the umask: the root of a container without layers looks like `empty`

    def status(self) -> dict[str, str]:
        return dict(self._found)

    @cached_property
    def _found(self) -> dict[str, str]:
        with refusals(f"storage in {self.root}"), self._scratch() as path:
            return {
                "backing_filesystem": probe.backing_filesystem(path),
                "native_overlay_diff": str(probe.native_overlay_diff(path, OPTIONS)).lower(),
                "supports_d_type": str(probe.supports_d_type(path)).lower(),
            }

    def stage(self, parents: Sequence[str], over: Staging | None = None) -> Staging:
        self._require(parents)
        below = (over.path, *over.below) if over else tuple(self.contents_of(layer) for layer in reversed(parents))
        with refusals("a new layer"), self._making() as made:
            path = made / self.contents
            path.mkdir()
            path.chmod(0o755)  # whatever the umask; over others it is settled to look like theirs
            return Staging(path, self.whiteouts, below)

    def remove(self, layer: str) -> None:
        with refusals(f"layer {layer}"):
            self._link(layer).unlink(missing_ok=True)
        super().remove(layer)

    def create(self, container: str, layers: Sequence[str], maps: IDMaps | None = None) -> None:
        """Durable by three fsync(2), not by syncfs(2), which would wait for whatever else is being written."""
        self._require(layers)
        target = self._container(container)
        if len(layers) > MOST_LAYERS:
            raise StorageFailed(f"container {container}: its image has {len(layers)} layers; overlayfs takes {MOST_LAYERS}")
        with refusals(f"container {container}"), self._making() as path:
            for name in ("upper", "work", "merged"):
                (path / name).mkdir()
            copy_attributes(self._top(layers), path / "upper")
            write_durably(path / "layers", "".join(f"{layer}\n" for layer in layers).encode())
            sync_directory(path)
            self._rename(path, target)
            sync_directory(target.parent)

    def mount(self, container: str, maps: IDMaps | None = None) -> Path:
        path = self._existing(container)
        with refusals(f"container {container}: mount of its root"):
            merged = self._mapped.prepare(container, maps) if maps else path / "merged"
            there = mounts.mounted_at(merged)
            if there and there.fstype == "overlay" and f"/{container}/upper," in f"{there.options},":
                return merged
            if there:
                mounts.unmount(merged)
            if maps:
                with self._mapped.store(container, maps) as store:
                    self._mount_from(store / "l", container, merged, maps.root())
            else:
                self._mount_at(container, merged)
        return merged

    def _mount_at(self, container: str, merged: Path) -> None:
        path = self._existing(container)
        names = [self._named(layer) for layer in self._visible(container)]
        absolute = ":".join(escaped(self._short / name) for name in names) or escaped(self._empty)
        options = f"lowerdir={absolute},upperdir={escaped(path / 'upper')},workdir={escaped(path / 'work')},{OPTIONS}"
        if len(options.encode()) < os.sysconf("SC_PAGESIZE"):
            mounts.mount("overlay", "overlay", merged, options)
        else:
            self._mount_from(self._short, container, merged)

    def _mount_from(self, short: Path, container: str, merged: Path, owner: tuple[int, int] | None = None) -> None:
        """All paths being relative to the folder of short names, or to that of an idmapped mount of the whole root."""
        names = [self._named(layer) for layer in self._visible(container)] or ["../empty"]
        own = f"../containers/{container}"
        options = f"lowerdir={':'.join(names)},upperdir={own}/upper,workdir={own}/work,{OPTIONS}"
        mounts.mount_from(short, "overlay", "overlay", merged, options, owner)

    def owners(self, container: str) -> Owners | None:
        return None

    def maps_owners(self) -> str:
        return f"{self._refusal}; the storage driver vfs can do without" if self._refusal else ""

    @cached_property
    def _refusal(self) -> str:
        with refusals(f"storage in {self.root}"), self._scratch() as path:
            return probe.maps_owners(path, overlay=OPTIONS)

    @contextmanager
    def seen(self, container: str) -> Iterator[Path]:
        """A mapped one is shown by a second overlay, that is only read: its upper directory on top of the layers."""
        path = self._existing(container)
        if not mounts.is_mounted(self._mapped.rootfs(container)):
            yield path / "merged"
            return
        with refusals(f"container {container}: a view of its root"), self._making() as scratch:
            names = [self._named(layer) for layer in self._visible(container)] or ["../empty"]
            options = f"lowerdir={':'.join((f'../containers/{container}/upper', *names))},{OPTIONS}"
            mounts.mount_from(self._short, "overlay", "overlay", scratch, options)
        try:
            yield scratch
        finally:
            mounts.unmount(scratch)
            self._drop(scratch)

    def read(self, container: str, path: str, limit: int) -> bytes | None:
        """Layer by layer, without a mount."""
        with refusals(f"container {container}"):
            roots = [self._existing(container) / "upper", *map(self.contents_of, self._visible(container))]
            return read_found(Stack([os.fsencode(root) for root in roots]), os.fsencode(path), limit)

    def unmount(self, container: str) -> None:
        with refusals(f"container {container}: unmount of its root"):
            mounts.unmount(self._container(container) / "merged")
            self._mapped.clear(container)

    def delete(self, container: str) -> None:
        self.unmount(container)
        with refusals(f"container {container}"):
            self._bury(self._container(container))

    def usage(self, container: str) -> int:
        """The sizes of the files in the upper directory, each once however many names it has. A file that the container has
        changed in any way is there whole."""
        sizes: dict[int, int] = {}
        with refusals(f"container {container}"):
            for _, entry in trees.walk(self._existing(container) / "upper"):
                with suppress(FileNotFoundError):
                    if not entry.is_dir(follow_symlinks=False):
                        sizes[entry.inode()] = entry.stat(follow_symlinks=False).st_size
        return sum(sizes.values())

    def changes(self, container: str) -> list[Change]:
        below = Stack([os.fsencode(self.contents_of(layer)) for layer in self._visible(container)])
        with refusals(f"container {container}"):
            return of_upper(self.written(container), below)

    def written(self, container: str) -> Path:
        return self._existing(container) / "upper"

    def place(self, container: str) -> dict[str, str]:
        path = self._existing(container)
        lowers = [str(self.contents_of(layer)) for layer in reversed(self._layers(container))]
        return {
            "LowerDir": ":".join(lowers or [str(self._empty)]),
            "UpperDir": str(path / "upper"),
            "WorkDir": str(path / "work"),
            "MergedDir": str(mapped if (mapped := self._mapped.rootfs(container)).exists() else path / "merged"),
        }

    def _layers(self, container: str) -> list[str]:
        with refusals(f"container {container}"):
            return (self._container(container) / "layers").read_text().split()

    def _visible(self, container: str) -> list[str]:
        """The container's layers, topmost first, down to one whose root hides all below: overlayfs would not look at that
        mark.
        """
        found = []
        for layer in reversed(self._layers(container)):
            found.append(layer)
            with suppress(OSError):
                if os.getxattr(self.contents_of(layer), OPAQUE) == b"y":
                    break
        return found

    def _top(self, layers: Sequence[str]) -> Path:
        """Whose root directory the next layer's, or the container's, begins as."""
        return self.contents_of(layers[-1]) if layers else self._empty

    def _named(self, layer: str) -> str:
        """The layer's short name; its link is made where it is missing."""
        link, text = self._link(layer), f"../{layer}/{self.contents}"
        with suppress(FileExistsError):
            link.symlink_to(text)
        if os.readlink(link) != text:
            raise StorageFailed(
                f"layer {layer}: its short name {link.name} belongs to another layer; remove one of the two images"
            )
        return link.name

    def _link(self, layer: str) -> Path:
        return self._short / self._layer(layer).name[:SHORT]
