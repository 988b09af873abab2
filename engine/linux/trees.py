"""Directory trees that somebody hostile has made: of any depth, with any names, with links to anywhere.

The usual tools recurse, and hold a descriptor for each level: a chain of thousands of directories stops them. Nothing here does.
"""

import errno
import os
import secrets
import stat
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
GONE = frozenset({errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.ENXIO})
"""What opening says of what went away, or became something else, since its name was read."""


Losing = Callable[[int | None, bytes, os.stat_result], object]
"""Told of a file that is about to go: the directory that it is in, its name there, and what stat(2) says of it."""


def remove(name: str | bytes | Path, *, directory: int | None = None, losing: Losing | None = None) -> None:
    """Remove a file, or a directory with all that is in it. What is gone already is no error; links are not followed.

    A tree is made flat as it goes: what a subdirectory holds is moved up to the top, so that no path is ever long.
    """
    if _unlinked(os.fsencode(name), directory, losing):
        return
    top = _opened(os.fsencode(name), directory)
    try:
        _empty(top, losing)
    finally:
        os.close(top)
    with suppress(FileNotFoundError):
        os.rmdir(name, dir_fd=directory)


def _empty(top: int, losing: Losing | None) -> None:
    """Level by level: remove the files, then put each subdirectory's contents in its place."""
    while names := _listed(top):
        for name in map(os.fsencode, names):
            if _unlinked(name, top, losing):
                continue
            below = _opened(name, top)
            try:
                for inner in map(os.fsencode, os.listdir(below)):
                    if not _unlinked(inner, below, losing):
                        _move_up(inner, below, top)
            finally:
                os.close(below)
            os.rmdir(name, dir_fd=top)


def _listed(top: int) -> list[str]:
    """What is there by now. A descriptor of btrfs shows what there was when it was opened, or set to the beginning: lseek(2)."""
    os.lseek(top, 0, os.SEEK_SET)
    return os.listdir(top)


def _unlinked(name: bytes, directory: int | None, losing: Losing | None) -> bool:
    """Whether it was no directory, and so is gone now."""
    try:
        if losing:
            status = os.stat(name, dir_fd=directory, follow_symlinks=False)
            if not stat.S_ISDIR(status.st_mode):
                losing(directory, name, status)
        os.unlink(name, dir_fd=directory)
    except FileNotFoundError:
        return True
    except (IsADirectoryError, PermissionError):  # POSIX lets unlink(2) of a directory say either
        if not stat.S_ISDIR(os.stat(name, dir_fd=directory, follow_symlinks=False).st_mode):
            raise
        return False
    return True


def _move_up(name: bytes, source: int, top: int) -> None:
    """Under a name that nobody has guessed; a directory that may not be written can't be moved (its `..` changes): open it up."""
    os.close(_opened(name, source))
    os.rename(name, b".moved-" + secrets.token_hex(16).encode(), src_dir_fd=source, dst_dir_fd=top)


def _opened(name: bytes, directory: int | None) -> int:
    """A directory, made readable and writable first where its owner has shut himself out."""
    try:
        number = os.open(name, DIRECTORY, dir_fd=directory)
    except PermissionError:
        os.chmod(name, 0o700, dir_fd=directory)
        return os.open(name, DIRECTORY, dir_fd=directory)
    if os.fstat(number).st_mode & 0o700 != 0o700:
        with suppress(PermissionError):
            os.fchmod(number, 0o700)
    return number


def walk(root: Path, *, whole: bool = False) -> Iterator[tuple[bytes, os.DirEntry[bytes]]]:
    """Everything below `root`: its path from there, and its entry; a directory before its members.

    What disappears meanwhile is left out, and so is what lies deeper than a path can be long (PATH_MAX, 4,096 bytes). whole: that
    is an error instead.
    """
    start = os.fsencode(root)
    todo = [b""]
    while todo:
        below = todo.pop()
        for entry in _entries(start + b"/" + below, whole):
            path = below + b"/" + entry.name if below else entry.name
            yield path, entry
            if entry.is_dir(follow_symlinks=False):
                todo.append(path)


def _entries(path: bytes, whole: bool) -> list[os.DirEntry[bytes]]:
    try:
        with os.scandir(path) as entries:
            return list(entries)
    except OSError as error:
        if not whole and error.errno in (errno.ENOENT, errno.ENOTDIR, errno.ENAMETOOLONG):
            return []
        raise


@dataclass(frozen=True, slots=True)
class Folder:
    """One directory of a tree while it is open. path: from the root, "" for the root itself. entries: by name."""

    path: str
    descriptor: int
    entries: list[os.DirEntry[str]]

    def inner(self, name: str) -> str:
        """The path of what has this name in it."""
        return f"{self.path}/{name}" if self.path else name


def folders(root: Path) -> Iterator[Folder]:
    """Every directory of a tree that others may be changing meanwhile, each before those in it; siblings in order.

    Each is opened from the root by one step after the other and never through a link, so no exchange of a directory for a link
    leads out of the tree. What is gone when its turn comes is left out.
    """
    top, todo = os.open(root, DIRECTORY), [""]
    try:
        while todo:
            path = todo.pop()
            try:
                descriptor = open_folder(top, path)
            except OSError as error:
                if path and error.errno in GONE:
                    continue
                raise
            try:
                with os.scandir(descriptor) as found:
                    folder = Folder(path, descriptor, sorted(found, key=lambda entry: entry.name))
                yield folder
            finally:
                os.close(descriptor)
            inner = (entry.name for entry in reversed(folder.entries) if entry.is_dir(follow_symlinks=False))
            todo += [folder.inner(name) for name in inner]
    finally:
        os.close(top)


def open_folder(top: int, path: str) -> int:
    """The directory at this path below `top`, without a link on the way; "" is another descriptor of `top` itself."""
    current = os.open(".", DIRECTORY, dir_fd=top)
    for part in path.split("/") if path else ():
        try:
            below = os.open(part, DIRECTORY, dir_fd=current)
        finally:
            os.close(current)
        current = below
    return current
