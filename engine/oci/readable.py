"""What blobs and layers are read from."""

from typing import Protocol


class Readable(Protocol):
    """Bytes in order. An empty answer is the end."""

    def read(self, size: int = -1, /) -> bytes:
        """At most `size` bytes (all of them for a negative size); fewer than asked for say nothing about the end."""
        ...


class Rereadable(Readable, Protocol):
    """Bytes that can be had again, for a place that has lost them."""

    def seek(self, offset: int, /) -> int:
        """Go on with the byte at this offset."""
        ...


def read_fully(content: Readable, size: int) -> bytes:
    """As many bytes as asked for, fewer only at the end."""
    pieces, left = [], size
    while left > 0 and (piece := content.read(left)):
        pieces.append(piece)
        left -= len(piece)
    return b"".join(pieces)
