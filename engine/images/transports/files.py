"""The two ways in which an image lies in files: a folder, and a tar whose members are read where they are, without extracting it.

    Folder("/srv/image").open("index.json")
    TarFile("/srv/image.tar").open("index.json")

An archive is hostile: its members are looked up by name in an index, a link is followed once and only to another member, and what
is read into memory is bounded.
"""

import io
import os
import posixpath
import stat
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from typing import IO, BinaryIO, Protocol, cast

from podlink.engine.config import Limits
from podlink.engine.errors import ErrorOccurred, InvalidArchive, InvalidRequest
from podlink.engine.oci.image.document import LIMIT
from podlink.engine.oci.layer.archive import Place, places
from podlink.engine.oci.layer.bounds import Room, plain
from podlink.engine.oci.layer.compression import LONGEST_MAGIC, compression_of
from podlink.engine.oci.layer.entry import Kind
from podlink.engine.oci.reference import normalize
from podlink.engine.storage.durable import refusals

INDEXED = Limits(entries=100_000, header=2**16, names=2**24, end_mark=False)
"""What an index may hold: one image has a few hundred members with short names. Each blob's digest says that it is whole."""
PIECE = 2**20
SHOWN = 20
"""How many of the names in an archive are told."""


class Files(Protocol):
    """Files by their paths, relative and with slashes."""

    def open(self, path: str) -> AbstractContextManager[IO[bytes]]:
        """To read from the beginning. Raises InvalidArchive where it is not there."""
        ...

    def size(self, path: str) -> int:
        """Bytes. Raises InvalidArchive where it is not there."""
        ...


def read_small(files: Files, path: str) -> bytes:
    """A document, whole."""
    if files.size(path) > LIMIT:
        raise InvalidArchive(f"{path}: {files.size(path)} bytes; a document of at most {LIMIT} is read")
    with files.open(path) as file:
        return file.read(LIMIT)


@contextmanager
def at(files: Files, path: str, offset: int) -> Iterator[IO[bytes]]:
    """A file from an offset on."""
    with files.open(path) as file:
        file.seek(offset)
        yield file


def named(names: Sequence[str], place: str) -> tuple[str, ...]:
    """The full names for what an archive calls its image. Raises InvalidArchive for what can be no name."""
    try:
        return tuple(dict.fromkeys(normalize(name) for name in names if "@" not in name))
    except InvalidRequest as trouble:
        raise InvalidArchive(f"{place}: it calls its image something that can be no name: {trouble.reason}") from None


def not_one(place: str, names: Sequence[str], fitting: Sequence[object], form: str) -> ErrorOccurred:
    """What to say of a place that has several images that fit, or none. names: what is there. form: how to say which."""
    listed = ", ".join(dict.fromkeys(names[:SHOWN])) + (", …" if len(names) > SHOWN else "") or "no names"
    found = f"{len(fitting)} images fit" if fitting else "no such image is there"
    return ErrorOccurred(f"{place}: {found}; it has {listed}: say which, as {form}")


class Folder:
    """The files below a directory of the host."""

    def __init__(self, root: Path) -> None:
        if not root.is_dir():
            raise InvalidRequest(f"{root}: it is not a folder, or is not there")
        self._root = root

    def open(self, path: str) -> AbstractContextManager[IO[bytes]]:
        return self._path(path).open("rb")

    def size(self, path: str) -> int:
        return self._path(path).stat().st_size

    def _path(self, path: str) -> Path:
        found = self._root / _inside(path)
        if not found.is_file():
            raise InvalidArchive(f"{self._root}: {path} is not there; this is no image of this kind, or it is damaged")
        return found


class TarFile:
    """The members of an archive, compressed or not. Safe to read from several threads."""

    def __init__(self, path: Path, scratch: Path, stack: ExitStack, limits: Limits) -> None:
        """scratch: a folder for a nameless file, should the archive be compressed. stack: closes the archive."""
        self._name = str(path)
        self._file = stack.enter_context(_plain(path, scratch, limits))
        try:
            self._members = _index(self._file)
        except InvalidArchive as trouble:
            raise InvalidArchive(f"{path}: {trouble.reason}") from None

    @contextmanager
    def open(self, path: str) -> Iterator[IO[bytes]]:
        place = self._place(path)
        yield cast(IO[bytes], io.BufferedReader(_Part(self._file.fileno(), place.offset, place.size), PIECE))

    def size(self, path: str) -> int:
        return self._place(path).size

    def _place(self, path: str) -> Place:
        """Where a file is, by its own name or by that of a link to it."""
        name = os.fsencode(posixpath.normpath(_inside(path)))
        found = self._members.get(name)
        if isinstance(found, bytes):
            found = self._members.get(found)
        if not isinstance(found, Place):
            raise InvalidArchive(f"{self._name}: {path} is not in it; this is no archive of this kind, or it is damaged")
        return found


def _index(file: BinaryIO) -> dict[bytes, Place | bytes]:
    """The files of an archive and where they are, and its links and where they lead. Nothing else of it is remembered."""
    found: dict[bytes, Place | bytes] = {}
    names = 0
    for entry, place in places(file, INDEXED):
        names += len(entry.name) + len(entry.link)
        if names > INDEXED.names:
            raise InvalidArchive(f"names of more than {INDEXED.names} bytes in all")
        found.pop(entry.name, None)
        if entry.kind is Kind.FILE and entry.segments is None:
            found[entry.name] = place
        elif entry.kind is Kind.SYMLINK:
            found[entry.name] = posixpath.normpath(posixpath.join(posixpath.dirname(entry.name), entry.link))
        elif entry.kind is Kind.HARD_LINK:
            found[entry.name] = entry.link
    return found


class _Part(io.RawIOBase):
    """Some bytes of a file, read by position: nobody moves anybody else's place."""

    def __init__(self, descriptor: int, offset: int, size: int) -> None:
        self._descriptor, self._begin, self._at, self._end = descriptor, offset, offset, offset + size

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        start = {os.SEEK_SET: self._begin, os.SEEK_CUR: self._at, os.SEEK_END: self._end}[whence]
        self._at = min(max(self._begin, start + offset), self._end)
        return self._at - self._begin

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]
        data = os.pread(self._descriptor, min(len(buffer), self._end - self._at), self._at)
        buffer[: len(data)] = data
        self._at += len(data)
        return len(data)


@contextmanager
def _plain(path: Path, scratch: Path, limits: Limits) -> Iterator[BinaryIO]:
    """The archive without its compression: a compressed one is unpacked into a nameless file first, to be read in any order."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY)  # a FIFO is not waited for
    except OSError as error:
        raise InvalidRequest(f"{path}: {error.strerror}; give the path of an archive") from None
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise InvalidRequest(f"{path}: it is not a file; give the path of an archive")
    with os.fdopen(descriptor, "rb") as file:
        if not compression_of(file.peek(LONGEST_MAGIC)[:LONGEST_MAGIC]):
            yield file
            return
        with tempfile.TemporaryFile(dir=scratch) as unpacked:
            try:
                _decompress(file, cast(BinaryIO, unpacked), limits, Room(scratch, limits.spare))
            except InvalidArchive as trouble:
                raise InvalidArchive(f"{path}: {trouble.reason.removeprefix('layer: ')}") from None
            yield cast(BinaryIO, unpacked)


def _decompress(file: BinaryIO, unpacked: BinaryIO, limits: Limits, room: Room) -> None:
    reader = plain(file, limits)
    with refusals("the archive, decompressed"):
        while data := reader.read(PIECE):
            room.require(len(data))
            unpacked.write(data)
            if unpacked.tell() > limits.total:
                raise InvalidArchive(f"more than the limit of {limits.total} bytes when uncompressed")
        unpacked.flush()
        unpacked.seek(0)


def _inside(path: str) -> str:
    """Raises InvalidArchive for a path that leads out."""
    if path.startswith("/") or ".." in path.split("/") or "\0" in path:
        raise InvalidArchive(f"{path!r}: a path that leads out of the image")
    return path
