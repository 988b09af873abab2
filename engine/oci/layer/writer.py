"""A directory tree as a tar stream (OCI image-spec, layer.md): PAX headers, in the order of the paths.

The tree may be a running container's, and its processes may exchange a directory for a link at any moment. So nothing is opened
by a path: each directory is opened from the one above it and never through a link, and so are files.

What a PAX header carries that a plain one can't: nanoseconds, attributes (`SCHILY.xattr.`), long and odd names, large IDs.
A socket is left out: it means nothing without the process that made it.
"""

import errno
import os
import stat
import tarfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO, Protocol

FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
WHITEOUT = ".wh."
OWN_ATTRIBUTES = ("trusted.overlay.", "user.overlay.", "security.selinux")
"""The union's books, and the host's label: not the files' own."""
GONE = frozenset({errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.ENXIO})
"""What opening says of what went away, or became something else, since its folder was read."""


class Target(Protocol):
    """What a tar is written to."""

    def write(self, data: bytes, /) -> int: ...


class Writer:
    """Writes members; `close` writes the end mark. cancelled: asked now and then; what it raises ends the writing."""

    def __init__(self, root: Path, target: BinaryIO, cancelled: Callable[[], None] = lambda: None) -> None:
        self._root = os.open(root, FOLDER)
        self._tar = tarfile.open(fileobj=target, mode="w|", format=tarfile.PAX_FORMAT, bufsize=1 << 20)
        self._names: dict[tuple[int, int], str] = {}
        self._cancelled = cancelled

    def close(self) -> None:
        """Finish the archive."""
        self._tar.close()
        os.close(self._root)

    def whole(self) -> None:
        """Every member of the tree."""
        for name, folder, entry in self._walk():
            self._add(name, folder, entry)

    def some(self, paths: Iterable[str]) -> None:
        """These members (from `/`), each with what is known of itself and without what is in it."""
        for path in paths:
            *parts, last = path.strip("/").split("/")
            with _going():
                folder = self._open(parts)
                try:
                    self._add(path.strip("/"), folder, last)
                finally:
                    os.close(folder)

    def whiteout(self, path: str) -> None:
        """A mark that the layers below have this and it is gone (layer.md, "Whiteouts")."""
        folder, _, name = path.strip("/").rpartition("/")
        info = tarfile.TarInfo(f"{folder}/{WHITEOUT}{name}" if folder else WHITEOUT + name)
        info.mode = 0o600
        self._tar.addfile(info)

    def _open(self, parts: list[str]) -> int:
        """A directory of the tree, by one step after the other."""
        current = os.dup(self._root)
        for part in parts:
            try:
                below = os.open(part, FOLDER, dir_fd=current)
            finally:
                os.close(current)
            current = below
        return current

    def _walk(self) -> Iterator[tuple[str, int, str]]:
        """Name in the archive, open directory, name in it; a directory before its members, siblings in order."""
        stack = [("", os.dup(self._root), iter(sorted(os.listdir(self._root))))]
        try:
            while stack:
                prefix, folder, names = stack[-1]
                name = next(names, None)
                if name is None:
                    os.close(stack.pop()[1])
                    continue
                yield prefix + name, folder, name
                with _going():  # it may be no directory, or gone since
                    inner = os.open(name, FOLDER, dir_fd=folder)
                    stack.append((prefix + name + "/", inner, iter(sorted(os.listdir(inner)))))
        finally:
            for _, folder, _ in stack:
                os.close(folder)

    def _add(self, name: str, folder: int, entry: str) -> None:
        """One member; nothing where it went away just now."""
        self._cancelled()
        with _going():
            status = os.lstat(entry, dir_fd=folder)
            file = os.open(entry, FILE, dir_fd=folder) if stat.S_ISREG(status.st_mode) else -1
            self._add_known(name, folder, entry, status, file)

    def _add_known(self, name: str, folder: int, entry: str, status: os.stat_result, file: int) -> None:
        try:
            status = os.fstat(file) if file >= 0 else status
            if stat.S_ISSOCK(status.st_mode):
                return
            info = self._described(name, status, folder, entry)
            if info.type == tarfile.REGTYPE and file >= 0:
                self._tar.addfile(info, _Exactly(file, info.size))
            else:
                self._tar.addfile(info)
        finally:
            if file >= 0:
                os.close(file)

    def _described(self, name: str, status: os.stat_result, folder: int, entry: str) -> tarfile.TarInfo:
        info = tarfile.TarInfo(name)
        info.mode, info.uid, info.gid = stat.S_IMODE(status.st_mode), status.st_uid, status.st_gid
        seconds, fraction = divmod(status.st_mtime_ns, 10**9)
        info.mtime = seconds
        records = {"mtime": f"{seconds}.{fraction:09}"} if fraction else {}
        key = (status.st_dev, status.st_ino)
        if not stat.S_ISDIR(status.st_mode) and status.st_nlink > 1 and key in self._names:
            info.type, info.linkname, info.pax_headers = tarfile.LNKTYPE, self._names[key], records
            return info
        self._names.setdefault(key, name)
        info.type = TYPES[stat.S_IFMT(status.st_mode)]
        if info.type == tarfile.SYMTYPE:
            info.linkname = os.readlink(entry, dir_fd=folder)
        elif info.type == tarfile.REGTYPE:
            info.size = status.st_size
        elif info.type in (tarfile.CHRTYPE, tarfile.BLKTYPE):
            info.devmajor, info.devminor = os.major(status.st_rdev), os.minor(status.st_rdev)
        if info.type in (tarfile.REGTYPE, tarfile.DIRTYPE):
            records |= _attributes(folder, entry)
        info.pax_headers = records
        return info


TYPES = {
    stat.S_IFREG: tarfile.REGTYPE,
    stat.S_IFDIR: tarfile.DIRTYPE,
    stat.S_IFLNK: tarfile.SYMTYPE,
    stat.S_IFCHR: tarfile.CHRTYPE,
    stat.S_IFBLK: tarfile.BLKTYPE,
    stat.S_IFIFO: tarfile.FIFOTYPE,
}


@contextmanager
def _going() -> Iterator[None]:
    """What is gone is left out; any other trouble is told, above all that of the disk that is written to."""
    try:
        yield
    except OSError as error:
        if error.errno not in GONE:
            raise


class _Exactly:
    """A file of just so many bytes, whatever becomes of it while it is read: cut off, or filled up with zeros."""

    def __init__(self, file: int, size: int) -> None:
        self._file, self._left = file, size

    def read(self, size: int = -1) -> bytes:
        wanted = self._left if size < 0 else min(size, self._left)
        data = os.read(self._file, wanted) if wanted else b""
        data = data or bytes(wanted)
        self._left -= len(data)
        return data if len(data) == wanted else data + self.read(wanted - len(data))


def _attributes(folder: int, entry: str) -> dict[str, str]:
    """The extended attributes of a file or directory, as PAX records have them."""
    path = f"/proc/self/fd/{folder}/{entry}"
    found = {}
    with suppress(OSError):
        for name in os.listxattr(path, follow_symlinks=False):
            if not name.startswith(OWN_ATTRIBUTES):
                value = os.getxattr(path, name, follow_symlinks=False)
                found[f"SCHILY.xattr.{name}"] = value.decode("utf-8", "surrogateescape")
    return found
