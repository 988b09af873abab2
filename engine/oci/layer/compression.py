"""Layers travel compressed; what they are is told by their first bytes, not by what a manifest says of them.

    1f 8b          gzip (RFC 1952), one member or several, one after the other; by the library isal where it is installed
    28 b5 2f fd    zstd (RFC 8878), by the library zstandard; frames to be skipped, 5x 2a 4d 18, may stand before and between
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
from typing import Any, BinaryIO, cast

from podlink.engine.errors import InvalidArchive
from podlink.engine.oci.readable import Readable, read_fully

PIECE = 256 * 1024
GZIP = b"\x1f\x8b"
ZSTD = b"\x28\xb5\x2f\xfd"
SKIPPABLE = b"\x2a\x4d\x18"
"""After a byte from 50 to 5f: a zstd frame that holds nothing of the content (RFC 8878, 3.1.2)."""
XZ = b"\xfd7zXZ\0"
BZIP2 = b"BZh"
NAMES = {GZIP: "gzip", ZSTD: "zstd", XZ: "xz", BZIP2: "bzip2"}
LONGEST_MAGIC = 6
LEVELS = {"zlib": 6, "isal.isal_zlib": 3}
"""How hard to compress, by module: zlib's usual level, and isal's highest, which gives 3 % more bytes in a fifth of the time."""
MEMORY = 2**28
"""Bytes that a decompressor may take for its window: what `xz -9` and `zstd --long=27` ask for, and no more."""
GZIP_FORMAT = 16 + zlib.MAX_WBITS
"""What tells zlib to expect gzip's header and check its trailer."""


def deflate() -> Any:
    """The module zlib, or isal's of the same interface. Late: not everybody who reads layers reads compressed ones."""
    try:
        from isal import isal_zlib
    except ImportError:
        return zlib
    return isal_zlib


def compression_of(beginning: bytes) -> str:
    """The name of the compression of what begins so; empty for none. It takes LONGEST_MAGIC bytes to tell."""
    if beginning[1:4] == SKIPPABLE and beginning[0] >> 4 == 5:
        return "zstd"
    return next((name for magic, name in NAMES.items() if beginning.startswith(magic)), "")


def gzipped(stream: Readable) -> Iterator[bytes]:
    """The stream compressed, piece by piece. On one host the same bytes in give the same bytes out: no name or time is in it."""
    module = deflate()
    member = module.compressobj(LEVELS[module.__name__], zlib.DEFLATED, GZIP_FORMAT)
    while data := stream.read(PIECE):
        yield member.compress(data)
    yield member.flush()


def decompressed(stream: Readable) -> BinaryIO:
    """The plain bytes of the stream. Raises InvalidArchive, while it is read, for damaged data."""
    beginning = read_fully(stream, LONGEST_MAGIC)
    return cast(BinaryIO, io.BufferedReader(_reader(beginning, stream), PIECE))


def _reader(beginning: bytes, stream: Readable) -> "Plain":
    if beginning.startswith(GZIP):
        return Gzip(beginning, stream)
    if beginning.startswith(XZ):
        return Members(beginning, stream, "xz", XZ, lambda: lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=MEMORY))
    if beginning.startswith(BZIP2):
        return Members(beginning, stream, "bzip2", BZIP2, bz2.BZ2Decompressor)
    return Zstd(beginning, stream) if compression_of(beginning) == "zstd" else Plain(beginning, stream)


class Plain(io.RawIOBase):
    """A stream whose beginning has been read already."""

    def __init__(self, beginning: bytes, stream: Readable) -> None:
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

    def __init__(self, beginning: bytes, stream: Readable) -> None:
        super().__init__(beginning, stream)
        self._module = deflate()
        self._member = self._module.decompressobj(GZIP_FORMAT)
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
            except self._module.error as error:
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
        self._member, self._input, self._ended = self._module.decompressobj(GZIP_FORMAT), rest, not rest


class Members(Plain):
    """xz or bzip2: streams one after the other, by the standard library's decompressors."""

    def __init__(self, beginning: bytes, stream: Readable, name: str, magic: bytes, make: Callable[[], Any]) -> None:
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

    def __init__(self, beginning: bytes, stream: Readable) -> None:
        super().__init__(beginning, stream)
        import zstandard  # late: few layers need it

        self._error = zstandard.ZstdError
        source = cast(BinaryIO, Frames(io.BufferedReader(Plain(beginning, stream), PIECE)))
        decompressor = zstandard.ZstdDecompressor(max_window_size=MEMORY)
        self._frames = decompressor.stream_reader(source, read_size=Frames.LARGEST, read_across_frames=True)

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        try:
            data = self._frames.read(len(buffer))
        except self._error as error:
            raise InvalidArchive(f"layer: its zstd data is damaged ({error})") from None
        buffer[: len(data)] = data
        return len(data)


class Frames:
    """The parts of a zstd stream's frames, one a read. RFC 8878, 3.1

        ┌ magic ┐┌ descriptor, window, dictionary, size ┐┌ block header, 3 ┐┌ data ┐ … ┌ checksum, 4 ┐

    The library takes an end of its input anywhere for the end of the frame, and so a stream that was cut off for a whole one:
    where a frame ends is told here. Frames to be skipped are.
    """

    LARGEST = 2**17 + 3
    """Bytes of a block and its header."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._parts = self._walk()

    def read(self, size: int = -1) -> bytes:
        return next(self._parts, b"")

    def _walk(self) -> Iterator[bytes]:
        while magic := self._stream.read(4):
            if magic == ZSTD:
                yield from self._frame(magic)
            elif compression_of(magic) == "zstd":
                self._skip(int.from_bytes(self._exactly(4), "little"))
            else:
                raise InvalidArchive("layer: something that is not zstd follows its zstd data")

    def _frame(self, magic: bytes) -> Iterator[bytes]:
        descriptor = self._exactly(1)
        bits = descriptor[0]
        alone = bits >> 5 & 1  # a single segment: no window is told, and the content's size always is
        size = (0, 1, 2, 4)[bits & 3] + (1 - alone) + (alone, 2, 4, 8)[bits >> 6]
        yield magic + descriptor + self._exactly(size)
        last = 0
        while not last:
            header = self._exactly(3)
            told = int.from_bytes(header, "little")
            last, kind, size = told & 1, told >> 1 & 3, told >> 3
            if size > self.LARGEST - 3 and kind != RLE:
                raise InvalidArchive(f"layer: its zstd data is damaged (a block of {size} bytes)")
            yield header + self._exactly(1 if kind == RLE else size)
        if bits >> 2 & 1:
            yield self._exactly(4)

    def _skip(self, size: int) -> None:
        while size:
            size -= len(self._exactly(min(size, PIECE)))

    def _exactly(self, size: int) -> bytes:
        found = self._stream.read(size)
        if len(found) < size:
            raise InvalidArchive("layer: its zstd data is cut off; fetch it again")
        return found


RLE = 1
"""The type of a block that is one byte, many times over."""
