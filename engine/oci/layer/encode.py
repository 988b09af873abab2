"""An entry as blocks of a tar: the other direction of `archive`. POSIX.1-2008 pax(1), tar(5)

    ┌ header 'x', its records ┐┌ header ┐ data, padded to 512          only what a plain header can't say is in a record:

    path, linkpath      over 100 bytes, or UTF-8 beyond ASCII           mtime          fractions, before 1970
    uid, gid, size      beyond the octal digits of their fields         SCHILY.xattr.… extended attributes

Names that are no UTF-8 go as they are: into the header while they fit, else into a record that is marked (`hdrcharset=BINARY`).
A file with holes is written in GNU tar's form 1.0: a map of its data comes first, in decimal lines.
"""

import os
from collections.abc import Iterator
from functools import lru_cache

from podlink.engine.oci.layer.blocks import BLOCK
from podlink.engine.oci.layer.entry import Entry, Kind
from podlink.engine.oci.layer.header import CHECKSUM, LAYOUT
from podlink.engine.oci.layer.pax import XATTR

TYPES = {
    Kind.FILE: b"0",
    Kind.HARD_LINK: b"1",
    Kind.SYMLINK: b"2",
    Kind.CHARACTER: b"3",
    Kind.BLOCK: b"4",
    Kind.DIRECTORY: b"5",
    Kind.FIFO: b"6",
}
MAGIC = b"ustar\x0000"
NAME = 100
EXTENDED = b"././@PaxHeader"
END = bytes(2 * BLOCK)
Records = Iterator[tuple[bytes, bytes]]


def encode(entry: Entry) -> bytes:
    """All that comes before the entry's data; the data is to be padded with `padding`."""
    name = entry.name + b"/" if entry.kind is Kind.DIRECTORY else entry.name
    name = name if entry.name else b"./"
    holes = _hole_map(entry.segments) if entry.segments is not None else b""
    stored = len(holes) + sum(length for _, length in entry.segments) if entry.segments is not None else entry.size
    extended = b"".join(_record(key, value) for key, value in _records(entry, name, stored))
    block = _header(name, TYPES[entry.kind], stored, entry)
    if not extended:
        return block + holes
    return b"".join((_announced(len(extended)), extended, padding(len(extended)), block, holes))


@lru_cache(64)
def _announced(size: int) -> bytes:
    """The header of an extended header of so many bytes."""
    return _header(EXTENDED, b"x", size, Entry(name=EXTENDED, kind=Kind.FILE, mode=0o644, uid=0, gid=0, mtime=0))


def padding(size: int) -> bytes:
    """What fills the last block of so many bytes."""
    return bytes(-size % BLOCK)


def _records(entry: Entry, name: bytes, stored: int) -> Records:
    if not (_utf8(name) or len(name) <= NAME) or not (_utf8(entry.link) or len(entry.link) <= NAME):
        yield b"hdrcharset", b"BINARY"
    if entry.segments is not None:
        yield from ((b"GNU.sparse.major", b"1"), (b"GNU.sparse.minor", b"0"))
        yield from ((b"GNU.sparse.name", name), (b"GNU.sparse.realsize", b"%d" % entry.size))
    elif _needs_record(name):
        yield b"path", name
    if _needs_record(entry.link):
        yield b"linkpath", entry.link
    for key, number, digits in ((b"uid", entry.uid, 7), (b"gid", entry.gid, 7), (b"size", stored, 11)):
        if _small(number, digits) != number:
            yield key, b"%d" % number
    seconds, fraction = divmod(abs(entry.mtime), 10**9)
    if fraction or entry.mtime < 0 or _small(seconds, 11) != seconds:
        sign = b"-" if entry.mtime < 0 else b""
        yield b"mtime", sign + (b"%d.%09d" % (seconds, fraction)).rstrip(b"0").rstrip(b".")
    for attribute, value in sorted(entry.xattrs.items()):
        yield XATTR + os.fsencode(attribute), value


def _header(name: bytes, kind: bytes, size: int, entry: Entry) -> bytes:
    """One block. Of a name that is too long its beginning stands here; where a record has it whole, nobody looks."""
    block = LAYOUT.pack(
        name[:NAME],
        b"%07o" % entry.mode,
        b"%07o" % _small(entry.uid, 7),
        b"%07o" % _small(entry.gid, 7),
        b"%011o" % _small(size, 11),
        b"%011o" % _small(max(entry.mtime, 0) // 10**9, 11),
        b" " * 8,  # in place of the sum, for the sum
        kind,
        entry.link[:NAME],
        MAGIC,
        b"",
        b"",
        *(b"%07o" % number for number in entry.device),
        b"",
    )
    return b"%b%06o\0 %b" % (block[: CHECKSUM.start], sum(block), block[CHECKSUM.stop :])


def _record(key: bytes, value: bytes) -> bytes:
    """`30 mtime=…\\n`: the length counts its own digits."""
    rest = len(key) + len(value) + 3
    size = rest + len(str(rest))
    size = rest + len(str(size))
    return b"%d %b=%b\n" % (size, key, value)


def _hole_map(segments: tuple[tuple[int, int], ...]) -> bytes:
    """The count of segments, then their offsets and lengths, a line each, up to the end of a block."""
    numbers = [len(segments), *(number for segment in segments for number in segment)]
    text = b"".join(b"%d\n" % number for number in numbers)
    return text + padding(len(text))


def _needs_record(name: bytes) -> bool:
    return len(name) > NAME or (not name.isascii() and _utf8(name))


def _small(number: int, digits: int) -> int:
    """A number as its field can say it: 0 where a record has to."""
    return number if number < 8**digits else 0


def _utf8(name: bytes) -> bool:
    try:
        name.decode()
    except UnicodeDecodeError:
        return False
    return True
