"""What both drivers do alike: layers and containers are directories, and a directory that has its name is whole.

    ROOT/
      9f86d081…/CONTENTS        a layer, by chain ID
      containers/4f1d…/…        a container's own
      staging/a81c…/…           in the making, or on its way out; locked by the process that works on it

Making ends with a rename out of `staging`, removing begins with a rename into it: a crash leaves rubbish there, and only there.
The lock (flock(2) on the directory) goes with its process, so `sweep` can tell whose work is abandoned.
"""

import errno
import fcntl
import os
import re
import secrets
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import ClassVar

from podlink.engine.errors import StorageFailed
from podlink.engine.linux import mounts, syscalls, trees
from podlink.engine.oci.layer.whiteouts import Whiteouts
from podlink.engine.storage.driver import Staging
from podlink.engine.storage.durable import locked_directory, refusals, sync_directory
from podlink.engine.storage.idmapped import MappedRoots

ID = re.compile(r"[0-9a-f]{64}")


class DirectoryDriver:
    """The half of a storage driver that does not depend on how layers come to lie on top of each other."""

    name: ClassVar[str]
    whiteouts: ClassVar[Whiteouts]
    contents: ClassVar[str]
    """What the directory with a layer's files is called."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._staging = root / "staging"
        self._containers = root / "containers"
        self._mapped = MappedRoots(root)
        self._working: dict[Path, int] = {}
        self._guard = threading.Lock()
        with refusals(f"storage in {root}"):
            for folder in (root, self._staging, self._containers):
                folder.mkdir(mode=0o700, parents=True, exist_ok=True)

    def commit(self, staging: Staging, layer: str) -> None:
        """Give the layer its name, once all of it is on the disk: one syncfs(2) instead of an fsync(2) for each file."""
        with refusals(f"layer {layer}"):
            self._publish(staging.path.parent, self._layer(layer))

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
            for path in self._staging.iterdir():
                with suppress(FileNotFoundError, BlockingIOError):
                    self._sweep_one(path)

    def close(self) -> None:
        with self._guard:
            while self._working:
                os.close(self._working.popitem()[1])

    def contents_of(self, layer: str) -> Path:
        """The directory with a layer's files."""
        return self._layer(layer) / self.contents

    @contextmanager
    def _making(self) -> Iterator[Path]:
        """A new directory in staging, ours until it is published or dropped. What fails meanwhile leaves nothing of it."""
        path = self._begin()
        try:
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

    def _begin(self) -> Path:
        path, lock = locked_directory(self._staging)
        with self._guard:
            self._working[path] = lock
        return path

    def _publish(self, path: Path, target: Path) -> None:
        """Make the finished directory known under its name. Where there is one already, that one stays."""
        with self._guard:
            lock = self._working[path]
        syscalls.syncfs(lock)
        self._rename(path, target)

    def _rename(self, path: Path, target: Path) -> None:
        try:
            path.rename(target)
        except OSError as error:
            if error.errno not in (errno.EEXIST, errno.ENOTEMPTY):
                raise
            self._drop(path)
        else:
            self._release(path)
        sync_directory(target.parent)

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
        self._release(path)

    def _release(self, path: Path) -> None:
        with self._guard:
            lock = self._working.pop(path, None)
        if lock is not None:
            os.close(lock)

    def _sweep_one(self, path: Path) -> None:
        lock = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            for place in mounts.mounted_below(path):  # a crash came while it was tried what this host can mount
                mounts.unmount(place)
            trees.remove(path)
        finally:
            os.close(lock)

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


def _ids(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if ID.fullmatch(path.name))
