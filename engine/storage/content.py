"""Blobs by digest: what came from a registry or an archive, byte for byte (OCI image-spec, image-layout.md, "Blobs").

    ROOT/
      sha256/9f86d081…     a blob; it is whole and on the disk, or it isn't there
      incoming/a81c…/k2x9… a blob on its way; the folder is locked by the process that writes there (`workplace`)

A blob is written under a name that means nothing, hashed on the way, and only then renamed to what it turned out to be.
"""

import hashlib
import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

from podlink.engine.errors import InvalidArchive
from podlink.engine.linux import portable
from podlink.engine.oci.digest import ENCODED, Digest
from podlink.engine.storage.durable import refusals, sync_directory
from podlink.engine.storage.workplace import Workplace, sweep


class Content:
    """The blobs below one directory. Safe to use from several threads and processes at once."""

    def __init__(self, root: Path) -> None:
        self._blobs = root / "sha256"
        incoming = root / "incoming"
        for folder in (self._blobs, incoming):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._incoming = Workplace(incoming)

    def writer(self) -> "Writer":
        """Begin a blob whose digest is not known, or not trusted, yet."""
        with refusals(f"a new blob in {self._incoming.folder}"):
            return Writer(self._incoming)

    def commit(self, blobs: "Mapping[Digest, Writer]") -> None:
        """Keep the blobs under their digests, on the disk when this returns. One that is here already stays as it is.

        Raises InvalidArchive, and keeps nothing, where one has another digest.
        """
        for digest, writer in blobs.items():
            if (found := writer.digest()) != digest:
                raise InvalidArchive(
                    f"blob {digest}: its {writer.size} bytes hash to {found}; it was damaged or changed on its way"
                )
        with refusals(f"new blobs in {self._blobs}"):
            for writer in blobs.values():
                writer.close()
            _persist([writer.path for writer in blobs.values()])
            for digest, writer in blobs.items():
                if not (self._blobs / digest.hex).exists():
                    writer.path.rename(self._blobs / digest.hex)
                writer.discard()
            sync_directory(self._blobs)  # also for those that were here: who wrote them may be between rename and fsync

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
        return [Digest(path.name) for path in sorted(self._blobs.iterdir()) if ENCODED.fullmatch(path.name)]

    def sweep(self) -> None:
        """Remove half-written blobs that no living process is working on."""
        with refusals("unfinished blobs"):
            sweep(self._incoming.folder)


class Writer:
    """One blob on its way in: to be committed, or discarded. path: where it is until then. size: bytes written so far."""

    def __init__(self, incoming: Workplace) -> None:
        self._incoming = incoming
        self._what = f"a new blob in {incoming.folder}"
        self.path = incoming.begin()
        try:
            self._file = self.path.open("xb")
        except BaseException:
            incoming.end(self.path)
            raise
        self._hash = hashlib.sha256()
        self.size = 0

    def write(self, data: bytes | memoryview) -> int:
        """Add to the blob."""
        with refusals(self._what):
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
        with refusals(self._what):
            return self.path.open("rb")

    def close(self) -> None:
        """It is whole: from now on it takes no descriptor."""
        with refusals(self._what):
            self._file.close()

    def discard(self) -> None:
        """Forget the blob. Again, or after it was committed, is no error."""
        with refusals("an unfinished blob"):
            self.path.unlink(missing_ok=True)
        with suppress(OSError):  # what a full disk did not take is in the buffer still, and nobody needs it
            self._file.close()
        self._incoming.end(self.path)


def _persist(paths: Sequence[Path]) -> None:
    """One fsync(2), which waits for nothing else, or one syncfs(2) instead of many."""
    for path in paths[:1]:
        file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            (os.fsync if len(paths) == 1 else portable.sync)(file)
        finally:
            os.close(file)
