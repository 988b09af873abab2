"""A tar stream as entries: ustar, pax and GNU, with long names, extended attributes and holes. tar(5), pax(1)

    ┌ header, 512 ┐┌ extended header, its data ┐┌ header ┐┌ data, padded to 512 ┐ … ┌ two blocks of zeros ┐┌ padding ┐
      'x' or 'L'      path=usr/share/…             '0'

Why not the standard library's `tarfile`: it remembers every member, reads extended headers of any size into memory, takes the
mere end of the stream for the end of the archive, and looks owners up by name. Here memory is flat and each read is bounded.
"""

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import BinaryIO, NamedTuple

from podlink.engine.config import Limits
from podlink.engine.errors import InvalidArchive
from podlink.engine.oci.layer import header, pax
from podlink.engine.oci.layer.blocks import BLOCK, Blocks
from podlink.engine.oci.layer.entry import HIGHEST_ID, NO_XATTRS, TIMES, Data, Entry, Kind, path_of, shown
from podlink.engine.oci.layer.header import Header

KINDS = {
    b"0": Kind.FILE,
    b"\0": Kind.FILE,
    b"7": Kind.FILE,
    b"S": Kind.FILE,
    b"1": Kind.HARD_LINK,
    b"2": Kind.SYMLINK,
    b"3": Kind.CHARACTER,
    b"4": Kind.BLOCK,
    b"5": Kind.DIRECTORY,
    b"D": Kind.DIRECTORY,  # GNU tar --incremental: a listing of the directory follows as data, and is passed over
    b"6": Kind.FIFO,
}
EXTENDS = frozenset({b"x", b"X", b"g", b"L", b"K"})
"""Extended headers: of the next member by pax, of all that follow, and GNU's long name and long link."""
LINKS, DEVICES = b"12", b"34"
HEADER_ONLY = b"123456"
"""Types that no data follows, whatever their size says."""
GNU_SPARSE = b"S"
GLOBAL = (b"path", b"linkpath", b"size", b"uid", b"gid", b"mtime")
"""What a global header may say of all members that follow. Nothing else of it is kept: it would grow with each one."""
LARGEST = 2**63 - 1
"""Bytes of a file: off_t."""
MAJORS, MINORS = range(2**12), range(2**20)
"""The device numbers that Linux has: include/linux/kdev_t.h."""
VOLUME = b"V"
"""GNU tar's label of an archive: no member."""
IDS = range(HIGHEST_ID + 1)
NOTHING: Mapping[bytes, bytes] = {}


@dataclass(slots=True)
class Extension:
    """What extended headers say of the member that follows them. pairs: GNU.sparse.offset and .numbytes in turn."""

    name: bytes | None = None
    link: bytes | None = None
    pax: dict[bytes, bytes] = field(default_factory=dict)
    pairs: list[int] = field(default_factory=list)


class Place(NamedTuple):
    """Where in an archive a member's data is stored, in bytes."""

    offset: int
    size: int


def places(stream: BinaryIO, limits: Limits) -> Iterator[tuple[Entry, Place]]:
    """The members of an archive that can be read in any order: nothing is read but headers. Raises InvalidArchive."""
    end = stream.seek(0, os.SEEK_END)
    stream.seek(0)
    archive = Archive(stream, limits, seeks=True)
    for entry, _ in archive:
        place = archive.place()
        if place.offset + place.size > end:
            raise InvalidArchive(
                f"tar archive: it ends in the middle of a member, at byte {end}; the file is cut off, fetch it again"
            )
        yield entry, place


class Archive:
    """Iterate over it once: each entry with its data, which is to be read before the next entry is asked for.

    At the end the stream has been read to its very end. Raises InvalidArchive.
    """

    def __init__(self, stream: BinaryIO, limits: Limits, *, seeks: bool = False) -> None:
        self._blocks = Blocks(stream, seeks)
        self._limits = limits
        self._global: dict[bytes, bytes] = {}
        self._extension = Extension()
        self._extended = 0
        """Bytes of the extended headers before the next member; it has some, or the extension is an empty one."""

    def __iter__(self) -> Iterator[tuple[Entry, Data]]:
        count = 0
        while block := self._next():
            found = self._parsed(block)
            count += 1
            if count > self._limits.entries:
                raise InvalidArchive(f"layer: more than the limit of {self._limits.entries} entries")
            if found.type in EXTENDS:
                self._extend(found, self._extension)
                continue
            if found.type != VOLUME:
                yield self._entry(found, block), self._blocks
            if self._extended:
                self._extension, self._extended = Extension(), 0
        self._blocks.drain()

    def place(self) -> Place:
        """Where the data of the entry that was given last is."""
        return Place(self._blocks.offset, self._blocks.left)

    def _next(self) -> bytes | None:
        """The next header's block; None at the end of the archive, which is a block of zeros, not the end of the stream."""
        block = self._blocks.block()
        if block:
            return None if block == header.ZEROS else block
        if self._blocks.offset and not self._limits.end_mark:
            return None
        if self._blocks.offset:
            raise InvalidArchive(
                f"tar archive: it ends without its end mark, at byte {self._blocks.offset}; the file is cut off, fetch it again"
            )
        raise InvalidArchive("not a tar archive: it is empty")

    def _parsed(self, block: bytes) -> Header:
        at = self._blocks.offset - BLOCK
        try:
            found = header.parse(block)
        except InvalidArchive as error:
            raise InvalidArchive(f"tar archive: at byte {at}: {error}; it is damaged" if at else "not a tar archive") from None
        if not 0 <= found.size <= LARGEST:
            raise InvalidArchive(f"tar archive: at byte {at}: a member of {found.size} bytes")
        self._blocks.begin(0 if found.type in HEADER_ONLY else found.size)
        return found

    def _extend(self, found: Header, extension: Extension) -> None:
        """Take in what is no member itself and says something of the next one, or of all."""
        match found.type:
            case b"x" | b"X":
                self._read_pax(self._bounded(found), extension)
            case b"g":
                self._global.update({key: value for key, value in pax.records(self._bounded(found)) if key in GLOBAL})
            case b"L":
                extension.name = header.text(self._bounded(found))
            case b"K":
                extension.link = header.text(self._bounded(found))

    def _bounded(self, found: Header) -> bytes:
        """An extended header's text. A member may have several; their sum is what has to be kept until it comes."""
        self._extended += found.size
        if self._extended > self._limits.header:
            raise InvalidArchive(f"tar archive: extended headers of {self._extended} bytes; the limit is {self._limits.header}")
        return self._blocks.take(found.size)

    def _read_pax(self, text: bytes, extension: Extension) -> None:
        for key, value in pax.records(text):
            if key in (b"GNU.sparse.offset", b"GNU.sparse.numbytes"):
                extension.pairs.append(pax.number(value))
            extension.pax[key] = value

    def _entry(self, found: Header, block: bytes) -> Entry:
        """The member itself: what its extended headers say goes before what its header says."""
        said: Mapping[bytes, bytes] = NOTHING
        if self._extended or self._global:
            said = _said(self._global, self._extension.pax)
            found = _amended(found, self._extension, said)
        raw, type, kind = found.name, found.type, KINDS.get(found.type)
        if len(raw) > self._limits.path:
            raise self._too_long(raw, raw)
        if kind is None:
            raise InvalidArchive(f"entry {shown(raw)}: its type {type!r} is not one that a layer may have")
        if type == b"\0" and raw.endswith(b"/"):  # how directories were written before ustar
            kind = Kind.DIRECTORY
        if b"size" in said and type not in HEADER_ONLY and type != GNU_SPARSE:
            self._blocks.begin(pax.number(said[b"size"]))
        name = path_of(raw)
        segments, size = self._extent(found, block, said) if kind is Kind.FILE else (None, 0)
        link = self._link(raw, kind, found.link) if type in LINKS else b""
        device = _device(raw, found) if type in DEVICES else (0, 0)
        if found.uid not in IDS or found.gid not in IDS or found.mtime not in TIMES:
            raise InvalidArchive(f"entry {shown(raw)}: {_beyond(found)}")
        xattrs = pax.xattrs(said) if said else NO_XATTRS
        return Entry(name, kind, found.mode & 0o7777, found.uid, found.gid, found.mtime, size, link, device, segments, xattrs)

    def _link(self, name: bytes, kind: Kind, link: bytes) -> bytes:
        """A hard link's target is a member, named as members are; a symbolic link's is any text, for the kernel to follow."""
        if len(link) > self._limits.path:
            raise self._too_long(name, link)
        if not link or b"\0" in link:
            raise InvalidArchive(f"entry {shown(name)}: its link target {shown(link)} is not a path")
        return path_of(link) if kind is Kind.HARD_LINK else link

    def _too_long(self, name: bytes, path: bytes) -> InvalidArchive:
        return InvalidArchive(f"entry {shown(name)}: a path of {len(path)} bytes; the limit is {self._limits.path}")

    def _extent(self, found: Header, block: bytes, said: Mapping[bytes, bytes]) -> tuple[pax.Segments | None, int]:
        """Where the file's data goes, and how long the file is with its holes."""
        if found.type == GNU_SPARSE:
            segments, size = pax.paired(self._old_map(block)), header.number(block[483:495])
        elif said and (mapped := pax.sparse(said, self._extension.pairs, self._blocks.take, self._limits.header)) is not None:
            segments, size = mapped, pax.number(said.get(b"GNU.sparse.realsize") or said.get(b"GNU.sparse.size") or b"?")
        else:
            return None, self._blocks.left
        if not 0 <= size <= LARGEST:
            raise InvalidArchive(f"tar archive: before byte {self._blocks.offset}: a file of {size} bytes")
        pax.check_holes(segments, size, self._blocks.left)
        return segments, size

    def _old_map(self, block: bytes) -> list[int]:
        """GNU tar's old map: four segments in the header, then blocks of 21 for as long as a flag says that one follows."""
        found, more, size = header.holes(block, 386, 4), block[482], self._blocks.left
        while more:
            if len(found) * 12 > self._limits.header:
                raise InvalidArchive(f"tar archive: a map of holes is longer than the limit of {self._limits.header} bytes")
            self._blocks.begin(BLOCK)
            block = self._blocks.take(BLOCK)
            found, more = found + header.holes(block, 0, 21), block[504]
        self._blocks.begin(size)
        return found


def _said(general: dict[bytes, bytes], special: dict[bytes, bytes]) -> Mapping[bytes, bytes]:
    """All records that count for a member. One without a value takes back what was said before; attributes may well be empty."""
    return {key: value for key, value in {**general, **special}.items() if value or key.startswith(pax.XATTR)}


def _amended(found: Header, extension: Extension, said: Mapping[bytes, bytes]) -> Header:
    """The header with what extended headers say in its place."""
    return Header(
        said.get(b"GNU.sparse.name") or said.get(b"path") or extension.name or found.name,
        found.mode,
        pax.number(said[b"uid"]) if b"uid" in said else found.uid,
        pax.number(said[b"gid"]) if b"gid" in said else found.gid,
        found.size,
        pax.nanoseconds(said[b"mtime"]) if b"mtime" in said else found.mtime,
        found.type,
        said.get(b"linkpath") or extension.link or found.link,
        found.major,
        found.minor,
    )


def _device(name: bytes, found: Header) -> tuple[int, int]:
    if found.major not in MAJORS or found.minor not in MINORS:
        raise InvalidArchive(f"entry {shown(name)}: the kernel has no device {found.major}:{found.minor}")
    return found.major, found.minor


def _beyond(found: Header) -> str:
    """Which of a member's numbers it is that nobody can have."""
    numbers = (("uid", found.uid, IDS), ("gid", found.gid, IDS), ("mtime", found.mtime, TIMES))
    what, value, bounds = next(each for each in numbers if each[1] not in each[2])
    return f"its {what} is {value}, which is not from {bounds.start} to {bounds.stop - 1}"
