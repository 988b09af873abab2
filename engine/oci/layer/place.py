"""The directory that a layer is unpacked into, and the two ways to stay in it.

    jailed     the process has made it its root directory: the kernel keeps every path in, and root's rights may be used
    beneath    any process, any thread, no rights: each path is opened by `linux.safepath`, which keeps it in

All else is the same for both. What makes or changes a file is given an open directory and a name in it, never a path.
"""

import errno
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from podlink.engine.linux.safepath import open_inside

FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
ABSENT = (errno.ENOENT, errno.ENOTDIR, errno.ELOOP)
"""What opening a directory says when there is something else, or nothing, or a link that leads nowhere."""


@dataclass(frozen=True, slots=True)
class Directory:
    """An open directory. inode: which it is, whatever the path that led to it."""

    descriptor: int
    inode: int

    @classmethod
    def of(cls, descriptor: int) -> "Directory":
        return cls(descriptor, os.fstat(descriptor).st_ino)

    def close(self) -> None:
        os.close(self.descriptor)


class Place(Protocol):
    """A way to stay in. privileged: whether owners, devices and the kernel's own attributes can be set."""

    privileged: bool

    def open(self, path: bytes, flags: int) -> int:
        """Open what is at this path, following links as a process would whose root is the place."""
        ...


class Jailed:
    """This process's own root directory."""

    privileged = True

    def open(self, path: bytes, flags: int) -> int:
        return os.open(b"/" + path, flags | os.O_CLOEXEC)


class Beneath:
    """A directory somewhere in the file system."""

    privileged = False

    def __init__(self, path: Path) -> None:
        self._root = os.open(path, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)

    def open(self, path: bytes, flags: int) -> int:
        return open_inside(self._root, path, flags)

    def close(self) -> None:
        os.close(self._root)
