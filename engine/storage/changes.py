"""What a container's file system has that its image has not, and the other way round.

    overlay   the upper directory is walked, and nothing else: its whiteouts, its opaque directories, and what it holds
    vfs       both trees are walked side by side

A directory is *changed* when its own attributes are, or when something in it was added, changed or deleted. A file that was
opened for writing and left as it was is no change: its size, owner, mode and time are those of the image's.
"""

import os
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from podlink.engine.oci.layer.hiding import OPAQUE, is_whiteout


class Kind(StrEnum):
    """As the interface has them."""

    ADDED = "added"
    CHANGED = "changed"
    DELETED = "deleted"


@dataclass(frozen=True, slots=True, order=True)
class Change:
    """path: from `/`, without it for the root itself; bytes that are no UTF-8 are escaped as os.fsdecode does."""

    path: str
    kind: Kind


class Below(Protocol):
    """The image's tree, seen without links being followed. Paths are relative and in bytes; b"" is the root."""

    def status(self, path: bytes) -> os.stat_result | None:
        """lstat(2); None where nothing is there."""
        ...

    def names(self, path: bytes) -> set[bytes]:
        """What is in the directory; empty where it is none."""
        ...


class Plain:
    """A tree that is there as it is."""

    def __init__(self, root: bytes) -> None:
        self._root = root

    def status(self, path: bytes) -> os.stat_result | None:
        return _lstat(os.path.join(self._root, path))

    def names(self, path: bytes) -> set[bytes]:
        status = self.status(path)
        return set(os.listdir(os.path.join(self._root, path))) if status and stat.S_ISDIR(status.st_mode) else set()


class Stack:
    """Layers as overlayfs shows them, topmost first, found without a mount."""

    def __init__(self, roots: list[bytes]) -> None:
        self._roots = roots

    def status(self, path: bytes) -> os.stat_result | None:
        return next(self.statuses(path), None)

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


def of_upper(upper: bytes, below: Below) -> list[Change]:
    """What the upper directory of an overlay says."""

    def listed(path: bytes, hidden: bool) -> tuple[dict[bytes, os.stat_result], set[bytes]]:
        folder = os.path.join(upper, path)
        found = {name: os.lstat(os.path.join(folder, name)) for name in os.listdir(folder)}
        here = {name: status for name, status in found.items() if not is_whiteout(status)}
        gone = below.names(path) - set(here) if hidden else set(found) - set(here)
        return here, gone

    return sorted(_walk(b"", below, listed, lambda path: is_opaque(os.path.join(upper, path)), upper))


def of_tree(tree: bytes, below: Below) -> list[Change]:
    """What differs between a whole tree and the image's."""

    def listed(path: bytes, hidden: bool) -> tuple[dict[bytes, os.stat_result], set[bytes]]:
        folder = os.path.join(tree, path)
        here = {name: os.lstat(os.path.join(folder, name)) for name in os.listdir(folder)}
        return here, below.names(path) - set(here)

    return sorted(_walk(b"", below, listed, lambda path: False, tree))


Listed = Callable[[bytes, bool], tuple[dict[bytes, os.stat_result], set[bytes]]]


def _walk(path: bytes, below: Below, listed: Listed, opaque: Callable[[bytes], bool], root: bytes) -> Iterator[Change]:
    """An explicit stack, not recursion: trees are as deep as their makers like."""
    todo = [(path, opaque(path))]
    touched: set[bytes] = set()
    while todo:
        folder, hidden = todo.pop()
        here, gone = listed(folder, hidden)
        for name in gone:
            inner = _join(folder, name)
            if below.status(inner) is not None:
                touched.update(_prefixes(folder))
                yield Change(_shown(inner), Kind.DELETED)
        for name, status in here.items():
            inner = _join(folder, name)
            before = below.status(inner)
            if before is None:
                touched.update(_prefixes(folder))
                yield Change(_shown(inner), Kind.ADDED)
            elif not _same(status, before):
                touched.update({*_prefixes(folder), inner} if stat.S_ISDIR(status.st_mode) else _prefixes(folder))
                if not stat.S_ISDIR(status.st_mode):
                    yield Change(_shown(inner), Kind.CHANGED)
            if stat.S_ISDIR(status.st_mode):
                todo.append((inner, hidden or opaque(inner)))
    for each in touched - {b""}:
        if below.status(each) is not None:
            yield Change(_shown(each), Kind.CHANGED)


def _same(one: os.stat_result, other: os.stat_result) -> bool:
    """By what ls(1) would show. A directory's size and time change with its members, which are looked at themselves."""
    if (one.st_mode, one.st_uid, one.st_gid) != (other.st_mode, other.st_uid, other.st_gid):
        return False
    if stat.S_ISDIR(one.st_mode):
        return True
    return (one.st_size, one.st_mtime_ns, one.st_rdev) == (other.st_size, other.st_mtime_ns, other.st_rdev)


def is_opaque(path: bytes) -> bool:
    """Whether a directory of a layer hides what lies below it."""
    try:
        return os.getxattr(path, OPAQUE, follow_symlinks=False) == b"y"
    except OSError:
        return False


def _lstat(path: bytes) -> os.stat_result | None:
    try:
        return os.lstat(path)
    except (FileNotFoundError, NotADirectoryError):
        return None


def _prefixes(path: bytes) -> list[bytes]:
    """The path and all above it, the root first: b"", b"a", b"a/b"."""
    parts = path.split(b"/") if path else []
    return [b"/".join(parts[:depth]) for depth in range(len(parts) + 1)]


def _join(folder: bytes, name: bytes) -> bytes:
    return folder + b"/" + name if folder else name


def _shown(path: bytes) -> str:
    return "/" + os.fsdecode(path)
