"""Layers travel compressed; what they are is told by their first bytes, not by what a manifest says of them.

    1f 8b          gzip (RFC 1952), one member or several, one after the other
    28 b5 2f fd    zstd      ┐
    fd 37 7a 58    xz        ├ known by name, and refused
    42 5a 68       bzip2     ┘
    anything else  taken for a plain tar; the tar reader has the last word

Compressed data is hostile: a kilobyte may be a gigabyte. It is unpacked a piece at a time, as the reader asks for it, so that
whoever counts what comes out can stop it; memory stays flat.
"""

import io
import zlib
from typing import BinaryIO, cast

from podlink.engine.errors import InvalidArchive

PIECE = 256 * 1024
GZIP = b"\x1f\x8b"
REFUSED = {b"\x28\xb5\x2f\xfd": "zstd", b"\xfd7zXZ\0": "xz", b"BZh": "bzip2"}
LONGEST_MAGIC = 6
GZIP_FORMAT = 16 + zlib.MAX_WBITS
"""What tells zlib to expect gzip's header and check its trailer."""


def decompressed(stream: BinaryIO) -> BinaryIO:
    """The plain bytes of the stream. Raises InvalidArchive here for a compression that is not read, later for damaged data."""
    beginning = b""
    while len(beginning) < LONGEST_MAGIC and (more := stream.read(LONGEST_MAGIC - len(beginning))):
        beginning += more
    for magic, name in REFUSED.items():
        if beginning.startswith(magic):
            raise InvalidArchive(f"layer: it is compressed with {name}, which is not supported; gzip and plain tar are")
    reader = Gzip if beginning.startswith(GZIP) else Plain
    return cast(BinaryIO, io.BufferedReader(reader(beginning, stream), PIECE))


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
