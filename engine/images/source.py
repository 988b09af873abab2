"""The tarball that ImportImage is given: opened with suspicion, and read once for two readers."""

import io
import os
import re
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from podlink.engine.errors import InvalidRequest, NotHonoured
from podlink.engine.oci.image import media_types

URL = re.compile(r"(https?)://", re.IGNORECASE)
GZIP = b"\x1f\x8b"
UNBUILT = {b"BZh": "bzip2", b"\xfd7zXZ\x00": "xz", b"\x28\xb5\x2f\xfd": "zstd"}
"""Compressions that are told apart by their first bytes, and not read yet."""
CHUNK = 1 << 20


@contextmanager
def opened(source: str) -> Iterator[io.FileIO]:
    """The file at this path. Raises InvalidRequest for what is no regular file, NotHonoured for a URL.

    Devices and FIFOs are not even opened: opening alone may have effects, or wait for a writer for ever.
    """
    if found := URL.match(source):
        raise NotHonoured("source", f"{found[1].lower()} URLs are not built yet; download {source[:200]!r} and give its path")
    if not source or "\0" in source:
        raise InvalidRequest(f"source: {source[:200]!r} is not a path of a tarball")
    try:
        _require_regular(source, Path(source).stat())
        descriptor = os.open(source, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY)
    except OSError as trouble:
        raise InvalidRequest(f"source: {source}: {trouble.strerror}; give the path of a tarball") from None
    with io.FileIO(descriptor) as file:
        _require_regular(source, os.fstat(descriptor))  # what was looked at and what was opened may be two
        yield file


def _require_regular(source: str, found: os.stat_result) -> None:
    if not stat.S_ISREG(found.st_mode):
        kinds = {stat.S_IFDIR: "a directory", stat.S_IFIFO: "a FIFO", stat.S_IFSOCK: "a socket"}
        kind = kinds.get(stat.S_IFMT(found.st_mode), "a device")
        raise InvalidRequest(f"source: {source} is {kind}; give the path of a tarball")


def media_type_of(source: str, beginning: bytes) -> str:
    """The media type of a layer that begins so. Raises NotHonoured for a compression that is not built yet."""
    for magic, compression in UNBUILT.items():
        if beginning.startswith(magic):
            raise NotHonoured(
                "source", f"{source} is compressed with {compression}, which is not built yet; decompress it, or use gzip"
            )
    return media_types.LAYER_GZIP if beginning.startswith(GZIP) else media_types.LAYER_TAR


class Tee(io.RawIOBase):
    """A stream that hands on each byte it reads: what the reader gets, `write` gets too, in the same order and once."""

    def __init__(self, source: io.RawIOBase, write: Callable[[bytes], object]) -> None:
        self._source = source
        self._write = write

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: "memoryview | bytearray", /) -> int:  # type: ignore[override]
        count = self._source.readinto(buffer)
        self._write(bytes(buffer[:count]))
        return count or 0

    def drain(self) -> None:
        """Read to the end what the reader left."""
        while self.read(CHUNK):
            pass
