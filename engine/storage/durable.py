"""What all of storage does alike: names put on the disk, refusals put into words."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from podlink.engine.errors import StorageFailed
from podlink.engine.linux import portable


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


@contextmanager
def refusals(what: str) -> Iterator[None]:
    """What the disk refuses is StorageFailed, and says of what, and what to do where it is full."""
    try:
        yield
    except OSError as error:
        advice = "; make room there" if error.errno in portable.NO_ROOM else ""
        raise StorageFailed(f"{what}: {(error.strerror or str(error)).lower()}{advice}") from error
