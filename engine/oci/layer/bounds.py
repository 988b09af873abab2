"""What is kept an eye on while something is unpacked: how much more it becomes than it was, and the room that is left for it.

What a layer says of itself, and what was free before, are no help against one that is made to fill the disk.
"""

import io
import os
from pathlib import Path
from typing import BinaryIO, cast

from podlink.engine.config import GIB, Limits
from podlink.engine.errors import InvalidArchive, StorageFailed
from podlink.engine.oci.layer.compression import PIECE, decompressed

ALLOWED = GIB
"""Bytes to which anything may unpack, whatever it came as: a file of zeros compresses a thousand times."""
FILES = 4096
"""Inodes that are to stay free, of a small disk a twentieth: more than a layer has members between two looks."""


class Room:
    """The disk that holds a path, while it fills. spare: bytes that are to stay free, of a small disk a twentieth."""

    def __init__(self, path: Path, spare: int) -> None:
        self._path, self._spare = path, spare

    def require(self, size: int) -> None:
        """Raises StorageFailed where so many more bytes would not leave enough free, or too few inodes are left by now."""
        found = os.statvfs(self._path)
        free, spare = found.f_bavail * found.f_frsize, min(self._spare, found.f_blocks * found.f_frsize // 20)
        if free - size < spare:
            raise StorageFailed(
                f"{self._path}: no space left for {size} bytes that are to come: "
                f"{free} are free, and {spare} are to stay so; make room"
            )
        if found.f_favail < (kept := min(FILES, found.f_files // 20)):  # none is counted where f_files is 0
            raise StorageFailed(
                f"{self._path}: no space left for more files: "
                f"{found.f_favail} inodes are free, and {kept} are to stay so; remove files"
            )


def plain(stream: BinaryIO, limits: Limits) -> BinaryIO:
    """The stream decompressed, as `decompressed` does. Raises InvalidArchive, while it is read, also where it grows too much."""
    counted = _Counted(stream)
    return cast(BinaryIO, io.BufferedReader(_Growing(decompressed(cast(BinaryIO, counted)), counted, limits.ratio), PIECE))


class _Counted:
    """How much of a stream was read."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self.count = 0

    def read(self, size: int = -1, /) -> bytes:
        data = self._stream.read(size)
        self.count += len(data)
        return data


class _Growing(io.RawIOBase):
    """What comes out, beside what went in."""

    def __init__(self, stream: BinaryIO, source: _Counted, ratio: int) -> None:
        self._stream, self._source, self._ratio = stream, source, ratio
        self._count = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]
        size = cast(io.BufferedReader, self._stream).readinto1(buffer)
        self._count += size
        if self._count > max(ALLOWED, self._source.count * self._ratio):
            raise InvalidArchive(
                f"layer: {self._source.count} bytes of it unpack to more than {self._count}; beyond a GiB, "
                f"the limit is {self._ratio} times as many (ratio)"
            )
        return size
