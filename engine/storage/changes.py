"""What a container's file system has that its image has not, and the other way round.

    overlay   the upper directory is walked, and nothing else: its whiteouts, its opaque directories, and what it holds
    vfs       both trees are walked side by side: a whole tree is like an upper directory whose root hides all below it

A directory is *changed* when its own attributes are, or when something in it was added, changed or deleted. A file that was
opened for writing and left as it was is no change, although overlayfs has made a copy of it.
"""

import errno
import os
import stat
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Protocol

from podlink.engine.linux import portable
from podlink.engine.linux.trees import Folder, folders
from podlink.engine.oci.layer.hiding import OPAQUE, is_whiteout
from podlink.engine.oci.layer.owners import Owners
from podlink.engine.storage.compare import Seen, differ


class Kind(StrEnum):
    """As the interface has them."""

    ADDED = "added"
    CHANGED = "changed"
    DELETED = "deleted"


@dataclass(frozen=True, slots=True, order=True)
class Change:
    """path: from `/`; bytes that are no UTF-8 are escaped as os.fsdecode does.

    inside: it is a directory, changed in nothing but what it holds.
    """

    path: str
    kind: Kind
    inside: bool = field(default=False, compare=False)


class Below(Protocol):
    """The image's tree, seen without links being followed. Paths are relative and in bytes; b"" is the root."""

    def find(self, path: bytes) -> Seen | None:
        """What is there; None for nothing."""
        ...

    def names(self, path: bytes) -> set[bytes]:
        """What is in the directory; empty where it is none."""
        ...


class Plain:
    """A tree that is there as it is."""

    def __init__(self, root: bytes) -> None:
        self._root = root

    def find(self, path: bytes) -> Seen | None:
        place = os.path.join(self._root, path)
        status = _lstat(place)
        return Seen(place, status) if status else None

    def names(self, path: bytes) -> set[bytes]:
        seen = self.find(path)
        return set(os.listdir(seen.path)) if seen and stat.S_ISDIR(seen.status.st_mode) else set()


class Stack:
    """Layers as overlayfs shows them, topmost first, found without a mount."""

    def __init__(self, roots: list[bytes]) -> None:
        self._roots = roots

    def find(self, path: bytes) -> Seen | None:
        return next((Seen(os.path.join(root, path), status) for root, status in self._found(path)), None)

    def statuses(self, path: bytes) -> Iterator[os.stat_result]:
        """Of what each layer has there, topmost first, as far down as it shows through."""
        return (status for _, status in self._found(path))

    def names(self, path: bytes) -> set[bytes]:
        seen: set[bytes] = set()
        hidden: set[bytes] = set()
        for root, status in self._found(path):
            if not stat.S_ISDIR(status.st_mode):
                break
            folder = os.path.join(root, path)
            for name in set(os.listdir(folder)) - hidden - seen:
                (hidden if is_whiteout(os.lstat(os.path.join(folder, name))) else seen).add(name)
        return seen

    def _found(self, path: bytes) -> Iterator[tuple[bytes, os.stat_result]]:
        """The layers that show something at the path, topmost first. After what is no directory nothing more shows through."""
        prefixes = _prefixes(path)
        for root in self._roots:
            ends = False
            for prefix in prefixes:
                status = _lstat(os.path.join(root, prefix))
                if status is None:
                    break
                if is_whiteout(status) or (prefix != path and not stat.S_ISDIR(status.st_mode)):
                    return
                ends = ends or is_opaque(os.path.join(root, prefix))
                if prefix == path:
                    yield root, status
                    if not stat.S_ISDIR(status.st_mode):
                        return
            if ends:
                return


def of_upper(upper: Path, below: Below) -> list[Change]:
    """What the upper directory of an overlay says."""
    return sorted(_Walk(below).changes(upper))


def of_tree(tree: Path, below: Below, since: int, owners: Owners | None = None) -> list[Change]:
    """What differs between a whole tree and the image's.

    since: when it was like the image's. What has not changed since, by st_ctime_ns, is compared by its lstat(2) only.
    owners: to whom the image's files were given in the tree.
    """
    return sorted(_Walk(below, whole=True, since=since, owners=owners).changes(tree))


def linked(tree: Path, paths: Iterable[str]) -> set[str]:
    """All names in the tree of the files that have these names, theirs too: hard links to what is otherwise as it was."""
    wanted, names = set(paths), dict[tuple[int, int], set[str]]()
    for folder in folders(tree):
        for name, seen in _entries(folder).items():
            if seen.status.st_nlink > 1 and not stat.S_ISDIR(seen.status.st_mode):
                path = _shown(_join(os.fsencode(folder.path), name))
                names.setdefault((seen.status.st_dev, seen.status.st_ino), set()).add(path)
    return set[str]().union(*(group for group in names.values() if group & wanted))


class _Walk:
    """Looks at every directory of a container's tree.

    covered: directories that hide what lies below them. touched: directories in which something differs; own: those that
    differ themselves.
    """

    def __init__(self, below: Below, *, whole: bool = False, since: int = -1, owners: Owners | None = None) -> None:
        self._below = below
        self._whole = whole
        self._since = since
        self._owners = owners
        self._covered: set[bytes] = set()
        self._touched: set[bytes] = set()
        self._own: set[bytes] = set()

    def changes(self, tree: Path) -> Iterator[Change]:
        for folder in folders(tree):
            yield from self._in(folder, os.fsencode(folder.path))
        for path in self._touched | self._own:
            if self._below.find(path) and (
                path or path in self._own
            ):  # the root only for itself: something in it is in all of them
                yield Change(_shown(path), Kind.CHANGED, inside=path not in self._own)

    def _in(self, folder: Folder, path: bytes) -> Iterator[Change]:
        if not path:
            self._look_at_root(folder)
        hides = self._whole or os.path.dirname(path) in self._covered or is_opaque(folder.descriptor)
        if hides:
            self._covered.add(path)
        found = _entries(folder)
        here = {name: seen for name, seen in found.items() if self._whole or not is_whiteout(seen.status)}
        gone = self._below.names(path) - here.keys() if hides else found.keys() - here.keys()
        for name in gone:
            if self._below.find(_join(path, name)):
                self._touched.update(_prefixes(path))
                yield Change(_shown(_join(path, name)), Kind.DELETED)
        for name, seen in here.items():
            yield from self._compared(path, name, seen)

    def _compared(self, path: bytes, name: bytes, seen: Seen) -> Iterator[Change]:
        inner = _join(path, name)
        before = self._below.find(inner)
        if before is None:
            self._touched.update(_prefixes(path))
            yield Change(_shown(inner), Kind.ADDED)
        elif differ(seen, before, whole=seen.status.st_ctime_ns > self._since, owners=self._owners):
            self._touched.update(_prefixes(path))
            if stat.S_ISDIR(seen.status.st_mode):
                self._own.add(inner)
            else:
                yield Change(_shown(inner), Kind.CHANGED)

    def _look_at_root(self, folder: Folder) -> None:
        """Its mode and owner; its attributes are the driver's, which has made it."""
        before = self._below.find(b"")
        if before and differ(Seen(b"", os.fstat(folder.descriptor)), before, whole=False, owners=self._owners):
            self._own.add(b"")


def _entries(folder: Folder) -> dict[bytes, Seen]:
    """What is in it, save what went away since it was read."""
    found, way = {}, portable.way_to(folder.descriptor)
    for entry in folder.entries:
        place = os.fsencode(f"{way}/{entry.name}")
        if status := _lstat(place):
            found[os.fsencode(entry.name)] = Seen(place, status)
    return found


def is_opaque(folder: bytes | int) -> bool:
    """Whether a directory of a layer, at this path or open, hides what lies below it."""
    return portable.attribute(folder, OPAQUE) == b"y"


def _lstat(path: bytes) -> os.stat_result | None:
    """None where nothing is, and where nothing can be: no layer has paths that are too long for the kernel."""
    try:
        return os.lstat(path)
    except OSError as error:
        if error.errno in (errno.ENOENT, errno.ENOTDIR, errno.ENAMETOOLONG):
            return None
        raise


def _prefixes(path: bytes) -> list[bytes]:
    """The path and all above it, the root first: b"", b"a", b"a/b"."""
    parts = path.split(b"/") if path else []
    return [b"/".join(parts[:depth]) for depth in range(len(parts) + 1)]


def _join(folder: bytes, name: bytes) -> bytes:
    return folder + b"/" + name if folder else name


def _shown(path: bytes) -> str:
    return "/" + os.fsdecode(path)
