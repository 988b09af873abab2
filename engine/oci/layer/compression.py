"""Layers travel compressed; what they are is told by their first bytes, not by what a manifest says of them.

    1f 8b          gzip (RFC 1952), one member or several, one after the other
    28 b5 2f fd    zstd (RFC 8878), by the library zstandard
    fd 37 7a 58    xz
    42 5a 68       bzip2
    anything else  taken for a plain tar; the tar reader has the last word

Compressed data is hostile: a kilobyte may be a gigabyte. It is unpacked a piece at a time, as the reader asks for it, so that
whoever counts what comes out can stop it; memory stays flat.
"""

import bz2
import io
import lzma
import zlib
from collections.abc import Callable, Iterator
from typing import Any, BinaryIO, Protocol, cast

from podlink.engine.errors import InvalidArchive

PIECE = 256 * 1024
GZIP = b"\x1f\x8b"
ZSTD = b"\x28\xb5\x2f\xfd"
XZ = b"\xfd7zXZ\0"
BZIP2 = b"BZh"
NAMES = {GZIP: "gzip", ZSTD: "zstd", XZ: "xz", BZIP2: "bzip2"}
LONGEST_MAGIC = 6
LEVEL = 6
MEMORY = 2**28
"""Bytes that a decompressor may take for its window: what `xz -9` and `zstd --long=27` ask for, and no more."""
GZIP_FORMAT = 16 + zlib.MAX_WBITS
"""What tells zlib to expect gzip's header and check its trailer."""


def compression_of(beginning: bytes) -> str:
    """The name of the compression of what begins so; empty for none. It takes LONGEST_MAGIC bytes to tell."""
    return next((name for magic, name in NAMES.items() if beginning.startswith(magic)), "")


class Readable(Protocol):
    """Bytes in order; an empty answer is the end."""

    def read(self, size: int = -1, /) -> bytes: ...


def gzipped(stream: Readable) -> Iterator[bytes]:
    """The stream compressed, piece by piece. The same bytes in give the same bytes out: no name and no time are put in."""
    member = zlib.compressobj(LEVEL, zlib.DEFLATED, GZIP_FORMAT)
    while data := stream.read(PIECE):
        yield member.compress(data)
    yield member.flush()


def decompressed(stream: BinaryIO) -> BinaryIO:
    """The plain bytes of the stream. Raises InvalidArchive, while it is read, for damaged data."""
    beginning = b""
    while len(beginning) < LONGEST_MAGIC and (more := stream.read(LONGEST_MAGIC - len(beginning))):
        beginning += more
    return cast(BinaryIO, io.BufferedReader(_reader(beginning, stream), PIECE))


def _reader(beginning: bytes, stream: BinaryIO) -> "Plain":
    if beginning.startswith(GZIP):
        return Gzip(beginning, stream)
    if beginning.startswith(XZ):
        return Members(beginning, stream, "xz", XZ, lambda: lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=MEMORY))
    if beginning.startswith(BZIP2):
        return Members(beginning, stream, "bzip2", BZIP2, bz2.BZ2Decompressor)
    return Zstd(beginning, stream) if beginning.startswith(ZSTD) else Plain(beginning, stream)


class Plain(io.RawIOBase):
    """A stream whose beginning has been read already."""

    def __init__(self, beginning: bytes, stream: BinaryIO) -> None:
        self._beginning = beginning
        self._stream = stream

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        data = self._some(len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def _some(self, size: int) -> bytes:
        """At most so many bytes; b"" at the end."""
        data, self._beginning = self._beginning[:size], self._beginning[size:]
        return data or self._stream.read(size)


class Gzip(Plain):
    """The members of a gzip stream, joined. Zeros after the last are padding, as of a tape; anything else is damage."""

    def __init__(self, beginning: bytes, stream: BinaryIO) -> None:
        super().__init__(beginning, stream)
        self._member = zlib.decompressobj(GZIP_FORMAT)
        self._input = b""
        self._ended = False

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        while not self._ended:
            if self._member.eof:
                self._next_member()
                continue
            self._input = self._input or self._some(PIECE)
            try:
                data = self._member.decompress(self._input, len(buffer))
            except zlib.error as error:
                raise InvalidArchive(f"layer: its gzip data is damaged ({error})") from None
            if not self._input and not data:
                raise InvalidArchive("layer: its gzip data is cut off; fetch it again")
            self._input = self._member.unconsumed_tail
            if data:
                buffer[: len(data)] = data
                return len(data)
        return 0

    def _next_member(self) -> None:
        """Begin with the member that follows, or find the end."""
        rest = self._member.unused_data.lstrip(b"\0")
        while not rest and (more := self._some(PIECE)):
            rest = more.lstrip(b"\0")
        while 0 < len(rest) < len(GZIP) and (more := self._some(PIECE)):
            rest += more
        if rest and not rest.startswith(GZIP):
            raise InvalidArchive("layer: something that is not gzip follows its gzip data")
        self._member, self._input, self._ended = zlib.decompressobj(GZIP_FORMAT), rest, not rest


class Members(Plain):
    """xz or bzip2: streams one after the other, by the standard library's decompressors."""

    def __init__(self, beginning: bytes, stream: BinaryIO, name: str, magic: bytes, make: Callable[[], Any]) -> None:
        super().__init__(beginning, stream)
        self._name, self._magic, self._make = name, magic, make
        self._member = make()
        self._ended = False

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        while not self._ended:
            if self._member.eof:
                self._next_member()
                continue
            data = self._some(PIECE) if self._member.needs_input else b""
            if not data and self._member.needs_input:
                raise InvalidArchive(f"layer: its {self._name} data is cut off; fetch it again")
            try:
                found = self._member.decompress(data, len(buffer))
            except (lzma.LZMAError, OSError, EOFError) as error:
                raise InvalidArchive(f"layer: its {self._name} data is damaged ({error})") from None
            if found:
                buffer[: len(found)] = found
                return len(found)
        return 0

    def _next_member(self) -> None:
        rest = self._member.unused_data.lstrip(b"\0")
        while len(rest) < len(self._magic) and (more := self._some(PIECE)):
            rest = (rest + more).lstrip(b"\0")
        if rest and not rest.startswith(self._magic):
            raise InvalidArchive(f"layer: something that is not {self._name} follows its {self._name} data")
        self._beginning, self._ended, self._member = rest, not rest, self._make()


class Zstd(Plain):
    """The frames of a zstd stream, joined."""

    def __init__(self, beginning: bytes, stream: BinaryIO) -> None:
        super().__init__(beginning, stream)
        import zstandard  # late: few layers need it

        self._error = zstandard.ZstdError
        source = cast(BinaryIO, io.BufferedReader(Plain(beginning, stream), PIECE))
        self._frames = zstandard.ZstdDecompressor(max_window_size=MEMORY).stream_reader(source, read_across_frames=True)

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        try:
            data = self._frames.read(len(buffer))
        except self._error as error:
            raise InvalidArchive(f"layer: its zstd data is damaged ({error})") from None
        buffer[: len(data)] = data
        return len(data)
