"""How images are written to files: each blob checked as it is written, and nothing under its name before it is whole.

FolderDraft     files below a folder; taken back if what they are for fails
TarDraft        the members of a new archive, which gets its name when all of them are there
"""

import hashlib
import tarfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from io import BytesIO
from pathlib import Path
from threading import Lock
from typing import BinaryIO, Protocol

from podlink.engine.errors import InvalidArchive, InvalidRequest
from podlink.engine.images.transports.files import PIECE
from podlink.engine.oci.digest import Digest
from podlink.engine.oci.image.manifest import Descriptor
from podlink.engine.oci.readable import Readable
from podlink.engine.storage.delivery import new_file
from podlink.engine.storage.durable import refusals

END = 2 * tarfile.BLOCKSIZE
"""Zeros that end an archive."""


class Draft(Protocol):
    """Files in the making, by their paths, relative and with slashes. Safe to use from several threads."""

    def has(self, path: str) -> bool: ...

    def put(self, path: str, descriptor: Descriptor, content: Readable) -> None:
        """Write a blob. Raises InvalidArchive, and keeps nothing, where it has another size or digest than described."""
        ...

    def write(self, path: str, content: bytes) -> None:
        """Write a small file, in the place of one that is there."""
        ...


class FolderDraft:
    """A folder, made where it is missing. Each file has its name once it is whole and on the disk."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._made: list[Path] = []
        self._folder(root)

    def has(self, path: str) -> bool:
        return (self._root / path).is_file()

    def put(self, path: str, descriptor: Descriptor, content: Readable) -> None:
        self._write(path, lambda file: copy(content, file.write, descriptor))

    def write(self, path: str, content: bytes) -> None:
        self._write(path, lambda file: file.write(content))

    def take_back(self) -> None:
        """Remove what was made. What was replaced stays as it has become."""
        for path in reversed(self._made):
            with suppress(OSError):  # a folder that somebody else put something into
                path.rmdir() if path.is_dir() else path.unlink()

    def _write(self, path: str, fill: Callable[[BinaryIO], object]) -> None:
        target = self._root / path
        self._folder(target.parent)
        known = target.exists()
        with refusals(str(target)), new_file(target) as file:
            fill(file)
        if not known:
            self._made.append(target)

    def _folder(self, path: Path) -> None:
        if not path.is_dir():
            with refusals(str(path)):
                if path != self._root:
                    self._folder(path.parent)
                path.mkdir(exist_ok=True)
            self._made.append(path)


class TarDraft:
    """A new archive, written in the order in which the files come."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._lock = Lock()
        self._members: set[str] = set()

    def has(self, path: str) -> bool:
        return path in self._members

    def put(self, path: str, descriptor: Descriptor, content: Readable) -> None:
        with self._lock:
            begin = self._file.tell()
            try:
                self._file.write(self._header(path, descriptor.size))
                copy(content, self._file.write, descriptor)
                self._file.write(bytes(-descriptor.size % tarfile.BLOCKSIZE))
            except BaseException:
                self._file.seek(begin)
                self._file.truncate()
                raise
            self._members.add(path)

    def write(self, path: str, content: bytes) -> None:
        self.put(path, Descriptor("", Digest.of(content), len(content)), BytesIO(content))

    def end(self) -> None:
        self._file.write(bytes(END))

    def _header(self, path: str, size: int) -> bytes:
        member = tarfile.TarInfo(path)
        member.size = size
        return member.tobuf(tarfile.GNU_FORMAT)


@contextmanager
def new_archive(target: Path) -> Iterator[TarDraft]:
    """An archive that has its name at the end of the block; an exception leaves what was there.

    Raises InvalidRequest for a path that no file can have, StorageFailed.
    """
    if not target.parent.is_dir() or target.is_dir():
        raise InvalidRequest(f"{target}: it is to be the path of a file in a folder that is there")
    with refusals(str(target)), new_file(target) as file:
        tar = TarDraft(file)
        yield tar
        tar.end()


@contextmanager
def folder(root: Path) -> Iterator[FolderDraft]:
    """A folder to put files into; an exception takes back those that were put."""
    draft = FolderDraft(root)
    try:
        yield draft
    except BaseException:
        draft.take_back()
        raise


def copy(content: Readable, write: Callable[[bytes], object], descriptor: Descriptor) -> None:
    """Every byte of a blob, counted and hashed. Raises InvalidArchive where it is another than described."""
    hashed, size = hashlib.sha256(), 0
    while data := content.read(PIECE):
        size += len(data)
        if size > descriptor.size:
            break
        hashed.update(data)
        write(data)
    if size != descriptor.size or hashed.hexdigest() != descriptor.digest.hex:
        raise InvalidArchive(f"blob {descriptor.digest}: it is not the {descriptor.size} bytes that it was; it is damaged")
