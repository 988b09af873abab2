"""Entries become files. One code path for root in his jail and for a user without rights; see `place` for the difference.

    the order in which a file is made          why
    create exclusively, write                  never into what was there before: a link, a device, another name of the same file
    owner                                      chown(2) takes the set-user-ID bits and security.capability away
    attributes                                 a file that is read-only for its owner takes none any more
    mode, time                                 last; of a directory the time comes at the very end, when its members are there

Without rights there are no owners, devices or kernel's attributes: they are passed over, and modes keep `u+r` (directories
`u+rwx`), so that the tree can be copied and removed again.
"""

import errno
import os
import stat
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import BinaryIO, TypeVar

from podlink.engine.errors import InvalidArchive, StorageFailed
from podlink.engine.linux import trees
from podlink.engine.oci.layer.archive import Archive
from podlink.engine.oci.layer.entry import Data, Entry, Kind, shown
from podlink.engine.oci.layer.hiding import Hiding
from podlink.engine.oci.layer.limits import Limits
from podlink.engine.oci.layer.place import ABSENT, FOLDER, Directory, Place
from podlink.engine.oci.layer.whiteouts import hidden_by

Made = TypeVar("Made")
CREATE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
HOST_ERRORS = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EROFS, errno.ENOMEM, errno.EMFILE, errno.ENFILE})
"""What is the fault of this host, not of the layer."""
DEVICES = {Kind.CHARACTER: stat.S_IFCHR, Kind.BLOCK: stat.S_IFBLK}
NOWHERE = Directory(-1, -1)
OWN_ATTRIBUTES = ("trusted.overlay.", "user.overlay.")
"""How overlayfs keeps its books; a layer that brings its own would lead it to other layers' files."""
KERNEL_ATTRIBUTES = ("security.capability", "system.posix_acl_access", "system.posix_acl_default")
"""Any other (security.selinux, security.ima, trusted.…) is the host's to set, and is passed over."""


@dataclass(frozen=True, slots=True)
class Filled:
    """entries: members of the tar. size: bytes of its files. implied: directories that it goes through and does not describe."""

    entries: int
    size: int
    implied: tuple[bytes, ...] = ()


class Unpacker:
    """Applies a layer's entries, one by one, to a place.

    size: bytes of the files so far, holes counted. names: bytes of all names. gone_through: directories that had to be made for
    entries below them; implied: those of them that no entry has described, by inode.
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
        self._path: bytes | None = None
        self._directory = NOWHERE

    def apply(self, entry: Entry, data: Data) -> None:
        """Make what the entry says. Raises InvalidArchive or StorageFailed, with its name."""
        self.names += len(entry.name)
        try:
            hidden = hidden_by(entry.name)
            parent, name = entry.name.rpartition(b"/")[::2]
            if hidden is not None:
                self._hide(self._folder(parent), hidden)
            elif entry.name:
                self._put(self._folder(parent), name, entry, data)
                self._hiding.brought(self._directory, name)
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
        if path != self._path:
            self._forget()
            try:
                descriptor = self._place.open(path, FOLDER)
            except OSError as error:
                if error.errno not in ABSENT:
                    raise
                descriptor = self._make_folders(path)
            self._directory, self._path = Directory.of(descriptor), path
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
            trees.remove(name, directory=parent.descriptor)
            return make(), True

    def _hide(self, directory: Directory, hidden: bytes) -> None:
        self._path = None  # as in `_exclusively`
        if hidden:
            self._hiding.hide(directory, hidden)
        else:
            self._hiding.hide_all(directory)

    def _put_root(self, entry: Entry) -> None:
        if entry.kind is not Kind.DIRECTORY:
            raise InvalidArchive(f"entry {shown(entry.name)}: the root of a layer is a directory, not a {entry.kind.value}")
        descriptor = self._place.open(b"", FOLDER)
        try:
            self._dress(descriptor, entry)
        finally:
            os.close(descriptor)

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
                self._exclusively(parent, name, lambda: os.mkfifo(name, 0o600, dir_fd=parent.descriptor))
                self._dress_unopened(parent, name, entry)
            case _:
                self._put_device(parent, name, entry)

    def _put_file(self, parent: Directory, name: bytes, entry: Entry, data: Data) -> None:
        descriptor, _ = self._exclusively(parent, name, lambda: os.open(name, CREATE, 0o600, dir_fd=parent.descriptor))
        try:
            if entry.segments is None:
                for piece in data.pieces():
                    _write(descriptor, piece)
            else:
                _write_segments(descriptor, entry.segments, data)
                os.ftruncate(descriptor, entry.size)
            self.size += entry.size
            self._dress(descriptor, entry)
        finally:
            os.close(descriptor)

    def _put_directory(self, parent: Directory, name: bytes, entry: Entry) -> None:
        """One that is there keeps its members and gets the new owner, mode and attributes."""
        try:
            descriptor = os.open(name, FOLDER | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=parent.descriptor)
        except OSError as error:
            if error.errno not in ABSENT:
                raise
            descriptor = self._new_folder(parent, name)
        self.implied.pop(os.fstat(descriptor).st_ino, None)
        try:
            self._dress(descriptor, entry)
        finally:
            os.close(descriptor)

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
        """Owner, attributes, mode and time of an open file or directory."""
        directory = entry.kind is Kind.DIRECTORY
        if self._place.privileged:
            os.fchown(descriptor, entry.uid, entry.gid)
        for name, value in entry.xattrs.items():
            self._set_attribute(descriptor, entry, name, value)
        least = 0 if self._place.privileged else 0o700 if directory else 0o400
        os.fchmod(descriptor, entry.mode | least)
        if directory:
            self._times[entry.name] = entry.mtime
        else:
            os.utime(descriptor, ns=(entry.mtime, entry.mtime))

    def _dress_unopened(self, parent: Directory, name: bytes, entry: Entry) -> None:
        """The same for what must not be opened: its name is ours alone, nobody else works in this tree."""
        if self._place.privileged:
            os.chown(name, entry.uid, entry.gid, dir_fd=parent.descriptor, follow_symlinks=False)
        if entry.kind is not Kind.SYMLINK:  # a link has no mode
            os.chmod(name, entry.mode, dir_fd=parent.descriptor)
        os.utime(name, ns=(entry.mtime, entry.mtime), dir_fd=parent.descriptor, follow_symlinks=False)

    def _set_attribute(self, descriptor: int, entry: Entry, name: str, value: bytes) -> None:
        """Set what a layer may set and this file system can hold."""
        if name.startswith(OWN_ATTRIBUTES):
            raise InvalidArchive(f"entry {shown(entry.name)}: overlayfs keeps its own books in the attribute {name[:80]!r}")
        if not (name.startswith("user.") or (self._place.privileged and name in KERNEL_ATTRIBUTES)):
            return
        try:
            os.setxattr(descriptor, name, value)
        except OSError as error:
            if error.errno != errno.ENOTSUP:
                raise


def _write(descriptor: int, piece: bytes | memoryview) -> None:
    """write(2) may take less than it was given."""
    written = os.write(descriptor, piece)
    while written < len(piece):
        written += os.write(descriptor, memoryview(piece)[written:])


def _write_segments(descriptor: int, segments: tuple[tuple[int, int], ...], data: Data) -> None:
    """Lay the data out between the holes."""
    pieces = data.pieces()
    piece = memoryview(b"")
    for offset, length in segments:
        os.lseek(descriptor, offset, os.SEEK_SET)
        while length:
            piece = piece or memoryview(next(pieces))
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
    return Filled(count, unpacker.size, tuple(unpacker.implied.values()))
