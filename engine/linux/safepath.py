"""Paths inside a hostile tree: opened as a process whose root directory is that tree would open them, and never outside it.

    tree/etc/passwd -> /data/passwd          means tree/data/passwd
    tree/etc/passwd -> ../../../etc/passwd   means tree/etc/passwd: above the root there is the root

The kernel does it by itself (openat2(2), RESOLVE_IN_ROOT, Linux 5.6), even while somebody exchanges directories for links. Where
it can't, the same walk is made here, a component at a time, with no link followed by the kernel: path_resolution(7).
"""

import errno
import os
import stat
from collections.abc import Callable
from functools import cache
from pathlib import Path

from podlink.engine.errors import ErrorOccurred
from podlink.engine.linux import portable, syscalls

LINKS = 40
"""As many as the kernel follows in one path."""
NO_FILE = frozenset({errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.ENXIO, errno.EOPNOTSUPP})
"""What opening says of nothing, and of a socket."""
ATTEMPTS = 128
"""openat2(2) gives EAGAIN where a rename anywhere came between; under load that happens, and not so often in a row."""
WALK = syscalls.RESOLVE_IN_ROOT | syscalls.RESOLVE_NO_MAGICLINKS
Opener = Callable[[int, bytes, int], int]


def open_inside(root: int, path: bytes, flags: int) -> int:
    """Open a path below the directory `root`. No file is made: that is for the caller to do in the directory he gets."""
    return best_opener()(root, path, flags | os.O_CLOEXEC)


@cache
def best_opener() -> Opener:
    """What this kernel can do, found by trying. Some sandboxes answer EPERM for what they don't know."""
    if not portable.LINUX:
        return walk
    try:
        os.close(syscalls.openat2(-100, b"/", os.O_PATH, 0, WALK))  # AT_FDCWD
    except OSError:
        return walk
    return resolve


def resolve(root: int, path: bytes, flags: int) -> int:
    """openat2(2)."""
    for _ in range(ATTEMPTS):
        try:
            return syscalls.openat2(root, path or b".", flags, 0, WALK)
        except BlockingIOError:
            continue
    raise OSError(errno.EAGAIN, os.strerror(errno.EAGAIN), os.fsdecode(path))


def walk(root: int, path: bytes, flags: int) -> int:
    """The same by hand. `..` goes back to the directory that we came through, whatever the kernel has as its parent now."""
    came_through, links = [os.dup(root)], 0
    todo = parts(path)[::-1]
    try:
        while todo:
            part = todo.pop()
            if part == b"..":
                if len(came_through) > 1:
                    os.close(came_through.pop())
                continue
            if not todo and flags & os.O_NOFOLLOW:
                return os.open(part, flags, dir_fd=came_through[-1])
            mode = os.stat(part, dir_fd=came_through[-1], follow_symlinks=False).st_mode
            if stat.S_ISLNK(mode):
                links += 1
                if links > LINKS:
                    raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), os.fsdecode(path))
                text = os.readlink(part, dir_fd=came_through[-1])
                _close(came_through, 1 if text.startswith(b"/") else len(came_through))
                todo += parts(text)[::-1]
            elif stat.S_ISDIR(mode):
                came_through.append(os.open(part, portable.THROUGH | os.O_NOFOLLOW, dir_fd=came_through[-1]))
            elif todo:
                raise OSError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), os.fsdecode(path))
            else:
                return os.open(part, flags | os.O_NOFOLLOW, dir_fd=came_through[-1])
        return os.open(b".", flags, dir_fd=came_through[-1])
    finally:
        _close(came_through, 0)


def parts(path: bytes) -> list[bytes]:
    """The components that lead somewhere: without empty ones and dots. `..` stays."""
    return [part for part in path.split(b"/") if part not in (b"", b".")]


def _close(descriptors: list[int], keep: int) -> None:
    while len(descriptors) > keep:
        os.close(descriptors.pop())


def read_inside(root: Path, path: str, limit: int) -> bytes | None:
    """A regular file of a hostile tree; None where it has none at this path. Raises ErrorOccurred where it is over `limit` bytes.

    What is there is looked at before it is read: a device or a FIFO of that name is never touched (on Linux), or never read.
    """
    directory = os.open(root, portable.THROUGH)
    try:
        found = open_inside(directory, os.fsencode(path), portable.LOOK)
    except OSError as error:
        if error.errno in NO_FILE:
            return None
        raise
    finally:
        os.close(directory)
    try:
        if not stat.S_ISREG(os.fstat(found).st_mode):
            return None
        with portable.reading(found) as file:  # this very file, whatever its path leads to by now
            content = file.read(limit + 1)
    finally:
        os.close(found)
    if len(content) > limit:
        raise ErrorOccurred(f"{path}: longer than {limit} bytes")
    return content
