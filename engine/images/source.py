"""The tarball that ImportImage is given: opened with suspicion, and read once for two readers."""

import io
import os
import re
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

from podlink.engine.cancel import NEVER, Cancel
from podlink.engine.errors import InvalidRequest
from podlink.engine.images.transports.base import Readable
from podlink.engine.oci.distribution import web
from podlink.engine.oci.image import media_types
from podlink.engine.oci.layer.compression import decompressed

URL = re.compile(r"(https?)://", re.IGNORECASE)
GZIP = b"\x1f\x8b"
ZSTD = b"\x28\xb5\x2f\xfd"
STORED_PLAIN = (b"BZh", b"\xfd7zXZ\x00")
"""bzip2 and xz: no layer of an image may be compressed so, hence what they hold is kept instead."""
CHUNK = 1 << 20


@contextmanager
def opened(source: str, cancel: Cancel = NEVER) -> Iterator[io.BufferedReader]:
    """The file at this path, or what is at this http(s) URL. Raises InvalidRequest for what is no regular file,
    RegistryFailed for a URL that gives nothing.

    Devices and FIFOs are not even opened: opening alone may have effects, or wait for a writer for ever.
    """
    if URL.match(source):
        with web.opened(source, dict(os.environ), cancel=cancel) as download:
            yield io.BufferedReader(Plainly(download), CHUNK)
        return
    if not source or "\0" in source:
        raise InvalidRequest(f"source: {source[:200]!r} is not a path of a tarball")
    try:
        _require_regular(source, Path(source).stat())
        descriptor = os.open(source, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY)
    except OSError as trouble:
        raise InvalidRequest(f"source: {source}: {trouble.strerror}; give the path of a tarball") from None
    with io.FileIO(descriptor) as file:
        _require_regular(source, os.fstat(descriptor))  # what was looked at and what was opened may be two
        yield io.BufferedReader(file, CHUNK)


def _require_regular(source: str, found: os.stat_result) -> None:
    if not stat.S_ISREG(found.st_mode):
        kinds = {stat.S_IFDIR: "a directory", stat.S_IFIFO: "a FIFO", stat.S_IFSOCK: "a socket"}
        kind = kinds.get(stat.S_IFMT(found.st_mode), "a device")
        raise InvalidRequest(f"source: {source} is {kind}; give the path of a tarball")


def kept(stream: io.BufferedReader) -> tuple[io.BufferedReader, str]:
    """The stream as its bytes are to be kept, and their media type as a layer."""
    beginning = stream.peek(8)[:8]
    if beginning.startswith(STORED_PLAIN):
        return io.BufferedReader(Plainly(decompressed(stream)), CHUNK), media_types.LAYER_TAR
    if beginning.startswith(ZSTD):
        return stream, media_types.LAYER_ZSTD
    return stream, media_types.LAYER_GZIP if beginning.startswith(GZIP) else media_types.LAYER_TAR


class Plainly(io.RawIOBase):
    """Whatever can be read, as a raw stream."""

    def __init__(self, source: Readable) -> None:
        self._source = source

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: "memoryview | bytearray", /) -> int:  # type: ignore[override]
        data = self._source.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)


class Buffered(Protocol):
    """A buffered stream of the standard library: io.BufferedIOBase.readinto1."""

    def readinto1(self, buffer: "memoryview | bytearray", /) -> int: ...


class Tee(io.RawIOBase):
    """A stream that hands on each byte it reads: what the reader gets, `write` gets too, in the same order and once."""

    def __init__(self, source: Buffered, write: Callable[[bytes], object]) -> None:
        self._source = source
        self._write = write

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: "memoryview | bytearray", /) -> int:  # type: ignore[override]
        count = self._source.readinto1(buffer)
        self._write(bytes(buffer[:count]))
        return count

    def drain(self) -> None:
        """Read to the end what the reader left."""
        while self.read(CHUNK):
            pass
