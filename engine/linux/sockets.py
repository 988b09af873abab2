"""Sockets in the file system, however long the path: unix(7) has room for 107 bytes in `sun_path`, and a folder may be deeper."""

import os
import socket
from pathlib import Path

from podlink.engine.linux import portable

LONGEST = 107 if portable.LINUX else 103
"""Bytes of a path that a client can connect to as it is."""


def bind(folder: Path, name: str, kind: int) -> socket.socket:
    """A socket of this kind (`SOCK_STREAM`, …) bound to `folder/name`, for its owner alone. Raises OSError."""
    made = socket.socket(socket.AF_UNIX, kind)
    directory = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        made.bind(_through(directory, folder, name))
        (folder / name).chmod(0o600)
    except BaseException:
        made.close()
        raise
    finally:
        os.close(directory)
    return made


def _through(directory: int, folder: Path, name: str) -> str:
    """The path itself where it fits; else one by way of the open folder, where the kernel has such."""
    path = str(folder / name)
    return path if len(os.fsencode(path)) <= LONGEST else f"/proc/self/fd/{directory}/{name}"
