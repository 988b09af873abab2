"""Folders that are held, told from those that a dead process has left behind.

Whoever makes one locks it (flock(2)) for as long as it is needed. The kernel lets go of the lock when the process ends, however
it ends; then the folder is rubbish, and whoever comes next may clear it away. Where folders take no lock (NFS), none ever is.
"""

import fcntl
import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from tempfile import mkdtemp

from podlink.engine.linux import trees


def held_folder(parent: Path, prefix: str = "") -> tuple[Path, int]:
    """A new folder with a random name, and the descriptor that holds its lock. Raises OSError."""
    while True:
        path = Path(mkdtemp(dir=parent, prefix=prefix))
        with suppress(FileNotFoundError):  # a sweep may come between any two of these calls: then begin again
            lock = os.open(path, trees.DIRECTORY)
            with suppress(OSError):
                fcntl.flock(lock, fcntl.LOCK_EX)
            if path.exists():
                return path, lock
            os.close(lock)


def abandoned(parent: Path, prefix: str = "") -> Iterator[Path]:
    """The folders that nobody holds, each held by us until the next is asked for."""
    for path in parent.glob(f"{prefix}*"):
        try:
            lock = os.open(path, trees.DIRECTORY)
        except OSError:  # it is gone by now, or somebody else's
            continue
        try:
            with suppress(OSError):
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                yield path
        finally:
            os.close(lock)
