"""The two ways in which an image lies in files: a folder, and a tar whose members are read where they are, without extracting it.

    Folder("/srv/image").open("index.json")
    TarFile("/srv/image.tar").open("index.json")

An archive is hostile: its members are looked up by name in an index, a link is followed once and only to another member, and what
is read into memory is bounded.
"""

import io
import os
import posixpath
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from typing import IO, BinaryIO, Protocol, cast

from podlink.engine.errors import InvalidArchive, InvalidRequest
from podlink.engine.oci.layer.compression import decompressed

LARGEST = 8 * 2**20
"""Bytes of a document that is read into memory."""
MEMBERS = 100_000
PIECE = 2**20
COMPRESSED = (b"\x1f\x8b", b"\x28\xb5\x2f\xfd", b"\xfd7zXZ\x00", b"BZh")


class Files(Protocol):
    """Files by their paths, relative and with slashes."""

    def open(self, path: str) -> AbstractContextManager[IO[bytes]]:
        """To read from the beginning. Raises InvalidArchive where it is not there."""
        ...

    def size(self, path: str) -> int:
        """Bytes. Raises InvalidArchive where it is not there."""
        ...


def document(files: Files, path: str) -> bytes:
    """A small file, whole."""
    if files.size(path) > LARGEST:
        raise InvalidArchive(f"{path}: {files.size(path)} bytes; a document of at most {LARGEST} is read")
    with files.open(path) as file:
        return file.read(LARGEST)


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

    def __init__(self, path: Path, stack: ExitStack) -> None:
        """stack: closes the archive."""
        self._name = str(path)
        self._file = stack.enter_context(_plain(path))
        self._members: dict[str, tarfile.TarInfo] = {}
        try:
            with tarfile.open(fileobj=self._file, mode="r:") as archive:
                for number, member in enumerate(archive):
                    if number >= MEMBERS:
                        raise InvalidArchive(f"{path}: more than {MEMBERS} members")
                    self._members[posixpath.normpath(member.name)] = member
        except tarfile.TarError as error:
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


class _Part(io.RawIOBase):
    """Some bytes of a file, read by position: nobody moves anybody else's place."""

    def __init__(self, descriptor: int, offset: int, size: int) -> None:
        self._descriptor, self._at, self._end = descriptor, offset, offset + size

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]
        data = os.pread(self._descriptor, min(len(buffer), self._end - self._at), self._at)
        buffer[: len(data)] = data
        self._at += len(data)
        return len(data)


@contextmanager
def _plain(path: Path) -> Iterator[BinaryIO]:
    """The archive without its compression: a compressed one is unpacked into a nameless file first, to be read in any order."""
    try:
        file = path.open("rb")
    except OSError as error:
        raise InvalidRequest(f"{path}: {error.strerror}; give the path of an archive") from None
    with file:
        if not path.is_file():
            raise InvalidRequest(f"{path}: it is not a file")
        beginning = file.peek(6)[:6]
        if not beginning.startswith(COMPRESSED):
            yield file
            return
        with tempfile.TemporaryFile() as plain:
            reader = decompressed(file)
            while data := reader.read(PIECE):
                plain.write(data)
            plain.flush()
            plain.seek(0)
            yield cast(BinaryIO, plain)


def _inside(path: str) -> str:
    """Raises InvalidArchive for a path that leads out."""
    if path.startswith("/") or ".." in path.split("/") or "\0" in path:
        raise InvalidArchive(f"{path!r}: a path that leads out of the image")
    return path
