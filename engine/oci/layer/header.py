"""One block of 512 bytes as a tar header: tar(5), POSIX.1-2008 pax(1) "ustar Interchange Format", and GNU tar's own.

    0    100  108  116  124   136    148    156  157   257    265    297    329  337  345      500
    name mode uid  gid  size  mtime  check  type link  magic  owner  group  major minor prefix

Numbers are octal text, or, where the first byte has its high bit set, big-endian two's complement.
"""

import struct
from dataclasses import dataclass

from podlink.engine.errors import InvalidArchive

LAYOUT = struct.Struct("100s8s8s8s12s12s8sc100s8s32s32s8s8s155s12x")
CHECKSUM = slice(148, 156)
GNU_MAGIC = b"ustar  \0"
ZEROS = bytes(LAYOUT.size)


@dataclass(frozen=True, slots=True)
class Header:
    """The fields as they stand in the block; extended headers may say otherwise. type: one byte."""

    name: bytes
    mode: int
    uid: int
    gid: int
    size: int
    mtime: int
    type: bytes
    link: bytes
    major: int
    minor: int


def parse(block: bytes) -> Header:
    """Read a block that is not all zeros. Raises InvalidArchive where its checksum says that it is no header."""
    name, mode, uid, gid, size, mtime, check, kind, link, magic, _, _, major, minor, prefix = LAYOUT.unpack(block)
    if number(check) != sum(block) - sum(check) + 8 * ord(" "):  # the sum is taken with spaces in its own field
        raise InvalidArchive("the checksum of a header is wrong")
    name = text(name)
    if magic != GNU_MAGIC and (head := text(prefix)):  # GNU tar may have times where ustar has the head of a long name
        name = head + b"/" + name
    return Header(
        name,
        number(mode),
        number(uid),
        number(gid),
        number(size),
        number(mtime),
        kind,
        text(link),
        number(major),
        number(minor),
    )


def text(field: bytes) -> bytes:
    """A field of text ends at its first zero byte, or fills the field."""
    return field.partition(b"\0")[0]


def number(field: bytes) -> int:
    """A field that holds a number."""
    if field[0] & 0x80:
        value = int.from_bytes(field, "big", signed=True)
        return value if field[0] & 0x40 else value + (1 << (8 * len(field) - 1))  # 0x80 marks a positive one
    digits = field.partition(b"\0")[0].strip()
    if digits.strip(b"01234567"):  # int() would take a sign, a prefix, underscores
        raise InvalidArchive(f"a header has {field!r} where an octal number belongs")
    return int(digits, 8) if digits else 0


def holes(block: bytes, at: int, count: int) -> list[int]:
    """Offsets and lengths in turn, `count` pairs from byte `at`: GNU tar's old map of a file with holes. (0, 0) ends it early."""
    found: list[int] = []
    for place in range(at, at + 24 * count, 24):
        pair = number(block[place : place + 12]), number(block[place + 12 : place + 24])
        if not any(block[place : place + 24]):
            break
        found += pair
    return found
