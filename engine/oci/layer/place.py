"""The directory that a layer is unpacked into, and the two ways to stay in it.

    jailed     the process has made it its root directory: the kernel keeps every path in, and root's rights may be used
    beneath    any process, any thread, no rights: each path is opened by `linux.safepath`, which keeps it in

All else is the same for both. What makes or changes a file is given an open directory and a name in it, never a path.
"""

import errno
import os
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from podlink.engine.linux import portable
from podlink.engine.linux.safepath import open_inside

FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
DEFAULT_LIST = "system.posix_acl_default"
"""The rights that new files in a directory begin with: acl(5)."""
ABSENT = (errno.ENOENT, errno.ENOTDIR, errno.ELOOP)
"""What opening a directory says when there is something else, or nothing, or a link that leads nowhere."""


@dataclass(frozen=True, slots=True)
class Directory:
    """An open directory. inode: which it is, whatever the path that led to it.

    plain: what is made in it is root's, and has the very mode that it is made with: no group is handed on, and no list of rights.
    """

    descriptor: int
    inode: int
    plain: bool = False

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

    def look(self, descriptor: int) -> Directory:
        """An open directory, before something is made in it."""
        ...


class Jailed:
    """This process's own root directory. Its umask is 0."""

    privileged = True

    def open(self, path: bytes, flags: int) -> int:
        return os.open(b"/" + path, flags | os.O_CLOEXEC)

    def look(self, descriptor: int) -> Directory:
        status = os.fstat(descriptor)
        hands_on = status.st_gid != 0 or status.st_mode & stat.S_ISGID or DEFAULT_LIST in os.listxattr(descriptor)
        return Directory(descriptor, status.st_ino, plain=not hands_on)


class Beneath:
    """A directory somewhere in the file system."""

    privileged = False

    def __init__(self, path: Path) -> None:
        self._root = os.open(path, portable.THROUGH)

    def open(self, path: bytes, flags: int) -> int:
        return open_inside(self._root, path, flags)

    def look(self, descriptor: int) -> Directory:
        return Directory.of(descriptor)

    def close(self) -> None:
        os.close(self._root)
