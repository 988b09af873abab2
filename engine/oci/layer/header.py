"""One block of 512 bytes as a tar header: tar(5), POSIX.1-2008 pax(1) "ustar Interchange Format", and GNU tar's own.

    0    100  108  116  124   136    148    156  157   257    265    297    329  337  345      500
    name mode uid  gid  size  mtime  check  type link  magic  owner  group  major minor prefix

Numbers are octal text, or, where the first byte has its high bit set, big-endian two's complement.
"""

import re
import struct
from functools import lru_cache
from typing import NamedTuple
from zlib import adler32

from podlink.engine.errors import InvalidArchive

LAYOUT = struct.Struct("100s8s8s8s12s12s8sc100s8s32s32s8s8s155s12x")
CHECKSUM = slice(148, 156)
USUAL = re.compile(rb"(?:[0-7]{7}\0){3}[0-7]{11}[\0 ][0-7]{11}[\0 ][0-7]{6}\0 ")
"""Mode to checksum as nearly every writer has them: one look, and then they are plain octal numbers."""
NO_DEVICE = frozenset({bytes(16), 2 * b"0000000\0"})
ASCII = bytes(range(128))
GNU_MAGIC = b"ustar  \0"
ZEROS = bytes(LAYOUT.size)
SPACES = 8 * ord(" ")
"""The sum is taken with spaces in its own field."""


class Header(NamedTuple):
    """The fields as they stand in the block; extended headers may say otherwise. mtime: nanoseconds. type: one byte."""

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
    if USUAL.match(block, 100):
        mode, uid, gid = _rights(block[100:124])
        size, mtime, check = int(block[124:135], 8), int(block[136:147], 8), int(block[148:154], 8)
    else:
        mode, uid, gid, size, mtime, check = [number(field) for field in LAYOUT.unpack(block)[1:7]]
    if check != (found := total(block) - sum(block[CHECKSUM]) + SPACES) and check != found - 256 * _negatives(block):
        raise InvalidArchive("the checksum of a header is wrong")
    name = text(block[:100])
    if block[345] and block[257:265] != GNU_MAGIC:  # GNU tar may have times where ustar has the head of a long name
        name = text(block[345:500]) + b"/" + name
    link = text(block[157:257]) if block[157] else b""
    major, minor = (0, 0) if block[329:345] in NO_DEVICE else (number(block[329:337]), number(block[337:345]))
    return Header(name, mode, uid, gid, size, mtime * 10**9, block[156:157], link, major, minor)


@lru_cache(256)
def _rights(fields: bytes) -> tuple[int, int, int]:
    """Mode and owners. An archive has few that differ."""
    return int(fields[:7], 8), int(fields[8:15], 8), int(fields[16:23], 8)


def total(block: bytes) -> int:
    """The sum of a block's bytes: half of Adler-32 (RFC 1950), below its modulus for so few, and a tenth of the time of sum()."""
    return (adler32(block[:256]) & 0xFFFF) + (adler32(block[256:]) & 0xFFFF) - 2


def _negatives(block: bytes) -> int:
    """How many bytes count less by 256 where they are summed as signed ones, as the tars of Sun did."""
    return len((block[: CHECKSUM.start] + block[CHECKSUM.stop :]).translate(None, ASCII))


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
