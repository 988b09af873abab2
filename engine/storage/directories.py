"""What both drivers do alike: layers and containers are directories, and a directory that has its name is whole.

    ROOT/
      9f86d081…/CONTENTS        a layer, by chain ID
      containers/4f1d…/…        a container's own
      staging/a81c…/03f2…/…     in the making; a81c… is locked by the process that works there (`workplace`)
      staging/77b0…/…           on its way out, and locked itself

Making ends with a rename out of `staging`, removing begins with a rename into it: a crash leaves rubbish there, and only there.
"""

import errno
import fcntl
import os
import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import ClassVar

from podlink.engine.errors import StorageFailed
from podlink.engine.ids import ID
from podlink.engine.linux import mounts, portable, trees
from podlink.engine.oci.layer.whiteouts import Whiteouts
from podlink.engine.storage.driver import Staging
from podlink.engine.storage.durable import refusals, sync_directory
from podlink.engine.storage.idmapped import MappedRoots
from podlink.engine.storage.workplace import Workplace, sweep


class DirectoryDriver:
    """The half of a storage driver that does not depend on how layers come to lie on top of each other."""

    name: ClassVar[str]
    whiteouts: ClassVar[Whiteouts]
    stacks: ClassVar[bool]
    contents: ClassVar[str]
    """What the directory with a layer's files is called."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._staging = root / "staging"
        self._containers = root / "containers"
        self._mapped = MappedRoots(root)
        self._making_at = Workplace(self._staging)
        with refusals(f"storage in {root}"):
            for folder in (root, self._staging, self._containers):
                folder.mkdir(mode=0o700, parents=True, exist_ok=True)

    def commit(self, layers: Sequence[tuple[Staging, str]]) -> None:
        """Give the layers their names, once all of them are on the disk: one syncfs(2) instead of an fsync(2) for each file."""
        with refusals("new layers"):
            self._persist()
            for staging, layer in layers:
                self._rename(staging.path.parent, self._layer(layer))
            sync_directory(self.root)

    def discard(self, staging: Staging) -> None:
        with refusals("an unfinished layer"):
            self._drop(staging.path.parent)

    def has(self, layer: str) -> bool:
        return self._layer(layer).exists()

    def remove(self, layer: str) -> None:
        with refusals(f"layer {layer}"):
            self._bury(self._layer(layer))

    def known(self) -> tuple[list[str], list[str]]:
        with refusals(f"storage in {self.root}"):
            return _ids(self.root), _ids(self._containers)

    def sweep(self) -> None:
        with refusals("unfinished layers"):
            sweep(self._staging, _clear)

    def close(self) -> None:
        self._making_at.close()

    def contents_of(self, layer: str) -> Path:
        """The directory with a layer's files."""
        return self._layer(layer) / self.contents

    @contextmanager
    def _making(self) -> Iterator[Path]:
        """A new directory in staging, ours until it is published or dropped. What fails meanwhile leaves nothing of it."""
        path = self._making_at.begin()
        try:
            path.mkdir(mode=0o700)
            yield path
        except BaseException:
            self._drop(path)
            raise

    @contextmanager
    def _scratch(self) -> Iterator[Path]:
        """A directory to try things in."""
        with self._making() as path:
            yield path
            self._drop(path)

    def _publish(self, path: Path, target: Path) -> None:
        """Make the finished directory known under its name. Where there is one already, that one stays."""
        self._persist()
        self._rename(path, target)
        sync_directory(target.parent)

    def _persist(self) -> None:
        """What was written is on the disk."""
        lock = os.open(self.root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            portable.sync(lock)
        finally:
            os.close(lock)

    def _rename(self, path: Path, target: Path) -> None:
        try:
            path.rename(target)
        except OSError as error:
            if error.errno not in (errno.EEXIST, errno.ENOTEMPTY):
                raise
            self._drop(path)
        else:
            self._making_at.end(path)

    def _bury(self, path: Path) -> None:
        """Take a directory's name away, durably, then remove it at leisure. Again is no error.

        It is moved as it is and nothing is made for it: what removes must work on a disk that is full.
        """
        grave = self._staging / secrets.token_hex(8)
        try:
            lock = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except FileNotFoundError:
            return
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)  # before it is in staging, where a sweep looks for what has no lock
            with suppress(FileNotFoundError):  # another process was first
                path.rename(grave)
                sync_directory(path.parent)
                trees.remove(grave)
        finally:
            os.close(lock)

    def _drop(self, path: Path) -> None:
        trees.remove(path)
        self._making_at.end(path)

    def _layer(self, layer: str) -> Path:
        if not ID.fullmatch(layer):
            raise StorageFailed(f"layer {layer!r}: not a chain ID of 64 hex digits")
        return self.root / layer

    def _container(self, container: str) -> Path:
        if not ID.fullmatch(container):
            raise StorageFailed(f"container {container!r}: not an ID of 64 hex digits")
        return self._containers / container

    def _existing(self, container: str) -> Path:
        """The directory of a container that is there."""
        path = self._container(container)
        if not path.exists():
            raise StorageFailed(f"container {container}: it has no writable layer; remove the container and make it anew")
        return path

    def _require(self, layers: Sequence[str]) -> None:
        for layer in layers:
            if not self.has(layer):
                raise StorageFailed(f"layer {layer} is missing; remove its image and get it anew")


def copy_attributes(source: Path, target: Path) -> None:
    """Owner (where that is permitted) and mode of one directory to another: what a root directory looks like from inside."""
    status = source.stat()
    if os.geteuid() == 0:
        os.chown(target, status.st_uid, status.st_gid)
    target.chmod(status.st_mode & 0o7777)


def _clear(path: Path) -> None:
    for place in mounts.mounted_below(path):  # a crash came while it was tried what this host can mount
        mounts.unmount(place)
    trees.remove(path)


def _ids(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if ID.fullmatch(path.name))
