"""Room on the disk that is kept for what ends things: that a container has ended, or goes, has to be written down as well.

    ROOT/reserve/0 … 15     64 KiB each, allocated (posix_fallocate(3)), of no content; of a small disk a sixteenth in all

    whole        whoever writes something new may do so, while there is a little more room than that
    not whole    the disk is full: what is new is refused; what ends or goes was given the room, and takes it as it comes

Several files, because a disk can run out of files, too, and because what is left of the room is kept again piece by piece. They
are shared by all who have the root open; two who fill or empty it at once may leave a part, and the next one sees to that.
"""

import os
import secrets
import threading
from contextlib import suppress
from pathlib import Path

from podlink.engine.linux import portable, syscalls

PIECE = 2**16
"""Bytes."""
PIECES = 16
"""For the log of the database up to its next checkpoint, what that adds to the file, and what both need to be opened."""
SHARE = 16
"""A small disk gives no more than the sixteenth part."""
MORE = 4
"""What is new leaves as much as the fourth part of the reserve beside it: that is about what a start takes."""
BTRFS = 0x9123683E
"""linux/magic.h, for statfs(2)."""
MAPPED = 2 * PIECE
"""Bytes of the log's index, and more than what a transaction adds to the log before it writes there."""
PLENTY = 2**26
"""Bytes that make it needless to try."""


class Reserve:
    """What is kept in one folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._wanted: int | None = None
        self._copies = portable.LINUX and syscalls.statfs_type(folder.parent) == BTRFS
        self._trial: int | None = None
        self._guard = threading.Lock()

    def has_more(self) -> bool:
        """Whether there is room for something new: it is whole, or can be made so, and there is more."""
        found = os.statvfs(self._folder.parent)
        free = found.f_frsize * (found.f_bfree if os.geteuid() == 0 else found.f_bavail)
        return self.fill() and (not found.f_blocks or free >= self._count() * PIECE // MORE)

    def fill(self) -> bool:
        """Keep what is missing, as far as there is room. Whether it is whole."""
        try:
            with os.scandir(self._folder) as entries:  # asked at each change of the state
                there = {entry.name for entry in entries}
        except FileNotFoundError:
            there = set()
        try:
            for number in range(self._count()):
                if str(number) not in there:
                    _allocate(self._folder, str(number))
        except OSError:
            return False
        return True

    def is_refused(self) -> bool:
        """Whether there is no room for one more piece: tried, for what a quota leaves is told by nobody."""
        name = f".{secrets.token_hex(8)}"
        try:
            _allocate(self._folder, name)
        except OSError as error:
            return error.errno in portable.NO_ROOM
        (self._folder / name).unlink(missing_ok=True)
        return False

    def has_pages(self) -> bool:
        """Whether SQLite may write the index of its log, which it does by way of memory.

        On btrfs such a write is to a new place on the disk, whatever the file owns already, and SIGBUS where there is none:
        mmap(2). So where room is scarce it is tried by a write that is taken back before it gets to the disk. Somebody else may
        take the room in the moment after; that there is much more of it than the index needs makes that unlikely, not impossible.
        A quota of btrfs (btrfs-qgroup(8)) is not seen: statvfs(3) knows nothing of it.
        """
        if not self._copies or _available(self._folder.parent) >= PLENTY:
            return True
        with self._guard:
            try:
                if self._trial is None:
                    self._trial = os.open(self._folder.parent, os.O_TMPFILE | os.O_WRONLY | os.O_CLOEXEC, 0o600)
                written = os.pwrite(self._trial, bytes(MAPPED), 0)
                os.ftruncate(self._trial, 0)
            except OSError as error:
                return error.errno not in portable.NO_ROOM  # any other trouble SQLite meets itself
        return written == MAPPED

    def give_piece(self) -> bool:
        """Let go of one piece: whether there was one."""
        for path in self._folder.glob("[0-9]*"):
            with suppress(OSError):
                path.unlink()
                return True
        return False

    def close(self) -> None:
        """What was open for it. Again is no error."""
        with self._guard:
            self._copies = False
            if self._trial is not None:
                os.close(self._trial)
            self._trial = None

    def give_up(self) -> None:
        """Let go of all of it. What follows has to be quick: the room is anybody's."""
        with suppress(OSError):
            for path in self._folder.iterdir():
                path.unlink(missing_ok=True)
            folder = os.open(self._folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            try:
                os.fsync(folder)  # a file system with a journal has the room back only now
            finally:
                os.close(folder)

    def _count(self) -> int:
        """Of pieces, when it is whole."""
        if self._wanted is None:
            found = os.statvfs(self._folder.parent)
            size = found.f_blocks * found.f_frsize
            self._wanted = min(PIECES, size // SHARE // PIECE) if size else PIECES  # a tmpfs without a limit tells no size
        return self._wanted


def _available(folder: Path) -> int:
    """Bytes; on btrfs none where there is room for data and no more for what tells where it is."""
    found = os.statvfs(folder)
    return found.f_bavail * found.f_frsize


def _allocate(folder: Path, name: str) -> None:
    """One piece: under its name it is whole. Raises OSError."""
    folder.mkdir(mode=0o700, exist_ok=True)
    draft = folder / f".{name}.{secrets.token_hex(8)}"
    try:
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            portable.allocate(descriptor, PIECE)
        finally:
            os.close(descriptor)
        draft.replace(folder / name)
    except OSError:
        draft.unlink(missing_ok=True)
        raise
