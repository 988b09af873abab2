"""A stream in blocks of 512 bytes, as tar has it, read forward only and with every read bounded."""

import os
from collections.abc import Iterable, Iterator
from typing import BinaryIO

from podlink.engine.errors import InvalidArchive

BLOCK = 512
PIECE = 256 * 1024


class Blocks:
    """Reads headers and data off a stream, a piece at a time: most members lie within one, and are given as slices of it.

    Memory stays flat: what is kept at once is a piece, or a bounded header. seeks: data that nobody takes is leapt over, so that
    where it ends is the caller's to check.
    """

    def __init__(self, stream: BinaryIO, seeks: bool = False) -> None:
        self._stream, self._seeks = stream, seeks
        self._size = BLOCK if seeks else PIECE
        self._piece, self._view = b"", memoryview(b"")
        self._before, self._at = 0, 0
        """Bytes of the stream that came before the piece, and how many of the piece are taken."""
        self.left = 0
        """Data bytes of the current member that nobody has taken, its padding not counted."""
        self._padding = 0

    @property
    def offset(self) -> int:
        """Bytes read so far: where in the archive a message points."""
        return self._before + self._at

    def block(self) -> bytes:
        """The next block after the current member; b"" at the end of the stream."""
        end = self._at + self.left + self._padding + BLOCK
        if end > len(self._piece):
            return self._distant_block()
        self._at, self.left, self._padding = end, 0, 0
        return self._piece[end - BLOCK : end]

    def begin(self, size: int) -> None:
        """A member's data follows: `size` bytes, and zeros up to a whole block."""
        self.left, self._padding = size, -size % BLOCK

    def take(self, size: int) -> bytes:
        """Exactly so many bytes of the member's data."""
        if size > self.left:
            raise InvalidArchive(f"tar archive: a header at byte {self.offset} wants more data than its member has")
        found = self._read(size)
        if len(found) < size:
            raise self._truncated("in the middle of a member")
        self.left -= size
        return found

    def pieces(self) -> Iterable[memoryview]:
        """The rest of the member's data."""
        if self._at + self.left > len(self._piece):
            return self._distant_pieces()
        begin, self._at, self.left = self._at, self._at + self.left, 0
        return (self._view[begin : self._at],) if begin < self._at else ()

    def drain(self) -> None:
        """Read to the very end of the stream: what follows the last member belongs to the layer's digest too."""
        while self._more():
            pass

    def _distant_block(self) -> bytes:
        self._skip(self.left)
        self._read(self._padding)  # of the last member it may be missing, and the end mark with it
        self.left = self._padding = 0
        found = self._read(BLOCK)
        if found and len(found) < BLOCK:
            raise self._truncated("in the middle of a header")
        return found

    def _distant_pieces(self) -> Iterator[memoryview]:
        while self.left:
            if self._at == len(self._piece) and not self._more():
                raise self._truncated("in the middle of a member")
            piece = self._view[self._at : self._at + self.left]
            self._at += len(piece)
            self.left -= len(piece)
            yield piece

    def _skip(self, size: int) -> None:
        while size > (here := len(self._piece) - self._at):
            size -= here
            if self._seeks:
                self._stream.seek(size, os.SEEK_CUR)
                self._before, self._at, self._piece = self.offset + here + size, 0, b""
                return
            if not self._more():
                raise self._truncated("in the middle of a member")
        self._at += size

    def _read(self, size: int) -> bytes:
        """`size` bytes, fewer only at the end."""
        found = [self._piece[self._at : self._at + size]]
        self._at += len(found[0])
        while (size := size - len(found[-1])) and self._more():
            found.append(self._piece[:size])
            self._at = len(found[-1])
        return b"".join(found)

    def _more(self) -> bool:
        """The piece that follows; false at the end of the stream. A pipe may give less than was asked for."""
        self._before += len(self._piece)
        self._piece, self._at = self._stream.read(self._size), 0
        self._view = memoryview(self._piece)
        return bool(self._piece)

    def _truncated(self, where: str) -> InvalidArchive:
        return InvalidArchive(f"tar archive: it ends {where}, at byte {self.offset}; the file is cut off, fetch it again")
