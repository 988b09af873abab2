"""The log of a container: the format of Kubernetes' CRI, which podman calls `k8s-file`. A record is a line:

    2026-11-23T08:53:52.567919676Z stdout F a whole line
    2026-11-23T08:53:53.100000000Z stderr P a piece of one; the rest foll
    2026-11-23T08:53:53.200000000Z stderr F ows
    └────────── when ───────────┘ └stream┘ │ └─ the bytes, as they came
                          F: a newline followed; P: none, more of this line may come (P:end: no more will)

What a container writes is recorded at once, a prompt without a newline too, so the log lacks nothing should the monitor be
killed. Decoding puts the pieces of each stream together again: *a line* is what the container wrote up to and with its
newline; the last one of a run may have none. Who follows the log gets a line when it is whole, or when the run is over.

A log may have a limit: what is written beyond it goes into a new file, and the one before is kept as
`ctr.log.1`; an older one goes. Whoever reads, reads both; whoever follows goes on in the new one.

A new run begins by ending what an earlier one left open (P:end, an empty piece). Anything that is not a record, such as
one torn by a full disk, is passed over.
"""

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Protocol

from podlink.engine.cancel import NEVER, Cancel

STREAMS = ("stdout", "stderr")
LONGEST = 16 * 2**20
"""Bytes. A longer line is given in pieces, so that a container which never writes a newline fills nobody's memory."""
CHUNK = 256 * 1024
"""Bytes read at a time."""


def encode(stream: str, at: int, chunk: bytes) -> bytes:
    """The records of what came in one read. at: nanoseconds since the epoch."""
    head = f"{_moment(at)} {stream} ".encode()
    whole, newline, rest = chunk.rpartition(b"\n")
    records = b""
    if newline:
        full = head + b"F "
        records = full + whole.replace(b"\n", b"\n" + full) + b"\n"
    return records + head + b"P " + rest + b"\n" if rest else records


def end_of_run(at: int) -> bytes:
    """The records that end whatever line an earlier run left open."""
    return b"".join(f"{_moment(at)} {stream} P:end \n".encode() for stream in STREAMS)


def _moment(at: int) -> str:
    """RFC 3339 with nanoseconds, in UTC."""
    seconds, nanoseconds = divmod(at, 10**9)
    return f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(seconds))}.{nanoseconds:09}Z"


class Decoder:
    """Turns records, as they are read, back into lines."""

    def __init__(self) -> None:
        self._torn = b""
        """A record whose end has not been read yet."""
        self._open: dict[bytes, list[bytes]] = {}
        """The pieces of the unfinished line of each stream."""
        self._sizes: dict[bytes, int] = {}

    def feed(self, chunk: bytes) -> list[bytes]:
        """The lines that became whole with these bytes of the log."""
        records = (self._torn + chunk).split(b"\n")
        self._torn = records.pop()
        lines: list[bytes] = []
        for record in records:
            fields = record.split(b" ", 3)
            if len(fields) < 4:
                continue
            _, stream, tags, text = fields
            if tags == b"F" and stream not in self._open:
                lines.append(text + b"\n")
            else:
                lines += self._piece(stream, tags, text)
        return lines

    def finish(self) -> list[bytes]:
        """The lines that have no newline, once nothing more will come."""
        return [line for stream in list(self._open) for line in self._close(stream)]

    def _piece(self, stream: bytes, tags: bytes, text: bytes) -> list[bytes]:
        if tags == b"F":
            self._add(stream, text + b"\n")
            return self._close(stream)
        if text:
            self._add(stream, text)
        ended = tags == b"P:end" or self._sizes.get(stream, 0) >= LONGEST
        return self._close(stream) if ended else []

    def _add(self, stream: bytes, text: bytes) -> None:
        self._open.setdefault(stream, []).append(text)
        self._sizes[stream] = self._sizes.get(stream, 0) + len(text)

    def _close(self, stream: bytes) -> list[bytes]:
        self._sizes.pop(stream, None)
        pieces = self._open.pop(stream, None)
        return [b"".join(pieces)] if pieces else []


def previous(path: Path) -> Path:
    """Where the file before this one is kept."""
    return path.with_name(path.name + ".1")


class Writer:
    """Appends to a log. A disk that refuses costs lines, never the container: `trouble` then says what was refused.

    limit: bytes after which a new file is begun; 0 is never.
    """

    def __init__(self, path: Path, limit: int = 0) -> None:
        self._path, self._limit = path, limit
        self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        size = os.fstat(self._descriptor).st_size
        self._is_torn = size > 0 and os.pread(self._descriptor, 1, size - 1) != b"\n"
        self._is_continued = size > 0
        self._size = size
        self.trouble = ""

    def write(self, stream: str, at: int, chunk: bytes) -> None:
        """Record what came in one read."""
        if self._is_continued:
            self._append(end_of_run(at))
            self._is_continued = False
        if self._limit and self._size >= self._limit:
            line, newline, rest = chunk.partition(b"\n")
            if newline or self._size >= 2 * self._limit:  # a new file begins with a line, unless none ends for too long
                self._append(encode(stream, at, line + newline))
                self._rotate()
                chunk = rest
        if chunk:
            self._append(encode(stream, at, chunk))

    def _rotate(self) -> None:
        try:
            self._path.replace(previous(self._path))
        except OSError as error:
            self.trouble = f"the log outgrew its limit: {(error.strerror or str(error)).lower()}"
        else:
            self.reopen()

    def reopen(self) -> None:
        """Go on in a new file, after somebody has moved this one away. Where that can't be made, the old one goes on."""
        try:
            descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        except OSError as error:
            self.trouble = f"the log was not opened anew: {(error.strerror or str(error)).lower()}"
            return
        self.close()
        self._descriptor, self._is_torn = descriptor, False
        self._size = os.fstat(descriptor).st_size

    def close(self) -> None:
        """Close the log."""
        os.close(self._descriptor)

    def discard(self) -> None:
        """Close a log into which nothing was written; where it was made just now, it goes."""
        if os.fstat(self._descriptor).st_size == 0:
            self._path.unlink(missing_ok=True)
        self.close()

    def _append(self, records: bytes) -> None:
        rest = memoryview(b"\n" + records if self._is_torn else records)
        try:
            while rest:
                written = os.write(self._descriptor, rest)
                self._is_torn = written < len(rest)
                self._size += written
                rest = rest[written:]
        except OSError as error:
            self.trouble = f"the log is not complete: {(error.strerror or str(error)).lower()}"


class NoLog:
    """What stands for a log where none is kept."""

    trouble = ""

    def write(self, stream: str, at: int, chunk: bytes) -> None:
        """Let it go."""

    def reopen(self) -> None:
        """There is nothing to open."""

    def close(self) -> None:
        """There is nothing to close."""

    def discard(self) -> None:
        """There is nothing to throw away."""


def writer(path: Path, kept: bool, limit: int = 0) -> Writer | NoLog:
    """Where a run's output is written down, if it is."""
    return Writer(path, limit) if kept else NoLog()


def read(path: Path) -> Iterator[bytes]:
    """Every line so far. A log that is not there has none."""
    decoder = Decoder()
    with _Tail(path) as tail:
        while chunk := tail.read():
            yield from decoder.feed(chunk)
    yield from decoder.finish()


class Wakeup(Protocol):
    """What tells that the log grew, or that the run ended: `runtime.base.Wakeup`."""

    def notify(self) -> None: ...

    def wait(self, timeout: float | None = None) -> bool: ...


def follow(path: Path, wakeup: Wakeup, ended: Callable[[], bool], cancelled: Cancel = NEVER) -> Iterator[list[bytes]]:
    """Batches of lines: what is there, then what comes, until the run has ended or the caller has left.

    ended: whether nothing more will be written; asked only when there is nothing left to read.
    """
    decoder = Decoder()
    is_over = False
    release = cancelled.on_set(wakeup.notify)
    try:
        with _Tail(path) as tail:
            while not cancelled.is_set():
                if chunk := tail.read():
                    if batch := decoder.feed(chunk):
                        yield batch
                elif is_over:
                    break
                elif not (is_over := ended()):  # else look once more: the last lines may have come while we asked
                    wakeup.wait()
        if is_over and not cancelled.is_set() and (batch := decoder.finish()):
            yield batch
    finally:
        release()


class _Tail:
    """A log that is read as it grows, from one file into the next; it may not be there yet."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._files: list[int] = []
        """Descriptors: the one that is read, then those that come after it."""
        self._known: set[int] = set()
        """Inodes of what was read or is to be."""

    def read(self) -> bytes:
        """The next bytes; none: there are no more for now."""
        while self._files or self._find():
            if chunk := os.read(self._files[0], CHUNK):
                return chunk
            if len(self._files) == 1:
                if not self._has_moved():
                    return b""
                if chunk := os.read(self._files[0], CHUNK):  # its last words, written before it was moved
                    return chunk
                if not self._find():
                    return b""
            os.close(self._files.pop(0))
        return b""

    def _has_moved(self) -> bool:
        """Whether the log goes on in another file than the one that is read."""
        try:
            return self._path.stat().st_ino != os.fstat(self._files[-1]).st_ino
        except FileNotFoundError:
            return False

    def _find(self) -> bool:
        """Open what comes next: the newest file, and the one before it where that was not read yet."""
        while True:
            opened = [_open(self._path), _open(previous(self._path))]
            if opened[0] < 0 or _inode(self._path) == os.fstat(opened[0]).st_ino:  # else the log moved on meanwhile
                break
            _close(opened)
        found = [each for each in reversed(opened) if each >= 0]
        new = [each for each in found if os.fstat(each).st_ino not in self._known or each == opened[0]]
        _close([each for each in found if each not in new])
        self._files += new
        self._known = {os.fstat(descriptor).st_ino for descriptor in self._files}
        return bool(new)

    def __enter__(self) -> "_Tail":
        return self

    def __exit__(self, *_: object) -> None:
        _close(self._files)


def _open(path: Path) -> int:
    """A descriptor; -1 where there is no such file."""
    try:
        return os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return -1


def _inode(path: Path) -> int:
    try:
        return path.stat().st_ino
    except FileNotFoundError:
        return 0


def _close(descriptors: list[int]) -> None:
    for descriptor in descriptors:
        if descriptor >= 0:
            os.close(descriptor)
