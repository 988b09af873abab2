"""Who restarts a container that goes with its exit (`rm`): it is kept for the start that is to come.

DIRECTORY/restarting    locked (flock(2), shared) by each who restarts the container. One that nobody has locked is of a
                        process that died, and keeps nothing: whoever looks removes it
"""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from podlink.engine.host import Host
from podlink.engine.storage.durable import refusals


@contextmanager
def kept(host: Host, container: str) -> Iterator[None]:
    """Keep it for as long as the block lasts. Raises StorageFailed where its directory takes no file."""
    place = _place(host, container)
    with refusals(str(place)):
        descriptor = _shared(place)
    try:
        yield
    finally:
        fcntl.flock(descriptor, fcntl.LOCK_UN)  # closing is not enough while a fork has a copy of the descriptor
        os.close(descriptor)
        is_kept(host, container)  # by somebody else? Else the file goes


def is_kept(host: Host, container: str) -> bool:
    """Whether somebody who lives keeps it. May be true once too often at the very moment at which the last one lets go."""
    place = _place(host, container)
    with suppress(FileNotFoundError):
        descriptor = os.open(place, os.O_RDONLY | os.O_CLOEXEC)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if os.fstat(descriptor).st_nlink:  # else it is no longer the one that the name leads to
                place.unlink()
        except BlockingIOError:
            return True
        finally:
            os.close(descriptor)
    return False


def _place(host: Host, container: str) -> Path:
    return host.directory(container) / "restarting"


def _shared(place: Path) -> int:
    """A descriptor that shares the lock of the file which has this name now."""
    while True:
        descriptor = os.open(place, os.O_RDONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
        fcntl.flock(descriptor, fcntl.LOCK_SH)
        if os.fstat(descriptor).st_nlink:
            return descriptor
        os.close(descriptor)  # removed before it was locked
