"""A tar stream as entries: ustar, pax and GNU, with long names, extended attributes and holes. tar(5), pax(1)

    ┌ header, 512 ┐┌ extended header, its data ┐┌ header ┐┌ data, padded to 512 ┐ … ┌ two blocks of zeros ┐┌ padding ┐
      'x' or 'L'      path=usr/share/…             '0'

Why not the standard library's `tarfile`: it remembers every member, reads extended headers of any size into memory, takes the
mere end of the stream for the end of the archive, and looks owners up by name. Here memory is flat and each read is bounded.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import BinaryIO

from podlink.engine.errors import InvalidArchive
from podlink.engine.oci.layer import header, pax
from podlink.engine.oci.layer.blocks import BLOCK, Blocks
from podlink.engine.oci.layer.entry import HIGHEST_ID, TIMES, Data, Entry, Kind, path_of, shown
from podlink.engine.oci.layer.header import Header
from podlink.engine.oci.layer.limits import Limits

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


@dataclass(slots=True)
class Extension:
    """What extended headers say of the member that follows them. pairs: GNU.sparse.offset and .numbytes in turn."""

    name: bytes | None = None
    link: bytes | None = None
    pax: dict[bytes, bytes] = field(default_factory=dict)
    pairs: list[int] = field(default_factory=list)


class Archive:
    """Iterate over it once: each entry with its data, which is to be read before the next entry is asked for.

    At the end the stream has been read to its very end. Raises InvalidArchive.
    """

    def __init__(self, stream: BinaryIO, limits: Limits) -> None:
        self._blocks = Blocks(stream)
        self._limits = limits
        self._global: dict[bytes, bytes] = {}
        self._extended = 0

    def __iter__(self) -> Iterator[tuple[Entry, Data]]:
        extension, count = Extension(), 0
        while block := self._next():
            found = self._parsed(block)
            count += 1
            if count > self._limits.entries:
                raise InvalidArchive(f"layer: more than the limit of {self._limits.entries} entries")
            if self._extends(found, extension):
                continue
            if found.type != VOLUME:
                yield self._entry(found, block, extension), self._blocks
            extension, self._extended = Extension(), 0
        self._blocks.drain()

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

    def _extends(self, found: Header, extension: Extension) -> bool:
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
            case _:
                return False
        return True

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

    def _entry(self, found: Header, block: bytes, extension: Extension) -> Entry:
        """The member itself: what its extended headers say goes before what its header says."""
        said = _said(self._global, extension.pax)
        raw = said.get(b"GNU.sparse.name") or said.get(b"path") or extension.name or found.name
        self._check_length(raw, raw)
        if found.type not in KINDS:
            raise InvalidArchive(f"entry {shown(raw)}: its type {found.type!r} is not one that a layer may have")
        name, kind = path_of(raw), KINDS[found.type]
        if found.type == b"\0" and raw.endswith(b"/"):  # how directories were written before ustar
            kind = Kind.DIRECTORY
        if found.type not in HEADER_ONLY and found.type != GNU_SPARSE and b"size" in said:
            self._blocks.begin(pax.number(said[b"size"]))
        segments, size = self._extent(found, block, extension, said) if kind is Kind.FILE else (None, 0)
        try:
            return Entry(
                name=name,
                kind=kind,
                mode=found.mode & 0o7777,
                uid=_within(range(HIGHEST_ID + 1), "uid", pax.number(said[b"uid"]) if b"uid" in said else found.uid),
                gid=_within(range(HIGHEST_ID + 1), "gid", pax.number(said[b"gid"]) if b"gid" in said else found.gid),
                mtime=_within(TIMES, "mtime", pax.nanoseconds(said[b"mtime"]) if b"mtime" in said else found.mtime * 10**9),
                size=size,
                link=self._link(raw, kind, said.get(b"linkpath") or extension.link or found.link),
                device=_device(found) if kind in (Kind.CHARACTER, Kind.BLOCK) else (0, 0),
                segments=segments,
                xattrs=pax.xattrs(said) if said else {},
            )
        except ValueError as error:
            raise InvalidArchive(f"entry {shown(raw)}: {error}") from None

    def _link(self, name: bytes, kind: Kind, link: bytes) -> bytes:
        """A hard link's target is a member, named as members are; a symbolic link's is any text, for the kernel to follow."""
        if kind not in (Kind.HARD_LINK, Kind.SYMLINK):
            return b""
        self._check_length(name, link)
        if not link or b"\0" in link:
            raise InvalidArchive(f"entry {shown(name)}: its link target {shown(link)} is not a path")
        return path_of(link) if kind is Kind.HARD_LINK else link

    def _check_length(self, name: bytes, path: bytes) -> None:
        if len(path) > self._limits.path:
            raise InvalidArchive(f"entry {shown(name)}: a path of {len(path)} bytes; the limit is {self._limits.path}")

    def _extent(
        self, found: Header, block: bytes, extension: Extension, said: Mapping[bytes, bytes]
    ) -> tuple[pax.Segments | None, int]:
        """Where the file's data goes, and how long the file is with its holes."""
        if found.type == GNU_SPARSE:
            segments, size = pax.paired(self._old_map(block)), header.number(block[483:495])
        else:
            mapped = pax.sparse(said, extension.pairs, self._blocks.take, self._limits.header)
            if mapped is None:
                return None, self._blocks.left
            segments = mapped
            size = pax.number(said.get(b"GNU.sparse.realsize") or said.get(b"GNU.sparse.size") or b"?")
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
    if not (general or special):
        return special
    return {key: value for key, value in {**general, **special}.items() if value or key.startswith(pax.XATTR)}


def _device(found: Header) -> tuple[int, int]:
    if found.major not in MAJORS or found.minor not in MINORS:
        raise ValueError(f"the kernel has no device {found.major}:{found.minor}")
    return found.major, found.minor


def _within(bounds: range, what: str, value: int) -> int:
    if value not in bounds:
        raise ValueError(f"its {what} is {value}, which is not from {bounds.start} to {bounds.stop - 1}")
    return value
