"""What a descriptor of an emulated process leads to.

Every method is called with the lock of the container's run held, and none blocks: `None` says "not yet", and the process
waits for a notice (see `process.Process.block`). A channel is shared by all who inherited it and is closed by the last.
"""

import errno
import os
from collections.abc import Callable
from pathlib import Path

from podlink.engine.runtime.emulator.tree import refusal
from podlink.engine.runtime.emulator.usage import Usage

CAPACITY = 65_536
"""Bytes that a pipe holds before its writer waits: pipe(7)."""
CHUNK = 65_536


class Channel:
    """The base: it can neither be read nor written. Made with one holder."""

    def __init__(self) -> None:
        self.holders = 1

    def read(self, size: int) -> bytes | None:
        """Up to `size` bytes; empty at the end; None: nothing there yet."""
        raise refusal(errno.EBADF, "read")

    def write(self, data: bytes) -> int | None:
        """How many bytes were taken; None: no room yet."""
        raise refusal(errno.EBADF, "write")

    def waits(self) -> float:
        """Seconds until a writer is to ask again, for those who read what is written are far behind. Mostly 0."""
        return 0.0

    def seek(self, offset: int) -> None:
        """Go on there: a byte from the beginning."""
        raise refusal(errno.ESPIPE, "seek")

    def acquire(self) -> "Channel":
        self.holders += 1
        return self

    def release(self) -> None:
        self.holders -= 1
        if self.holders == 0:
            self.close()

    def close(self) -> None:
        """The last holder let go."""


class Null(Channel):
    """/dev/null."""

    def read(self, size: int) -> bytes:
        return b""

    def write(self, data: bytes) -> int:
        return len(data)


class Zero(Null):
    """/dev/zero."""

    def read(self, size: int) -> bytes:
        return bytes(size)


class Random(Null):
    """/dev/urandom. source: gives so many bytes."""

    def __init__(self, source: Callable[[int], bytes]) -> None:
        super().__init__()
        self._source = source

    def read(self, size: int) -> bytes:
        return self._source(size)


class Full(Zero):
    """/dev/full: never any room."""

    def write(self, data: bytes) -> int:
        raise refusal(errno.ENOSPC, "/dev/full")


DEVICES: dict[str, Callable[[], Channel]] = {
    "/dev/null": Null,
    "/dev/zero": Zero,
    "/dev/full": Full,
}
RANDOM = ("/dev/random", "/dev/urandom")
"""What every container finds below /dev, whatever its image has there."""


class Sink(Channel):
    """A stream that leads out of the container: into its log. write: takes the bytes, all of them. waits: of the log."""

    def __init__(self, write: Callable[[bytes], None], waits: Callable[[], float]) -> None:
        super().__init__()
        self._write, self._waits = write, waits

    def waits(self) -> float:
        return self._waits()

    def write(self, data: bytes) -> int:
        self._write(data)
        return len(data)


class Disk(Channel):
    """A regular file of the root file system, by a descriptor of the host. is_full: whether there is no room to write.

    usage: where what is moved is counted.
    """

    def __init__(self, path: Path, flags: int, mode: int, *, is_full: Callable[[], bool], usage: Usage) -> None:
        super().__init__()
        self._is_full, self._usage = is_full, usage
        self._descriptor = os.open(path, flags | os.O_CLOEXEC | os.O_NONBLOCK, mode)  # a FIFO must not hold us up

    def read(self, size: int) -> bytes:
        data = os.read(self._descriptor, size)
        self._usage.read += len(data)
        return data

    def write(self, data: bytes) -> int:
        if self._is_full():
            raise refusal(errno.ENOSPC, "write")
        written = os.write(self._descriptor, data)
        self._usage.written += written
        return written

    def seek(self, offset: int) -> None:
        os.lseek(self._descriptor, offset, os.SEEK_SET)

    def close(self) -> None:
        os.close(self._descriptor)


class _Buffer:
    """What is between the two ends of a pipe. changed: tells those who wait."""

    def __init__(self, changed: Callable[[], None]) -> None:
        self.data = bytearray()
        self.readers = self.writers = True
        self.changed = changed


class PipeReader(Channel):
    """The end that is read: empty only when nobody can write any more."""

    def __init__(self, buffer: _Buffer) -> None:
        super().__init__()
        self._buffer = buffer

    def read(self, size: int) -> bytes | None:
        buffer = self._buffer
        if not buffer.data:
            return None if buffer.writers else b""
        taken = bytes(buffer.data[:size])
        del buffer.data[:size]
        buffer.changed()
        return taken

    def close(self) -> None:
        self._buffer.readers = False
        self._buffer.changed()


class PipeWriter(Channel):
    """The end that is written: EPIPE when nobody can read any more."""

    def __init__(self, buffer: _Buffer) -> None:
        super().__init__()
        self._buffer = buffer

    def write(self, data: bytes) -> int | None:
        buffer = self._buffer
        if not buffer.readers:
            raise refusal(errno.EPIPE, "write")
        taken = data[: CAPACITY - len(buffer.data)]
        if not taken and data:
            return None
        buffer.data += taken
        buffer.changed()
        return len(taken)

    def close(self) -> None:
        self._buffer.writers = False
        self._buffer.changed()


class Feed(PipeWriter):
    """A pipe whose writing end is outside the container: what comes is taken whole. Whoever has more asks for room first."""

    def __init__(self, changed: Callable[[], None]) -> None:
        buffer = _Buffer(changed)
        super().__init__(buffer)
        self.reader = PipeReader(buffer)

    def has_room(self) -> bool:
        return not self._buffer.readers or len(self._buffer.data) < CAPACITY

    def feed(self, data: bytes) -> None:
        if self._buffer.readers and self._buffer.writers:
            self._buffer.data += data
            self._buffer.changed()

    def end(self) -> None:
        self.close()

    def resize(self, rows: int, columns: int) -> None:
        """It is no terminal."""


def pipe(changed: Callable[[], None]) -> tuple[PipeReader, PipeWriter]:
    """pipe(2)."""
    buffer = _Buffer(changed)
    return PipeReader(buffer), PipeWriter(buffer)
