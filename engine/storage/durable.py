"""What all of storage does alike: names put on the disk, refusals put into words, unfinished work told from abandoned work."""

import fcntl
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from podlink.engine.errors import StorageFailed


def sync_directory(path: Path) -> None:
    """Put the names in a directory on the disk: fsync(2) of a file does not cover its name."""
    number = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(number)
    finally:
        os.close(number)


def write_durably(path: Path, content: bytes) -> None:
    """A new file, its bytes on the disk; its name is the caller's to sync."""
    with path.open("xb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def locked_directory(parent: Path) -> tuple[Path, int]:
    """A new directory with a random name, and the descriptor whose flock(2) says that somebody works in it.

    The kernel lets go of the lock when the process ends, however it ends: a directory that can be locked is abandoned.
    """
    while True:
        path = parent / secrets.token_hex(8)
        path.mkdir(mode=0o700)
        with suppress(FileNotFoundError):  # a sweep may come between any two of these calls: then begin again
            number = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            fcntl.flock(number, fcntl.LOCK_EX)
            if path.exists():
                return path, number
            os.close(number)


@contextmanager
def refusals(what: str) -> Iterator[None]:
    """What the disk refuses is StorageFailed, and says of what."""
    try:
        yield
    except OSError as error:
        raise StorageFailed(f"{what}: {(error.strerror or str(error)).lower()}") from error
