"""A tar stream becomes a directory tree, and its hash the layer's diff ID (OCI image-spec, config.md, "Layer DiffID").

As root it is done by a process of its own that is locked into the directory (see `jail`); without root it is done here, with
every path opened in a way that can't lead out (see `place`). Either way the stream is read forward, once, and hashed as it
passes, to its very end.
"""

import hashlib
import io
from contextlib import closing, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO

from podlink.engine.config import Limits
from podlink.engine.errors import InvalidArchive, StorageFailed
from podlink.engine.oci.digest import Digest
from podlink.engine.oci.layer.apply import fill
from podlink.engine.oci.layer.blocks import PIECE
from podlink.engine.oci.layer.bounds import Room
from podlink.engine.oci.layer.hiding import hiding_for
from podlink.engine.oci.layer.jails import PIPE, Jails, jails
from podlink.engine.oci.layer.place import Beneath
from podlink.engine.oci.layer.whiteouts import Whiteouts


@dataclass(frozen=True, slots=True)
class Unpacked:
    """entries: members of the tar; size: bytes of the files that it brought and left; diff_id: the digest of the whole tar.

    implied: for overlayfs, the directories that it goes through and does not describe (b"" is the root): they look as nobody
    wants them to.
    """

    entries: int
    size: int
    diff_id: Digest
    implied: tuple[bytes, ...] = ()


def unpack(
    stream: BinaryIO, path: Path, whiteouts: Whiteouts, limits: Limits | None = None, shared: Jails | None = None
) -> Unpacked:
    """Unpack an uncompressed tar into an existing directory. Raises InvalidArchive, StorageFailed, and what the stream raises.

    shared: what the caller has for several layers. What was unpacked until it failed is left there, for the caller to remove
    with the directory.
    """
    bounds = limits or Limits()
    measured = Measured(stream, bounds.total, Room(path, bounds.spare))
    with nullcontext(shared) if shared else jails() as locked:
        if locked:
            done = locked.fill(measured, path, whiteouts, bounds)
        elif whiteouts is Whiteouts.OVERLAY:
            raise StorageFailed("layers for overlayfs are unpacked by root alone, on Linux; use the storage driver vfs")
        else:
            with closing(Beneath(path)) as place:
                done = replace(fill(place, hiding_for(whiteouts), io.BufferedReader(measured, PIECE), bounds), implied=())
    return Unpacked(done.entries, done.size, measured.digest(), done.implied)


class Measured(io.RawIOBase):
    """A stream that hashes and counts what is read of it, and refuses to go on beyond `limit` bytes, and where room ends."""

    def __init__(self, stream: BinaryIO, limit: int, room: Room) -> None:
        self._stream = stream
        self._limit = limit
        self._room = room
        self._hash = hashlib.sha256()
        self._count = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]
        data = self._stream.read(len(buffer))
        self._count += len(data)
        if self._count > self._limit:
            raise InvalidArchive(f"layer: more than the limit of {self._limit} bytes when uncompressed")
        self._room.require(min(self._count, len(data) + PIPE))  # what the pipe to a jail holds may not be on the disk yet
        self._hash.update(data)
        buffer[: len(data)] = data
        return len(data)

    def digest(self) -> Digest:
        """Of all that was read so far."""
        return Digest(self._hash.hexdigest())
