"""A directory tree as a tar stream (OCI image-spec, layer.md): its members in the order of their directories.

The tree may be a running container's, and its processes may exchange a directory for a link at any moment. So nothing is opened
by a path: each directory is opened from the one above it and never through a link, and so are files.

A socket is left out: it means nothing without the process that made it.
"""

import errno
import os
import stat
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

from podlink.engine.linux import portable
from podlink.engine.linux.trees import DIRECTORY, GONE, folders, open_folder
from podlink.engine.oci.layer.encode import END, encode, padding
from podlink.engine.oci.layer.entry import Entry, Kind
from podlink.engine.oci.layer.owners import Owners
from podlink.engine.oci.layer.ownership import ATTRIBUTE, owner_of
from podlink.engine.oci.layer.whiteouts import PREFIX

FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
PIECE = 1 << 20
KINDS = {
    stat.S_IFREG: Kind.FILE,
    stat.S_IFDIR: Kind.DIRECTORY,
    stat.S_IFLNK: Kind.SYMLINK,
    stat.S_IFCHR: Kind.CHARACTER,
    stat.S_IFBLK: Kind.BLOCK,
    stat.S_IFIFO: Kind.FIFO,
}
DEVICES = (Kind.CHARACTER, Kind.BLOCK)
NOT_THE_FILES = ("trusted.overlay.", "user.overlay.", "security.selinux")
"""Attributes that are the union's books, and the host's label: not the files' own."""


class Writer:
    """Writes members; `close` writes the end mark. cancelled: asked before each piece; what it raises ends the writing.

    holes: keep them, as GNU tar does. Layers have none (layer.md: sparse files "lack consistent support across tar
    implementations"), there a hole is so many zeros. owners: how to read those of the tree.
    """

    def __init__(
        self,
        root: Path,
        target: BinaryIO,
        cancelled: Callable[[], None] = lambda: None,
        *,
        holes: bool = False,
        owners: Owners | None = None,
    ) -> None:
        self._root = root
        self._top = os.open(root, DIRECTORY)
        self._target = target
        self._cancelled = cancelled
        self._holes = holes
        self._owners = owners
        self._names: dict[tuple[int, int], bytes] = {}
        self._pending: list[bytes] = []
        self._size = 0

    def finish(self) -> None:
        """Write the end mark."""
        self._put(END)
        self._flush()

    def close(self) -> None:
        """Let go of the tree."""
        os.close(self._top)

    def whole(self) -> None:
        """The root and every member of the tree, a directory's all together: GNU tar sets its time as soon as others come."""
        for folder in folders(self._root):
            self._add(folder.path, folder.descriptor, ".")
            for entry in folder.entries:
                if not entry.is_dir(follow_symlinks=False):
                    self._add(folder.inner(entry.name), folder.descriptor, entry.name)

    def some(self, paths: Iterable[str]) -> None:
        """These members (from `/`, which is the root), each with what is known of itself and without what is in it."""
        for path in paths:
            above, _, name = path.strip("/").rpartition("/")
            with _going():
                folder = open_folder(self._top, above)
                try:
                    self._add(path.strip("/"), folder, name or ".")
                finally:
                    os.close(folder)

    def whiteout(self, path: str) -> None:
        """A mark that the layers below have this and it is gone (layer.md, "Whiteouts")."""
        above, slash, name = os.fsencode(path.strip("/")).rpartition(b"/")
        self._put(encode(Entry(name=above + slash + PREFIX + name, kind=Kind.FILE, mode=0o600, uid=0, gid=0, mtime=0)))

    def _add(self, path: str, folder: int, name: str) -> None:
        """One member; nothing where it went away just now."""
        self._cancelled()
        with _going():
            status = os.lstat(name, dir_fd=folder)
            if stat.S_ISREG(status.st_mode):
                file = os.open(name, FILE, dir_fd=folder)
                try:
                    self._add_file(os.fsencode(path), file)
                finally:
                    os.close(file)
            elif (kind := KINDS.get(stat.S_IFMT(status.st_mode))) and not self._linked(os.fsencode(path), status):
                link = os.fsencode(os.readlink(name, dir_fd=folder)) if kind is Kind.SYMLINK else b""
                device = (os.major(status.st_rdev), os.minor(status.st_rdev)) if kind in DEVICES else (0, 0)
                attributes = attributes_of(f"{portable.way_to(folder)}/{name}")
                self._put(encode(self._entry(os.fsencode(path), kind, status, attributes, link=link, device=device)))

    def _add_file(self, path: bytes, file: int) -> None:
        status = os.fstat(file)
        if not stat.S_ISREG(status.st_mode) or self._linked(path, status):
            return
        segments = _segments(file, status) if self._holes else None
        self._put(encode(self._entry(path, Kind.FILE, status, attributes_of(file), size=status.st_size, segments=segments)))
        stored = 0
        for offset, length in ((0, status.st_size),) if segments is None else segments:
            stored += length
            self._copy(file, offset, length)
        self._put(padding(stored))

    def _copy(self, file: int, offset: int, length: int) -> None:
        """Just so many bytes, whatever becomes of the file while it is read: cut off, or filled up with zeros."""
        while length:
            wanted = min(length, PIECE)
            data = os.pread(file, wanted, offset) or bytes(wanted)
            self._put(data)
            offset, length = offset + len(data), length - len(data)
            if length:
                self._cancelled()

    def _linked(self, path: bytes, status: os.stat_result) -> bool:
        """Whether this is one more name of a member that was written, and was written as that."""
        if status.st_nlink < 2 or stat.S_ISDIR(status.st_mode):
            return False
        first = self._names.setdefault((status.st_dev, status.st_ino), path)
        if first == path:
            return False
        self._put(encode(self._entry(path, Kind.HARD_LINK, status, {}, link=first)))
        return True

    def _entry(self, path: bytes, kind: Kind, status: os.stat_result, attributes: dict[str, bytes], **more: Any) -> Entry:
        uid, gid = owner_of(status, attributes)
        attributes.pop(ATTRIBUTE, None)
        if self._owners:
            (uid, gid), attributes = self._owners.inside(uid, gid), self._owners.attributes_inside(attributes)
        mode, mtime = stat.S_IMODE(status.st_mode), status.st_mtime_ns
        return Entry(name=path, kind=kind, mode=mode, uid=uid, gid=gid, mtime=mtime, xattrs=attributes, **more)

    def _put(self, data: bytes) -> None:
        """Small pieces are gathered: a system call for each would cost more than the rest."""
        self._pending.append(data)
        self._size += len(data)
        if self._size >= PIECE:
            self._flush()

    def _flush(self) -> None:
        self._target.write(b"".join(self._pending))
        self._pending.clear()
        self._size = 0


@contextmanager
def _going() -> Iterator[None]:
    """What is gone is left out; any other trouble is told, above all that of the disk that is written to."""
    try:
        yield
    except OSError as error:
        if error.errno not in GONE:
            raise


def _segments(file: int, status: os.stat_result) -> tuple[tuple[int, int], ...] | None:
    """Where the data is between the holes (lseek(2), SEEK_DATA); None for a file without any."""
    if status.st_blocks * 512 >= status.st_size:
        return None
    found, end = [], 0
    while end < status.st_size:
        try:
            start = os.lseek(file, end, os.SEEK_DATA)
        except OSError as error:
            if error.errno == errno.ENXIO:  # a hole up to the end
                break
            raise
        end = min(os.lseek(file, start, os.SEEK_HOLE), status.st_size)
        if start < end:
            found.append((start, end - start))
    if found == [(0, status.st_size)]:
        return None
    return tuple(found) if end == status.st_size and found else (*found, (status.st_size, 0))  # its end is said, as GNU tar does


def attributes_of(file: int | str | bytes) -> dict[str, bytes]:
    """The extended attributes that are the file's own: of an open file, or of what has this path, itself where it is a link."""
    return {name: value for name, value in portable.attributes(file).items() if not name.startswith(NOT_THE_FILES)}
