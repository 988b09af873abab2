"""A stream in blocks of 512 bytes, as tar has it, read forward only and with every read bounded."""

from collections.abc import Iterator
from typing import BinaryIO

from podlink.engine.errors import InvalidArchive

BLOCK = 512
PIECE = 256 * 1024


class Blocks:
    """Reads headers and data off a stream. Memory stays flat: what is asked for at once is a block, a bounded header, a piece."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self.offset = 0
        """Bytes read so far: where in the archive a message points."""
        self.left = 0
        """Data bytes of the current member that nobody has taken, its padding not counted."""
        self._padding = 0

    def block(self) -> bytes:
        """The next block after the current member; b"" at the end of the stream."""
        self._skip(self.left)
        self._read(self._padding)  # of the last member it may be missing, and the end mark with it
        self.left = self._padding = 0
        found = self._read(BLOCK)
        if found and len(found) < BLOCK:
            raise self._truncated("in the middle of a header")
        return found

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

    def pieces(self) -> Iterator[bytes]:
        """The rest of the member's data."""
        while self.left:
            yield self.take(min(self.left, PIECE))

    def drain(self) -> None:
        """Read to the very end of the stream: what follows the last member belongs to the layer's digest too."""
        while self._read(PIECE):
            pass

    def _skip(self, size: int) -> None:
        while size:
            found = len(self._read(min(size, PIECE)))
            if not found:
                raise self._truncated("in the middle of a member")
            size -= found

    def _read(self, size: int) -> bytes:
        """`size` bytes, fewer only at the end: a pipe may give less than was asked for."""
        found = self._stream.read(size)
        if len(found) < size:
            pieces = [found]
            while found and sum(map(len, pieces)) < size:
                found = self._stream.read(size - sum(map(len, pieces)))
                pieces.append(found)
            found = b"".join(pieces)
        self.offset += len(found)
        return found

    def _truncated(self, where: str) -> InvalidArchive:
        return InvalidArchive(f"tar archive: it ends {where}, at byte {self.offset}; the file is cut off, fetch it again")
