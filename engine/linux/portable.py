"""What emulated containers need of a system that may not be Linux: the one place that knows what else there is.

    needed                          Linux                     elsewhere (macOS)
    ──────────────────────────────  ────────────────────────  ─────────────────────────────────────────────
    a directory, to walk through    O_PATH                    O_RDONLY
    a look before a file is opened  O_PATH                    O_NONBLOCK: a FIFO does not wait
    paths that stay in a tree       openat2(2)                `safepath.walk`, a component at a time
    the path of what is open        /proc/self/fd             fcntl(2), F_GETPATH
    a whole layer on the disk       syncfs(2)                 sync(2), which may return before it is
    what inodes are stamped by      CLOCK_REALTIME_COARSE     CLOCK_REALTIME
    extended attributes             listxattr(2) …            none: Python has no such calls
    bytes moved by the kernel       copy_file_range(2)        read and written
    room on the disk                posix_fallocate(3)        zeros, written
    a file that has no name yet     O_TMPFILE, linkat(2)      none
    two that change names           renameat2(2)              none
    a FIFO in an open directory     mkfifoat(3)               by path, where Python has it so (before macOS 13)
    root's rights for a layer       `oci.layer.jail`          none: unpacked as by any user
    mounts                          /proc/self/mountinfo      none of ours

Packets between processes (SOCK_SEQPACKET) and abstract names (`unix:@name`) have no other form: who asks for them is refused.
"""

import errno
import fcntl
import os
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

from podlink.engine.linux import syscalls

LINUX = sys.platform == "linux"
THROUGH = getattr(os, "O_PATH", os.O_RDONLY) | os.O_DIRECTORY | os.O_CLOEXEC
"""Flags for a directory that paths start from, or go through."""
LOOK = getattr(os, "O_PATH", os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY) | os.O_CLOEXEC
"""Flags to find out what something is."""
NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT})
"""What a disk answers that takes nothing more: it is full, or what its owner is allowed is used up."""
F_GETPATH = 50
"""fcntl(2) of macOS."""
MAXPATHLEN = 1024
CLOCK_REALTIME_COARSE = 5
"""clock_gettime(2): it moves in ticks."""


def way_to(descriptor: int) -> str:
    """A path by which this very file or directory is reached, for as long as it is open. On macOS: until it is moved."""
    return f"/proc/self/fd/{descriptor}" if LINUX else os.fsdecode(path_of(descriptor))


def path_of(descriptor: int) -> bytes:
    """Where the file or directory is now, without links."""
    if LINUX:
        return os.readlink(os.fsencode(way_to(descriptor)))  # noqa: PTH115 (bytes)
    return fcntl.fcntl(descriptor, F_GETPATH, bytes(MAXPATHLEN)).partition(b"\0")[0]


def reading(looked_at: int) -> BinaryIO:
    """To read the file that was opened with LOOK, which stays open."""
    return os.fdopen(os.open(way_to(looked_at), os.O_RDONLY | os.O_CLOEXEC) if LINUX else os.dup(looked_at), "rb")


def sync(descriptor: int) -> None:
    """All that was written to the file system of this descriptor is on the disk when it returns. macOS may only have begun."""
    if LINUX:
        syscalls.syncfs(descriptor)
    else:
        os.sync()


def allocate(descriptor: int, size: int) -> None:
    """Have a file own so many bytes of its disk; what is in it stays, if nobody else writes now. Raises OSError: no room."""
    if LINUX:
        os.posix_fallocate(descriptor, 0, size)
        return
    end = os.fstat(descriptor).st_size
    while end < size:
        end += os.pwrite(descriptor, bytes(size - end), end)


def nameless(folder: Path) -> int | None:
    """A new file without a name, to write and read, gone with whoever opened it; None where the file system has no such files."""
    if not LINUX:
        return None
    try:
        return os.open(folder, os.O_TMPFILE | os.O_RDWR | os.O_CLOEXEC, 0o600)
    except OSError as error:
        if error.errno not in (errno.EOPNOTSUPP, errno.EISDIR, errno.ENOENT, errno.EINVAL):
            raise
        return None


def give_name(descriptor: int, path: Path) -> None:
    """A name for a file that has none: linkat(2), AT_SYMLINK_FOLLOW. Raises FileExistsError for a name that is taken."""
    folder = os.open(path.parent, THROUGH)
    try:
        os.link(way_to(descriptor), path.name, dst_dir_fd=folder)  # link(2), without a directory, would not follow
    finally:
        os.close(folder)


def exchanged(one: Path, other: Path) -> bool:
    """Have the two change names in one step; whether they did: there may be no other, or no such step on this file system."""
    if not LINUX:
        return False
    try:
        syscalls.renameat2(one, other, syscalls.RENAME_EXCHANGE)
    except OSError as error:
        if error.errno not in (errno.ENOENT, errno.EINVAL, errno.ENOSYS):
            raise
        return False
    return True


def stamp() -> int:
    """The time that an inode which is changed now gets, in nanoseconds since the epoch."""
    return time.clock_gettime_ns(CLOCK_REALTIME_COARSE) if LINUX else time.time_ns()


def attributes(file: int | str | bytes) -> dict[str, bytes]:
    """The extended attributes of an open file, or of what has this path, itself where it is a link: xattr(7)."""
    found: dict[str, bytes] = {}
    if LINUX:
        follow = isinstance(file, int)
        with suppress(OSError):  # a file system that has none
            for name in os.listxattr(file, follow_symlinks=follow):
                with suppress(OSError):  # taken away since
                    found[name] = os.getxattr(file, name, follow_symlinks=follow)
    return found


def attribute(file: int | bytes, name: str) -> bytes | None:
    """One of them; None where there is none of that name."""
    if LINUX:
        with suppress(OSError):
            return os.getxattr(file, name, follow_symlinks=isinstance(file, int))
    return None


def set_attribute(file: int | bytes, name: str, value: bytes) -> None:
    """The same way. Raises OSError; elsewhere it is passed over."""
    if LINUX:
        os.setxattr(file, name, value, follow_symlinks=isinstance(file, int))


def moved(reader: int, writer: int, size: int, start: int) -> int:
    """How many bytes the kernel has copied by itself, to the same place; 0: none, elsewhere. Raises OSError where it can't."""
    return os.copy_file_range(reader, writer, size, start, start) if LINUX else 0


def make_fifo(name: bytes, mode: int, directory: int) -> None:
    """A FIFO in an open directory: mkfifo(3)."""
    try:
        os.mkfifo(name, mode, dir_fd=directory)
    except NotImplementedError:
        os.mkfifo(path_of(directory) + b"/" + name, mode)
