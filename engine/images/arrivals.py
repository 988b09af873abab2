"""Blobs on their way into the store: each is unpacked while the rest of it, and the next ones, are still coming.

    source ──▶ thread ──▶ a file in blobs/incoming ──▶ unpacker
               thread ──▶ a file in blobs/incoming         └ reads as far as it has come, and waits; sees the end only
               thread ──▶ …                                  once size and digest are what they have to be

Memory is flat, whatever the blobs' sizes: what waits for the unpacker waits on the disk, where it has to be anyway.
"""

import io
import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from functools import partial
from threading import Condition
from typing import BinaryIO

from podlink.engine.errors import EngineError, InvalidArchive, RegistryFailed
from podlink.engine.images.together import Stop
from podlink.engine.images.transports.base import Source
from podlink.engine.oci.distribution import web
from podlink.engine.oci.image.manifest import Descriptor
from podlink.engine.oci.readable import Readable
from podlink.engine.storage.content import Writer

PIECE = 256 * 1024

Progress = Callable[[Descriptor, int], None]
"""Told of each blob on its way: which, and how many bytes of it are here. Called by several threads."""


class Arrival:
    """One blob: a thread fetches it, others read it. begin: opens the file that it goes into, once it is its turn."""

    def __init__(self, descriptor: Descriptor, begin: Callable[[], Writer], stop: Stop) -> None:
        self.descriptor = descriptor
        self._begin = begin
        self._writer: Writer | None = None
        self._stop = stop
        self._changed = Condition()
        self._whole = False
        self._take_back = stop.on_set(self._wake)

    def fetch(self, source: Source, progress: Progress) -> None:
        """Bring it in, all of it and nothing else; a failure stops all that is under way."""
        try:
            self._writer = self._begin()
            self._fetch(source, progress)
            self._writer.close()
        except BaseException as trouble:
            self._stop.stop(trouble)
            raise
        finally:
            self._take_back()
        with self._changed:
            self._whole = True
            self._changed.notify_all()

    def open(self) -> BinaryIO:
        """The blob from its beginning."""
        return io.BufferedReader(_Follower(self), PIECE)

    @property
    def writer(self) -> Writer:
        """Where it goes, or went: it has begun."""
        assert self._writer
        return self._writer

    def discard(self) -> None:
        """Forget what has come of it. Again, or after it was kept, is no error."""
        if self._writer:
            self._writer.discard()

    def wait_beyond(self, size: int) -> bool:
        """Wait until there is more than so much of it; false when it is whole with that. Raises why there won't be more."""
        with self._changed:
            while not self._whole and (self._writer is None or self._writer.size <= size):
                self._stop.check()
                self._changed.wait()
        return self.writer.size > size

    def _fetch(self, source: Source, progress: Progress) -> None:
        """From the place, or, where it has none, from where its descriptor says (image-spec, descriptor.md, `urls`)."""
        failed: EngineError | None = None
        for open in self._openings(source):
            try:
                with open() as readable:
                    return self._copy(source.name, readable, progress)
            except (RegistryFailed, InvalidArchive) as trouble:
                if self.writer.size:
                    raise
                failed = failed or trouble
        assert failed is not None
        raise failed

    def _openings(self, source: Source) -> Iterator[Callable[[], AbstractContextManager[Readable]]]:
        yield partial(source.blob, self.descriptor)
        for url in self.descriptor.urls:
            if url.startswith(("http://", "https://")):
                yield partial(web.opened, url, dict(os.environ), cancel=self._stop)

    def _copy(self, where: str, readable: Readable, progress: Progress) -> None:
        wanted = self.descriptor
        while data := readable.read(PIECE):
            self._stop.check()
            if self.writer.size + len(data) > wanted.size:
                raise InvalidArchive(f"{where}: blob {wanted.digest} is to have {wanted.size} bytes and has more")
            with self._changed:
                self.writer.write(data)
                self._changed.notify_all()
            progress(wanted, self.writer.size)
        if self.writer.size != wanted.size:
            raise InvalidArchive(f"{where}: blob {wanted.digest} is to have {wanted.size} bytes and has {self.writer.size}")
        if (found := self.writer.digest()) != wanted.digest:
            raise InvalidArchive(f"{where}: blob {wanted.digest} hashes to {found}; it was damaged or changed on its way")

    def _wake(self) -> None:
        with self._changed:
            self._changed.notify_all()


class _Follower(io.RawIOBase):
    """A blob as far as it has come."""

    def __init__(self, arrival: Arrival) -> None:
        self._arrival = arrival
        self._file: BinaryIO | None = None
        self._size = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: "memoryview | bytearray", /) -> int:  # type: ignore[override]
        if not self._arrival.wait_beyond(self._size):
            return 0
        self._file = self._file or self._arrival.writer.reader()
        data = self._file.read(len(buffer))
        self._size += len(data)
        buffer[: len(data)] = data
        return len(data)

    def close(self) -> None:
        if self._file:
            self._file.close()
        super().close()
