"""A tree copied as it is: names of the same file stay names of the same file, holes stay holes, times and attributes are kept.

Bytes are shared where the file system can (FICLONE, on btrfs and xfs), else moved by the kernel (copy_file_range(2)), else read
and written. Without root, attributes that are the kernel's and device nodes are not kept, and owners only where an attribute says
them (`oci.layer.ownership`).
"""

import errno
import fcntl
import os
import stat
from contextlib import suppress
from pathlib import Path

from podlink.engine.linux import portable, trees
from podlink.engine.oci.layer.owners import Owners

FICLONE = 0x40049409
"""ioctl_ficlone(2)"""
READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC
PIECE = 2**20
CREATE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC


def copy_tree(source: Path, target: Path, owners: Owners | None = None) -> None:
    """Fill the empty directory `target` with a copy of what is in `source`, and make it look the same itself.

    owners: whom the copy is given to, in place of those who have the source.
    """
    privileged = os.geteuid() == 0
    into = os.fsencode(target)
    names: dict[tuple[int, int], bytes] = {}
    directories = [(into, source.stat(), os.fsencode(source))]
    for path, entry in trees.walk(source, whole=True):
        copy, status = into + b"/" + path, entry.stat(follow_symlinks=False)
        first = names.setdefault((status.st_dev, status.st_ino), copy) if status.st_nlink > 1 else copy
        if stat.S_ISDIR(status.st_mode):
            os.mkdir(copy, 0o700)
            directories.append((copy, status, entry.path))
        elif first != copy:
            with suppress(FileNotFoundError):  # a device that could not be made has no second name either
                os.link(first, copy, follow_symlinks=False)
        elif _make(entry.path, copy, status, privileged):
            _dress(entry.path, copy, status, privileged, owners)
    for copy, status, path in reversed(directories):  # members first: making them changes a directory's time
        _dress(path, copy, status, privileged, owners)


def _make(source: bytes, copy: bytes, status: os.stat_result, privileged: bool) -> bool:
    """A file of the same kind with the same contents; whether one could be made."""
    if stat.S_ISREG(status.st_mode):
        _copy_file(source, copy, status.st_size)
    elif stat.S_ISLNK(status.st_mode):
        os.symlink(os.readlink(source), copy)
    elif stat.S_ISFIFO(status.st_mode):
        os.mkfifo(copy, 0o600)
    elif privileged or (stat.S_ISSOCK(status.st_mode) and portable.LINUX):  # elsewhere root alone makes sockets by mknod(2)
        os.mknod(copy, stat.S_IFMT(status.st_mode) | 0o600, status.st_rdev)
    else:
        return False
    return True


def _copy_file(source: bytes, copy: bytes, size: int) -> None:
    reader = os.open(source, READ)
    try:
        writer = os.open(copy, CREATE, 0o600)
        try:
            try:
                fcntl.ioctl(writer, FICLONE, reader)
            except OSError:
                _copy_data(reader, writer, size)
        finally:
            os.close(writer)
    finally:
        os.close(reader)


def _copy_data(reader: int, writer: int, size: int) -> None:
    """Copy what is between the holes: lseek(2), SEEK_DATA."""
    os.ftruncate(writer, size)
    end = 0
    while end < size:
        try:
            start = os.lseek(reader, end, os.SEEK_DATA)
        except OSError as error:
            if error.errno == errno.ENXIO:  # nothing but a hole up to the end
                return
            raise
        end = os.lseek(reader, start, os.SEEK_HOLE)
        while start < end:
            start += _moved(reader, writer, start, end - start)


def _moved(reader: int, writer: int, start: int, size: int) -> int:
    """Copy some bytes, and say how many. Between two file systems the kernel may not do it by itself: EXDEV."""
    try:
        if moved := portable.moved(reader, writer, size, start):
            return moved
    except OSError as error:
        if error.errno not in (errno.EXDEV, errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP):
            raise
    return os.pwrite(writer, os.pread(reader, min(size, PIECE), start), start)


def _dress(source: bytes, copy: bytes, status: os.stat_result, privileged: bool, owners: Owners | None) -> None:
    """Owner, attributes, mode, time, in the order that lets each of them last."""
    if privileged:
        uid, gid = owners.outside(status.st_uid, status.st_gid) if owners else (status.st_uid, status.st_gid)
        os.chown(copy, uid, gid, follow_symlinks=False)
    attributes = portable.attributes(source)
    for name, value in (owners.attributes_outside(attributes) if owners else attributes).items():
        if privileged or name.startswith("user."):
            portable.set_attribute(copy, name, value)
    if not stat.S_ISLNK(status.st_mode):
        os.chmod(copy, stat.S_IMODE(status.st_mode))
    os.utime(copy, ns=(status.st_atime_ns, status.st_mtime_ns), follow_symlinks=False)
