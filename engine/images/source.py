"""The tarball that ImportImage is given: opened with suspicion, and read once for two readers."""

import io
import os
import re
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol, cast

from podlink.engine.cancel import NEVER, Cancel
from podlink.engine.errors import Cancelled, InvalidRequest
from podlink.engine.oci.distribution import web
from podlink.engine.oci.image import media_types
from podlink.engine.oci.layer.compression import LONGEST_MAGIC, Plain, compression_of, decompressed
from podlink.engine.oci.readable import Readable, read_fully

URL = re.compile(r"(https?)://", re.IGNORECASE)
MEDIA_TYPES = media_types.LAYERS[media_types.MANIFEST]
CHUNK = 1 << 20


@contextmanager
def opened(source: str, cancel: Cancel = NEVER) -> Iterator[Readable]:
    """The file at this path, or what is at this http(s) URL. Raises InvalidRequest for what is no regular file,
    RegistryFailed for a URL that gives nothing.

    Devices and FIFOs are not even opened: opening alone may have effects, or wait for a writer for ever.
    """
    if URL.match(source):
        with web.opened(source, dict(os.environ), cancel=cancel) as download:
            yield download
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
        yield _Awaited(file, cancel)


def shown(source: str) -> str:
    """What `opened` takes, as messages call it: a URL without its password."""
    return web.without_login(source)[0] if URL.match(source) else source


def _require_regular(source: str, found: os.stat_result) -> None:
    if not stat.S_ISREG(found.st_mode):
        kinds = {stat.S_IFDIR: "a directory", stat.S_IFIFO: "a FIFO", stat.S_IFSOCK: "a socket"}
        kind = kinds.get(stat.S_IFMT(found.st_mode), "a device")
        raise InvalidRequest(f"source: {source} is {kind}; give the path of a tarball")


def kept(source: Readable) -> tuple["Buffered", str]:
    """The tarball as its bytes are to be kept, and their media type as a layer.

    No layer of an image may be compressed with bzip2 or xz, so of these what they hold is kept.
    """
    beginning = read_fully(source, LONGEST_MAGIC)
    whole, compression = Plain(beginning, source), compression_of(beginning)
    if compression in MEDIA_TYPES:
        return io.BufferedReader(whole, CHUNK), MEDIA_TYPES[compression]
    return cast(Buffered, decompressed(whole)), MEDIA_TYPES[""]


class _Awaited:
    """A file for as long as somebody waits for what comes of it."""

    def __init__(self, file: Readable, cancel: Cancel) -> None:
        self._file, self._cancel = file, cancel

    def read(self, size: int = -1, /) -> bytes:
        if self._cancel.is_set():
            raise Cancelled("the caller left before all of it was read")
        return self._file.read(size)


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
