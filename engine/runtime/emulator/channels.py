"""What a descriptor of an emulated process leads to.

Every method is called with the lock of the container's run held, and none blocks: `None` says "not yet", and the process
waits for a notice (see `process.Process.block`). A channel is shared by all who inherited it and is closed by the last.
"""

import errno
import os
import secrets
from collections.abc import Callable
from pathlib import Path

from podlink.engine.runtime.emulator.tree import refusal

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
    """/dev/urandom."""

    def read(self, size: int) -> bytes:
        return secrets.token_bytes(size)


class Full(Zero):
    """/dev/full: never any room."""

    def write(self, data: bytes) -> int:
        raise refusal(errno.ENOSPC, "/dev/full")


DEVICES: dict[str, Callable[[], Channel]] = {
    "/dev/null": Null,
    "/dev/zero": Zero,
    "/dev/full": Full,
    "/dev/random": Random,
    "/dev/urandom": Random,
}
"""What every container finds below /dev, whatever its image has there."""


class Sink(Channel):
    """A stream that leads out of the container: into its log. write: takes the bytes, all of them."""

    def __init__(self, write: Callable[[bytes], None]) -> None:
        super().__init__()
        self._write = write

    def write(self, data: bytes) -> int:
        self._write(data)
        return len(data)


class Disk(Channel):
    """A regular file of the root file system, by a descriptor of the host."""

    def __init__(self, path: Path, flags: int, mode: int = 0o666) -> None:
        super().__init__()
        self._descriptor = os.open(path, flags | os.O_CLOEXEC | os.O_NONBLOCK, mode)  # a FIFO must not hold us up

    def read(self, size: int) -> bytes:
        return os.read(self._descriptor, size)

    def write(self, data: bytes) -> int:
        return os.write(self._descriptor, data)

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


def pipe(changed: Callable[[], None]) -> tuple[PipeReader, PipeWriter]:
    """pipe(2)."""
    buffer = _Buffer(changed)
    return PipeReader(buffer), PipeWriter(buffer)
