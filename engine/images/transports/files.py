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
import tarfile
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from typing import IO, BinaryIO, Protocol, cast

from podlink.engine.errors import InvalidArchive, InvalidRequest
from podlink.engine.oci.image.document import LIMIT
from podlink.engine.oci.layer.compression import LONGEST_MAGIC, compression_of, decompressed
from podlink.engine.oci.layer.limits import Limits
from podlink.engine.oci.reference import normalize
from podlink.engine.storage.durable import refusals

MEMBERS = 100_000
HEADER = 2**20
"""Bytes of one header that are read into memory."""
PIECE = 2**20


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

    def __init__(self, path: Path, scratch: Path, stack: ExitStack) -> None:
        """scratch: a folder for a nameless file, should the archive be compressed. stack: closes the archive."""
        self._name = str(path)
        self._file = stack.enter_context(_plain(path, scratch))
        self._members: dict[str, tarfile.TarInfo] = {}
        try:
            with tarfile.open(fileobj=cast(IO[bytes], _Bounded(self._file)), mode="r:") as archive:
                for number, member in enumerate(archive):
                    if number >= MEMBERS:
                        raise InvalidArchive(f"{path}: more than {MEMBERS} members")
                    self._members[posixpath.normpath(member.name)] = member
        except (tarfile.TarError, ValueError, OverflowError) as error:
            raise InvalidArchive(f"{path}: it is not a tar archive, or is damaged ({error})") from None

    @contextmanager
    def open(self, path: str) -> Iterator[IO[bytes]]:
        member = self._member(path)
        yield cast(IO[bytes], io.BufferedReader(_Part(self._file.fileno(), member.offset_data, member.size), PIECE))

    def size(self, path: str) -> int:
        return self._member(path).size

    def _member(self, path: str) -> tarfile.TarInfo:
        name = posixpath.normpath(_inside(path))
        member = self._members.get(name)
        if member is not None and member.issym():
            member = self._members.get(posixpath.normpath(posixpath.join(posixpath.dirname(name), member.linkname)))
        elif member is not None and member.islnk():
            member = self._members.get(posixpath.normpath(member.linkname))
        if member is None or not member.isfile():
            raise InvalidArchive(f"{self._name}: {path} is not in it; this is no archive of this kind, or it is damaged")
        return member


class _Bounded:
    """A file for `tarfile`, which reads an extended header whole, however large it says that it is."""

    def __init__(self, file: BinaryIO) -> None:
        self.seek, self.tell, self._read = file.seek, file.tell, file.read

    def read(self, size: int) -> bytes:
        if size > HEADER:
            raise ValueError(f"a header of {size} bytes; {HEADER} are read")
        return self._read(size)


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
def _plain(path: Path, scratch: Path) -> Iterator[BinaryIO]:
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
        with tempfile.TemporaryFile(dir=scratch) as plain:
            _decompress(file, cast(BinaryIO, plain), path)
            yield cast(BinaryIO, plain)


def _decompress(file: BinaryIO, plain: BinaryIO, path: Path) -> None:
    reader, limit = decompressed(file), Limits().total
    with refusals(f"{path}, decompressed"):
        while data := reader.read(PIECE):
            plain.write(data)
            if plain.tell() > limit:
                raise InvalidArchive(f"{path}: more than the limit of {limit} bytes when uncompressed")
        plain.flush()
        plain.seek(0)


def _inside(path: str) -> str:
    """Raises InvalidArchive for a path that leads out."""
    if path.startswith("/") or ".." in path.split("/") or "\0" in path:
        raise InvalidArchive(f"{path!r}: a path that leads out of the image")
    return path
