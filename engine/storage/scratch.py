"""A temporary folder that goes with whoever holds it, at the latest with the process that made it; after one that was killed,
with the next that makes one beside it.

It is in memory (tmpfs(5)) where there is plenty, since files come and go there several times as fast as on a disk; TMPDIR, where
it is set, has the last word.
"""

import os
import shutil
import tempfile
import weakref
from functools import cache
from pathlib import Path

from podlink.engine.storage.held import abandoned, held_folder

PREFIX = "podlink-emulated-"
MEMORY = Path("/dev/shm")
"""Where Linux has a tmpfs: shm_overview(7)."""
PLENTY = 2**30
"""Bytes that are free in it. A container of Docker's has 64 MiB there, unless it is told otherwise."""


class Scratch:
    """Nobody else removes it: not a fork, which holds a copy of this object and ends on its own."""

    def __init__(self) -> None:
        place = _memory() or Path(tempfile.gettempdir())
        _clear(place)
        self.path, lock = held_folder(place, PREFIX)
        self._finalizer = weakref.finalize(self, _remove, self.path, lock, os.getpid())

    def remove(self) -> None:
        """With all that is in it. Again is no error."""
        self._finalizer()


def _memory() -> Path | None:
    """None: the usual place for temporary files is to be taken."""
    if "TMPDIR" in os.environ or not os.access(MEMORY, os.W_OK | os.X_OK):
        return None
    found = os.statvfs(MEMORY)
    return MEMORY if found.f_bavail * found.f_frsize >= PLENTY else None


@cache
def _clear(place: Path) -> None:
    """Once in a process: remove what killed ones have left."""
    for path in abandoned(place, PREFIX):
        shutil.rmtree(path, ignore_errors=True)


def _remove(path: Path, lock: int, owner: int) -> None:
    if os.getpid() == owner:
        shutil.rmtree(path, ignore_errors=True)
        os.close(lock)
