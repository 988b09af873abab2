"""Whom the files of a container belong to, as it looks from inside.

Where the engine may give files away (as root), they are given away. Where it may not, all of them are its own: then they are
root's inside, as in a user namespace, and what was given away inside is remembered for as long as the run lasts.
"""

import os
from pathlib import Path

Owner = tuple[int, int]
"""UID and GID."""


class Owners:
    """Of one run."""

    def __init__(self) -> None:
        self._own = (os.geteuid(), os.getegid())
        self._given: dict[tuple[int, int], Owner] = {}
        """By device and inode."""

    def of(self, status: os.stat_result) -> Owner:
        """Whose a file is."""
        if given := self._given.get((status.st_dev, status.st_ino)):
            return given
        uid, gid = self._own
        return 0 if status.st_uid == uid else status.st_uid, 0 if status.st_gid == gid else status.st_gid

    def give(self, path: Path, uid: int, gid: int) -> None:
        """lchown(2); -1 leaves it as it is."""
        status = path.lstat()
        before = self.of(status)
        try:
            os.lchown(path, uid, gid)
        except PermissionError:
            owner = (before[0] if uid < 0 else uid, before[1] if gid < 0 else gid)
            self._given[status.st_dev, status.st_ino] = owner
