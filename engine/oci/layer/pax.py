"""Extended headers of pax(1) (POSIX.1-2008, "pax Extended Header"), and where GNU tar hides holes in them.

"30 mtime=1700000000.123456789\\n"         the record's own length in decimal, a space, key, "=", value, newline
"33 SCHILY.xattr.user.note=hello\\n"       an extended attribute; the value is raw bytes
"""

import os
from collections.abc import Callable, Iterator, Mapping

from podlink.engine.errors import InvalidArchive

Segments = tuple[tuple[int, int], ...]
XATTR = b"SCHILY.xattr."
SPARSE_BLOCK = 512


def records(text: bytes) -> Iterator[tuple[bytes, bytes]]:
    """The keys and values of an extended header. A key may come again: GNU tar's oldest sparse form does that."""
    at = 0
    while at < len(text):
        head, space, _ = text[at : at + 20].partition(b" ")
        end = at + (number(head) if space else 0)
        record = text[at + len(head) + 1 : end]
        key, equals, value = record.partition(b"=")
        if not (key and equals and value.endswith(b"\n") and end <= len(text)):
            raise InvalidArchive(f"tar archive: an extended header has a malformed record {text[at : at + 40]!r}")
        yield key, value[:-1]
        at = end


def number(text: bytes) -> int:
    """A decimal number without sign."""
    if not (0 < len(text) <= 20 and text.isdigit()):
        raise InvalidArchive(f"tar archive: an extended header has {text[:40]!r} where a number belongs")
    return int(text)


def nanoseconds(text: bytes) -> int:
    """A time such as `-1.5`, to the nanosecond and without the detour of floating point."""
    whole, _, fraction = text.removeprefix(b"-").partition(b".")
    found = number(whole) * 10**9 + (number(fraction[:9].ljust(9, b"0")) if fraction else 0)
    return -found if text.startswith(b"-") else found


def sparse(pax: Mapping[bytes, bytes], pairs: list[int], read: Callable[[int], bytes], bound: int) -> Segments | None:
    """Where a file's data goes, in the three forms that GNU tar has had under pax; None for a file without holes.

    0.0: `GNU.sparse.offset` and `.numbytes` again and again, gathered in `pairs`. 0.1: one list in `GNU.sparse.map`.
    1.0: decimal lines at the beginning of the data, filled up to a block, which `read` reads; no more than `bound` bytes.
    """
    if pax.get(b"GNU.sparse.major") == b"1":
        return paired(_lines(read, bound))
    if b"GNU.sparse.map" in pax:
        return paired([number(text) for text in pax[b"GNU.sparse.map"].split(b",") if text])
    return paired(pairs) if pairs else None


def _lines(read: Callable[[int], bytes], bound: int) -> list[int]:
    """The count of segments, then their offsets and lengths, a line each."""
    text, lines, wanted = bytearray(), 0, 1
    while lines < wanted:
        if len(text) >= bound:
            raise InvalidArchive(f"tar archive: a map of holes is longer than the limit of {bound} bytes")
        block = read(SPARSE_BLOCK)
        if not lines and b"\n" in block:
            wanted = 1 + 2 * number(bytes(text) + block.partition(b"\n")[0])
        text += block
        lines += block.count(b"\n")
    return [number(bytes(line)) for line in text.split(b"\n")[1:wanted]]


def paired(numbers: list[int]) -> Segments:
    """Offsets and lengths in turn, as pairs."""
    if len(numbers) % 2:
        raise InvalidArchive("tar archive: a map of holes has an offset without a length")
    return tuple(zip(numbers[::2], numbers[1::2], strict=True))


def check_holes(segments: Segments, size: int, stored: int) -> None:
    """Refuse a map that does not lie in order within the file, or that the archive's data does not fill."""
    end = 0
    for offset, length in segments:
        if offset < end or length < 0 or offset + length > size:
            raise InvalidArchive(f"tar archive: a map of holes has {length} bytes at {offset} in a file of {size}")
        end = offset + length
    if sum(length for _, length in segments) != stored:
        raise InvalidArchive(f"tar archive: a map of holes does not add up to the {stored} bytes that are stored")


def xattrs(pax: Mapping[bytes, bytes]) -> dict[str, bytes]:
    """The extended attributes among an extended header's records."""
    for key in pax:
        if key.startswith(XATTR) and b"\0" in key:
            raise InvalidArchive(f"tar archive: an extended header has a zero byte in the name of an attribute, {key[:40]!r}")
    return {os.fsdecode(key.removeprefix(XATTR)): value for key, value in pax.items() if key.startswith(XATTR)}
