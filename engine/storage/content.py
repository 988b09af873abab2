"""Blobs by digest: what came from a registry or an archive, byte for byte (OCI image-spec, image-layout.md, "Blobs").

    ROOT/
      sha256/9f86d081…     a blob; it is whole and on the disk, or it isn't there
      incoming/k2x9…       a blob on its way, locked (flock(2)) by the process that writes it; with no lock it is rubbish

A blob is written under a name that means nothing, hashed on the way, and only then renamed to what it turned out to be.
"""

import fcntl
import hashlib
import os
import re
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

from podlink.engine.errors import InvalidArchive
from podlink.engine.oci.digest import Digest
from podlink.engine.storage.durable import refusals, sync_directory

HEX = re.compile(r"[0-9a-f]{64}")


class Content:
    """The blobs below one directory. Safe to use from several threads and processes at once."""

    def __init__(self, root: Path) -> None:
        self._blobs = root / "sha256"
        self._incoming = root / "incoming"
        for folder in (self._blobs, self._incoming):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)

    def writer(self) -> "Writer":
        """Begin a blob whose digest is not known, or not trusted, yet."""
        with refusals("a new blob"):
            return Writer(self._incoming, self._blobs)

    def open(self, digest: Digest) -> BinaryIO:
        """The blob, to read. StorageFailed where there is none."""
        with refusals(f"blob {digest}"):
            return (self._blobs / digest.hex).open("rb")

    def has(self, digest: Digest) -> bool:
        return (self._blobs / digest.hex).exists()

    def size(self, digest: Digest) -> int:
        """Bytes of the blob. StorageFailed where there is none."""
        with refusals(f"blob {digest}"):
            return (self._blobs / digest.hex).stat().st_size

    def remove(self, digest: Digest) -> None:
        """Remove a blob that nothing needs. Again is no error."""
        with refusals(f"blob {digest}"):
            (self._blobs / digest.hex).unlink(missing_ok=True)

    def known(self) -> list[Digest]:
        """Every blob that is here."""
        return [Digest(path.name) for path in sorted(self._blobs.iterdir()) if HEX.fullmatch(path.name)]

    def sweep(self) -> None:
        """Remove half-written blobs that no living process is working on."""
        with refusals("unfinished blobs"):
            for path in self._incoming.iterdir():
                with suppress(FileNotFoundError, BlockingIOError), path.open("rb") as file:
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    path.unlink()


class Writer:
    """One blob on its way in. End it with `commit`, or with `discard`, which after a commit does nothing."""

    def __init__(self, incoming: Path, blobs: Path) -> None:
        self._blobs = blobs
        self._file, self._path = _locked_file(incoming)
        self._hash = hashlib.sha256()
        self.size = 0
        """Bytes written so far."""

    def write(self, data: bytes | memoryview) -> int:
        """Add to the blob."""
        with refusals("a new blob"):
            self._file.write(data)
            self._file.flush()  # for whoever reads it meanwhile
        self._hash.update(data)
        self.size += len(data)
        return len(data)

    def digest(self) -> Digest:
        """Of what was written so far."""
        return Digest(self._hash.hexdigest())

    def reader(self) -> BinaryIO:
        """What was written so far, and what will be, to read while it has no name yet."""
        with refusals("a new blob"):
            self._file.flush()
            return self._path.open("rb")

    def commit(self, expected: Digest | None = None) -> Digest:
        """Keep the blob under its digest, on the disk when this returns. One that is here already stays as it is.

        Raises InvalidArchive, and keeps nothing, where another digest was expected.
        """
        found = self.digest()
        if expected is not None and found != expected:
            self.discard()
            raise InvalidArchive(f"blob {expected}: its {self.size} bytes hash to {found}; it was damaged or changed on its way")
        target = self._blobs / found.hex
        with refusals(f"blob {found}"):
            if not target.exists():
                self._file.flush()
                os.fsync(self._file.fileno())
                self._path.rename(target)
            sync_directory(self._blobs)  # also for the one that was here: its writer may be between rename and fsync
        self.discard()
        return found

    def discard(self) -> None:
        """Forget the blob. Again is no error."""
        if not self._file.closed:
            with refusals("an unfinished blob"):
                self._path.unlink(missing_ok=True)
            with suppress(OSError):  # what a full disk did not take is in the buffer still, and nobody needs it
                self._file.close()


def _locked_file(folder: Path) -> tuple[BinaryIO, Path]:
    """A new file that `sweep` leaves alone for as long as it is open."""
    while True:
        number, name = tempfile.mkstemp(dir=folder, prefix="")
        file, path = os.fdopen(number, "wb"), Path(name)
        fcntl.flock(file, fcntl.LOCK_EX)
        if path.exists():  # else a sweep came between the two calls
            return file, path
        file.close()
