"""Whom the files of a container belong to, as it looks from inside.

Where the engine may give files away (as root), they are given away. Where it may not, all of them are its own: then they are
root's inside, as in a user namespace, and what was given away is noted (`oci.layer.ownership`): of links and the like, which take
no note, for as long as the run lasts.
"""

import os
from pathlib import Path

from podlink.engine.linux import portable
from podlink.engine.oci.layer.ownership import ATTRIBUTE, Owner, keep, noted, unless_own


class Owners:
    """Of one run."""

    def __init__(self) -> None:
        self._given: dict[tuple[int, int], Owner] = {}
        """By device and inode."""

    def of(self, path: Path, status: os.stat_result) -> Owner:
        """Whose the file is that has this path, itself where it is a link."""
        if given := self._given.get((status.st_dev, status.st_ino)):
            return given
        if os.geteuid() == 0:
            return status.st_uid, status.st_gid
        return noted(portable.attribute(os.fsencode(path), ATTRIBUTE)) or unless_own(status)

    def give(self, path: Path, uid: int, gid: int) -> None:
        """lchown(2); -1 leaves it as it is."""
        status = path.lstat()
        before = self.of(path, status)
        try:
            os.lchown(path, uid, gid)
        except PermissionError:
            owner = (before[0] if uid < 0 else uid, before[1] if gid < 0 else gid)
            if os.geteuid() == 0 or not keep(os.fsencode(path), owner):  # as root notes are not read: files have their owners
                self._given[status.st_dev, status.st_ino] = owner
