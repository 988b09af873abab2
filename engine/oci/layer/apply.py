"""Entries become files. One code path for root in his jail and for a user without rights; see `place` for the difference.

    the order in which a file is made          why
    create exclusively, write                  never into what was there before: a link, a device, another name of the same file
    owner                                      chown(2) takes the set-user-ID bits and security.capability away
    attributes                                 a file that is read-only for its owner takes none any more
    mode, time                                 last; of a directory the time comes at the very end, when its members are there

Without rights there are no devices or kernel's attributes: they are passed over; owners are noted (`ownership`), and modes keep
`u+r` (directories `u+rwx`), so that the tree can be copied and removed again.
"""

import errno
import os
import stat
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import BinaryIO, TypeVar

from podlink.engine.config import Limits
from podlink.engine.errors import InvalidArchive, StorageFailed
from podlink.engine.linux import portable, trees
from podlink.engine.oci.layer import ownership
from podlink.engine.oci.layer.archive import Archive
from podlink.engine.oci.layer.entry import Data, Entry, Kind, shown
from podlink.engine.oci.layer.hiding import Hiding
from podlink.engine.oci.layer.place import ABSENT, FOLDER, Directory, Place
from podlink.engine.oci.layer.whiteouts import hidden_by

Made = TypeVar("Made")
CREATE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
HOST_ERRORS = frozenset({*portable.NO_ROOM, errno.EIO, errno.EROFS, errno.ENOMEM, errno.EMFILE, errno.ENFILE})
"""What is the fault of this host, not of the layer."""
DEVICES = {Kind.CHARACTER: stat.S_IFCHR, Kind.BLOCK: stat.S_IFBLK}
SPECIAL = stat.S_ISUID | stat.S_ISGID | stat.S_ISVTX
"""What the kernel may take away from a mode as it makes a file or directory, or as it is written to."""
NOWHERE = Directory(-1, -1)
OWN_ATTRIBUTES = ("trusted.overlay.", "user.overlay.")
"""How overlayfs keeps its books; a layer that brings its own would lead it to other layers' files."""
KERNEL_ATTRIBUTES = ("security.capability", "system.posix_acl_access", "system.posix_acl_default")
"""Any other (security.selinux, security.ima, trusted.…) is the host's to set, and is passed over."""


@dataclass(frozen=True, slots=True)
class Filled:
    """entries: members of the tar. size: bytes of its files that are there in the end. implied: directories that it goes through
    and does not describe, b"" for the root.
    """

    entries: int
    size: int
    implied: tuple[bytes, ...] = ()


class Unpacker:
    """Applies a layer's entries, one by one, to a place.

    size: bytes of the files that are there, holes counted, a file of several names once. names: bytes of all names.
    gone_through: directories that had to be made for entries below them; implied: those of them that no entry has described, by
    inode.
    """

    def __init__(self, place: Place, hiding: Hiding) -> None:
        self.size = 0
        self.names = 0
        self.gone_through = 0
        self.implied: dict[int, bytes] = {}
        self._place = place
        self._hiding = hiding
        self._times: dict[bytes, int] = {}
        self._passed_over: set[bytes] = set()
        self._borrowed: set[int] = set()
        """Inodes of the layers below that the layer only gives another name."""
        self._root_is_described = False
        self._has_replaced = False
        """Whether something was removed. From then on a new directory may have the inode of one that is gone."""
        self._path: bytes | None = None
        self._directory = NOWHERE

    def apply(self, entry: Entry, data: Data) -> None:
        """Make what the entry says. Raises InvalidArchive or StorageFailed, with its name."""
        self.names += len(entry.name)
        try:
            hidden = hidden_by(entry.name)
            above, _, name = entry.name.rpartition(b"/")
            parent = self._directory if above == self._path else self._folder(above)
            if hidden is not None:
                self._hide(parent, hidden)
            elif name:
                self._put(parent, name, entry, data)
                self._hiding.brought(parent, name)
            else:
                self._put_root(entry)
        except OSError as error:
            reason = f"entry {shown(entry.name)}: {(error.strerror or str(error)).lower()}"
            raise (StorageFailed(reason) if error.errno in HOST_ERRORS else InvalidArchive(reason)) from error

    def finish(self) -> None:
        """Set the times of the directories; to be called once, after the last entry."""
        for path, mtime in self._times.items():
            try:
                descriptor = self._place.open(path, FOLDER | os.O_NOFOLLOW)
            except OSError as error:
                if error.errno in ABSENT:  # removed or replaced by a later entry
                    continue
                raise StorageFailed(f"directory {shown(path)}: {(error.strerror or '').lower()}") from error
            os.utime(descriptor, ns=(mtime, mtime))
            os.close(descriptor)
        self._forget()

    def _folder(self, path: bytes) -> Directory:
        """The directory at this path, made where it is missing. The last one stays open: most entries follow their siblings."""
        self._forget()
        try:
            descriptor = self._place.open(path, FOLDER)
        except OSError as error:
            if error.errno not in ABSENT:
                raise
            descriptor = self._make_folders(path)
        self._directory, self._path = self._place.look(descriptor), path
        return self._directory

    def _forget(self) -> None:
        self._path = None
        if self._directory is not NOWHERE:
            self._directory.close()
            self._directory = NOWHERE

    def _make_folders(self, path: bytes) -> int:
        """Each directory on the way that is missing. What stands in the way is replaced: the later entry wins."""
        parts = path.split(b"/")
        current = self._place.open(b"", FOLDER)
        for depth, part in enumerate(parts, start=1):
            above = Directory.of(current)
            try:
                try:
                    current = self._place.open(b"/".join(parts[:depth]), FOLDER)
                except OSError as error:
                    if error.errno not in ABSENT:
                        raise
                    current = self._new_folder(above, part)
                    os.fchmod(current, 0o755)
                    self._note_implied(current, b"/".join(parts[:depth]))
            finally:
                above.close()
        return current

    def _note_implied(self, descriptor: int, path: bytes) -> None:
        self.gone_through += 1
        self.names += len(path)
        self.implied[os.fstat(descriptor).st_ino] = path

    def _new_folder(self, parent: Directory, name: bytes) -> int:
        """Make a directory where there is none, and open it. What the layer had there before, a whiteout or a file, hid one of
        the layers below: that must not show through."""
        replaced = self._exclusively(parent, name, lambda: os.mkdir(name, 0o700, dir_fd=parent.descriptor))[1]
        descriptor = os.open(name, FOLDER | os.O_NOFOLLOW, dir_fd=parent.descriptor)
        if replaced:
            self._hiding.hide_all(Directory.of(descriptor))
        return descriptor

    def _exclusively(self, parent: Directory, name: bytes, make: Callable[[], Made]) -> tuple[Made, bool]:
        """Make it anew, after removing what has the name. The answer says too whether something had it."""
        try:
            return make(), False
        except FileExistsError:
            self._path = None  # it may have been a link on the way to the open directory
            self._has_replaced = True
            trees.remove(name, directory=parent.descriptor, losing=self._lose)
            return make(), True

    def _lose(self, directory: int | None, name: bytes, status: os.stat_result) -> None:
        """What the layer has brought, and now takes back, has no size any more, once its last name goes."""
        assert directory is not None
        last = stat.S_ISREG(status.st_mode) and status.st_nlink == 1 and status.st_ino not in self._borrowed
        if last and self._hiding.has_brought(Directory.of(directory), name):
            self.size -= status.st_size

    def _hide(self, directory: Directory, hidden: bytes) -> None:
        self._path = None  # as in `_exclusively`
        if hidden:
            self._hiding.hide(directory, hidden)
        else:
            self._hiding.hide_all(directory)

    def _put_root(self, entry: Entry) -> None:
        if entry.kind is not Kind.DIRECTORY:
            raise InvalidArchive(f"entry {shown(entry.name)}: the root of a layer is a directory, not a {entry.kind.value}")
        self._dress(self._directory.descriptor, entry)
        self._times[b""] = entry.mtime
        self._root_is_described = True
        self._path = None  # what is made in it may look otherwise now

    def all_implied(self) -> tuple[bytes, ...]:
        """The directories that were gone through and never described, the root first."""
        return (*(() if self._root_is_described else (b"",)), *self.implied.values())

    def _put(self, parent: Directory, name: bytes, entry: Entry, data: Data) -> None:
        self._passed_over.discard(entry.name)
        match entry.kind:
            case Kind.FILE:
                self._put_file(parent, name, entry, data)
            case Kind.DIRECTORY:
                self._put_directory(parent, name, entry)
            case Kind.HARD_LINK:
                self._put_hard_link(parent, name, entry)
            case Kind.SYMLINK:
                self._exclusively(parent, name, lambda: os.symlink(entry.link, name, dir_fd=parent.descriptor))
                self._dress_unopened(parent, name, entry)
            case Kind.FIFO:
                self._exclusively(parent, name, lambda: portable.make_fifo(name, 0o600, parent.descriptor))
                self._dress_unopened(parent, name, entry)
            case _:
                self._put_device(parent, name, entry)

    def _put_file(self, parent: Directory, name: bytes, entry: Entry, data: Data) -> None:
        right = _born_right(parent, entry)
        mode = entry.mode if right else 0o600
        descriptor, _ = self._exclusively(parent, name, lambda: os.open(name, CREATE, mode, dir_fd=parent.descriptor))
        try:
            if entry.segments is None:
                for piece in data.pieces():
                    _write(descriptor, piece)
            else:
                _write_segments(descriptor, entry.segments, data)
                os.ftruncate(descriptor, entry.size)
            self.size += entry.size
            if not right:
                self._dress(descriptor, entry)
            os.utime(descriptor, ns=(entry.mtime, entry.mtime))
        finally:
            os.close(descriptor)

    def _put_directory(self, parent: Directory, name: bytes, entry: Entry) -> None:
        """One that is there keeps its members and gets the new owner, mode and attributes."""
        right = _born_right(parent, entry) and not self._has_replaced
        try:
            os.mkdir(name, entry.mode if right else 0o700, dir_fd=parent.descriptor)
        except FileExistsError:
            right = False
        if not right:
            descriptor = self._open_or_replace(parent, name)
            try:
                self.implied.pop(os.fstat(descriptor).st_ino, None)
                self._dress(descriptor, entry)
            finally:
                os.close(descriptor)
        self._times[entry.name] = entry.mtime

    def _open_or_replace(self, parent: Directory, name: bytes) -> int:
        """The directory of this name, or a new one in the place of what is no directory."""
        try:
            return os.open(name, FOLDER | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=parent.descriptor)
        except OSError as error:
            if error.errno not in ABSENT:
                raise
            return self._new_folder(parent, name)

    def _put_hard_link(self, parent: Directory, name: bytes, entry: Entry) -> None:
        if entry.link in self._passed_over:
            self._passed_over.add(entry.name)
            return
        folder, target = entry.link.rpartition(b"/")[::2]
        try:
            source = self._place.open(folder, FOLDER)
            try:
                self._link(source, target, parent, name)
            finally:
                os.close(source)
        except FileNotFoundError:
            raise InvalidArchive(
                f"entry {shown(entry.name)}: a hard link to {shown(entry.link)}, which the layer lacks"
            ) from None

    def _link(self, source: int, target: bytes, parent: Directory, name: bytes) -> None:
        """Another name for the very thing, also where that is a symbolic link. One that is there already stays."""
        wanted = os.stat(target, dir_fd=source, follow_symlinks=False)
        with suppress(FileNotFoundError):
            if os.path.samestat(wanted, os.stat(name, dir_fd=parent.descriptor, follow_symlinks=False)):
                return
        if not self._hiding.has_brought(Directory.of(source), target):
            self._borrowed.add(wanted.st_ino)
        self._exclusively(
            parent,
            name,
            lambda: os.link(target, name, src_dir_fd=source, dst_dir_fd=parent.descriptor, follow_symlinks=False),
        )

    def _put_device(self, parent: Directory, name: bytes, entry: Entry) -> None:
        major, minor = entry.device
        if not self._place.privileged:
            self._passed_over.add(entry.name)
            return
        kind, device = DEVICES[entry.kind], os.makedev(major, minor)
        self._exclusively(parent, name, lambda: os.mknod(name, kind | 0o600, device, dir_fd=parent.descriptor))
        self._dress_unopened(parent, name, entry)

    def _dress(self, descriptor: int, entry: Entry) -> None:
        """Owner, attributes and mode of an open file or directory."""
        if self._place.privileged:
            os.fchown(descriptor, entry.uid, entry.gid)
        else:
            ownership.keep(descriptor, (entry.uid, entry.gid))
        for name, value in entry.xattrs.items():
            self._set_attribute(descriptor, entry, name, value)
        least = 0 if self._place.privileged else 0o700 if entry.kind is Kind.DIRECTORY else 0o400
        os.fchmod(descriptor, entry.mode | least)

    def _dress_unopened(self, parent: Directory, name: bytes, entry: Entry) -> None:
        """The same for what must not be opened, and its time: its name is ours alone, nobody else works in this tree."""
        if self._place.privileged and not _born_right(parent, entry):
            os.chown(name, entry.uid, entry.gid, dir_fd=parent.descriptor, follow_symlinks=False)
        if entry.kind is not Kind.SYMLINK:  # a link has no mode
            os.chmod(name, entry.mode, dir_fd=parent.descriptor)
        os.utime(name, ns=(entry.mtime, entry.mtime), dir_fd=parent.descriptor, follow_symlinks=False)

    def _set_attribute(self, descriptor: int, entry: Entry, name: str, value: bytes) -> None:
        """Set what a layer may set and this file system can hold."""
        if name.startswith(OWN_ATTRIBUTES):
            raise InvalidArchive(f"entry {shown(entry.name)}: overlayfs keeps its own books in the attribute {name[:80]!r}")
        if name == ownership.ATTRIBUTE:  # it is ours to set
            return
        if not (name.startswith("user.") or (self._place.privileged and name in KERNEL_ATTRIBUTES)):
            return
        try:
            portable.set_attribute(descriptor, name, value)
        except OSError as error:
            if error.errno != errno.ENOTSUP:
                raise


def _born_right(parent: Directory, entry: Entry) -> bool:
    """Whether it has its owner and its mode from the moment on that it is made with that mode."""
    return parent.plain and not (entry.uid or entry.gid or entry.mode & SPECIAL or entry.xattrs)


def _write(descriptor: int, piece: memoryview) -> None:
    """write(2) may take less than it was given."""
    written = os.write(descriptor, piece)
    while written < len(piece):
        written += os.write(descriptor, piece[written:])


def _write_segments(descriptor: int, segments: tuple[tuple[int, int], ...], data: Data) -> None:
    """Lay the data out between the holes."""
    pieces = iter(data.pieces())
    piece = memoryview(b"")
    for offset, length in segments:
        os.lseek(descriptor, offset, os.SEEK_SET)
        while length:
            piece = piece or next(pieces)
            taken = min(length, len(piece))
            _write(descriptor, piece[:taken])
            piece, length = piece[taken:], length - taken


def fill(place: Place, hiding: Hiding, stream: BinaryIO, limits: Limits) -> Filled:
    """Unpack a whole tar stream, to its very end."""
    unpacker, count = Unpacker(place, hiding), 0
    for entry, data in Archive(stream, limits):
        if unpacker.size + entry.size > limits.total:
            raise InvalidArchive(f"layer: its files have more than the limit of {limits.total} bytes")
        unpacker.apply(entry, data)
        count += 1
        if count + unpacker.gone_through > limits.entries:
            raise InvalidArchive(f"layer: more than the limit of {limits.entries} entries and directories on their way")
        if unpacker.names > limits.names:
            raise InvalidArchive(f"layer: its names are longer than the limit of {limits.names} bytes together")
    unpacker.finish()
    return Filled(count, unpacker.size, unpacker.all_implied())
