"""System calls that Python's `os` lacks, each under its kernel name: the one module that knows ctypes.

A function here is one call of libc and nothing more: it says in its docstring which page of the manual to read, and raises
OSError as `os` does. What to do with a call is decided by those above.
"""

import ctypes
import errno
import os
import struct
from pathlib import Path

libc = ctypes.CDLL(None, use_errno=True)

MS_RDONLY = 0x1
MS_BIND = 0x1000
MS_REC = 0x4000
MS_SLAVE = 0x80000
MNT_DETACH = 0x2
UMOUNT_NOFOLLOW = 0x8

CLONE_FS = 0x200
CLONE_NEWNS = 0x20000
CLONE_NEWNET = 0x40000000
CLONE_NEWUSER = 0x10000000

SYS_OPEN_TREE = 428
SYS_MOVE_MOUNT = 429
SYS_MOUNT_SETATTR = 442
AT_FDCWD = -100
RENAME_EXCHANGE = 0x2
AT_EMPTY_PATH = 0x1000
OPEN_TREE_CLONE = 0x1
MOVE_MOUNT_F_EMPTY_PATH = 0x4
MOUNT_ATTR_IDMAP = 0x100000

SYS_PIDFD_GETFD = 438

SYS_OPENAT2 = 437
RESOLVE_NO_MAGICLINKS = 0x02
RESOLVE_IN_ROOT = 0x10

PR_SET_PDEATHSIG = 1
PR_SET_NO_NEW_PRIVS = 38

LINUX_CAPABILITY_VERSION_3 = 0x20080522


def checked(result: int, path: str | bytes | os.PathLike[str] | None = None) -> int:
    """The result of a call, or OSError with the errno that it left behind."""
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), None if path is None else os.fsdecode(path))
    return result


def mount(source: str, target: Path, fstype: str, flags: int = 0, data: str = "") -> None:
    """mount(2). data: at most a page less one byte; the kernel cuts off what is longer, so it is refused here."""
    if len(data.encode()) >= os.sysconf("SC_PAGESIZE"):
        raise OSError(errno.E2BIG, "mount options are longer than a page", os.fspath(target))
    checked(libc.mount(source.encode(), bytes(target), fstype.encode(), ctypes.c_ulong(flags), data.encode()), target)


def umount2(target: Path, flags: int = 0) -> None:
    """umount2(2)."""
    checked(libc.umount2(bytes(target), flags), target)


def unshare(flags: int) -> None:
    """unshare(2), for the calling thread."""
    checked(libc.unshare(flags))


def setns(descriptor: int, kind: int) -> None:
    """setns(2), for the calling thread. kind: CLONE_NEW…; a user namespace is entered by a process of one thread only."""
    checked(libc.setns(descriptor, kind))


def setfsuid(uid: int) -> None:
    """setfsuid(2), for the calling thread: as whom it makes files. It takes the rights over files off the effective set."""
    libc.setfsuid(ctypes.c_uint32(uid))
    if libc.setfsuid(ctypes.c_uint32(-1)) != uid:  # the call itself never says no
        raise PermissionError(errno.EPERM, "setfsuid", str(uid))


def setfsgid(gid: int) -> None:
    """setfsgid(2), for the calling thread."""
    libc.setfsgid(ctypes.c_uint32(gid))
    if libc.setfsgid(ctypes.c_uint32(-1)) != gid:
        raise PermissionError(errno.EPERM, "setfsgid", str(gid))


def open_tree(path: Path) -> int:
    """open_tree(2), OPEN_TREE_CLONE: a descriptor of a copy of the mount, from this directory down, that is mounted nowhere."""
    flags = ctypes.c_uint(OPEN_TREE_CLONE | os.O_CLOEXEC)
    return checked(libc.syscall(ctypes.c_long(SYS_OPEN_TREE), AT_FDCWD, bytes(path), flags), path)


def move_mount(descriptor: int, target: Path) -> None:
    """move_mount(2): mount here what `open_tree` answered."""
    flags = ctypes.c_uint(MOVE_MOUNT_F_EMPTY_PATH)
    checked(libc.syscall(ctypes.c_long(SYS_MOVE_MOUNT), descriptor, b"", AT_FDCWD, bytes(target), flags), target)


def mount_setattr(descriptor: int, attributes: int, userns: int = 0) -> None:
    """mount_setattr(2), to set attributes of a mount. userns: a user namespace, whose mappings MOUNT_ATTR_IDMAP takes over."""
    how = struct.pack("=QQQQ", attributes, 0, 0, userns)
    flags = ctypes.c_uint(AT_EMPTY_PATH)
    checked(libc.syscall(ctypes.c_long(SYS_MOUNT_SETATTR), descriptor, b"", flags, how, ctypes.c_size_t(len(how))))


def renameat2(old: Path, new: Path, flags: int) -> None:
    """renameat2(2). ENOSYS too where the C library is older than the call (glibc before 2.28)."""
    if not hasattr(libc, "renameat2"):
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS), os.fspath(old))
    checked(libc.renameat2(AT_FDCWD, bytes(old), AT_FDCWD, bytes(new), ctypes.c_uint(flags)), old)


def syncfs(descriptor: int) -> None:
    """syncfs(2): all that was written to the file system of this descriptor is on the disk when it returns."""
    checked(libc.syncfs(descriptor))


def statfs_type(path: Path) -> int:
    """`f_type` of statfs(2): the magic number of the file system that holds the path. It is the structure's first word."""
    buffer = ctypes.create_string_buffer(256)
    checked(libc.statfs(bytes(path), buffer), path)
    return int.from_bytes(buffer.raw[: struct.calcsize("@l")], "little") & 0xFFFFFFFF


def openat2(directory: int, path: bytes, flags: int, mode: int = 0, resolve: int = 0) -> int:
    """openat2(2): open(2) that can be told how the path may be walked. ENOSYS before Linux 5.6."""
    how = struct.pack("=QQQ", flags | os.O_CLOEXEC, mode, resolve)
    return checked(libc.syscall(ctypes.c_long(SYS_OPENAT2), directory, path, how, ctypes.c_size_t(len(how))), path)


def pidfd_getfd(process: int, descriptor: int) -> int:
    """pidfd_getfd(2): a copy of another process's descriptor. process: what `os.pidfd_open` answered."""
    copy = checked(libc.syscall(ctypes.c_long(SYS_PIDFD_GETFD), process, descriptor, ctypes.c_uint(0)))
    os.set_inheritable(copy, False)
    return copy


def prctl(option: int, argument: int) -> None:
    """prctl(2), for options of one argument. The others must be zero, and are."""
    rest = [ctypes.c_ulong(value) for value in (argument, 0, 0, 0)]
    checked(libc.prctl(option, *rest))


def inotify_init1(flags: int) -> int:
    """inotify_init1(2): the descriptor of a new instance."""
    return checked(libc.inotify_init1(flags))


def inotify_add_watch(descriptor: int, path: Path, mask: int) -> int:
    """inotify_add_watch(2): the number of the watch; the same again for what is watched already."""
    return checked(libc.inotify_add_watch(descriptor, bytes(path), ctypes.c_uint32(mask)), path)


def inotify_rm_watch(descriptor: int, watch: int) -> None:
    """inotify_rm_watch(2)."""
    checked(libc.inotify_rm_watch(descriptor, watch))


def capset(mask: int) -> None:
    """capset(2): let the calling thread keep these capabilities (bits by number, capabilities(7)), permitted and effective."""
    header = struct.pack("=Ii", LINUX_CAPABILITY_VERSION_3, 0)
    low, high = mask & 0xFFFFFFFF, mask >> 32
    checked(libc.capset(header, struct.pack("=6I", low, low, 0, high, high, 0)))
