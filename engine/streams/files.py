"""A log on the disk, written by one and read by many while it grows.

    ctr.log.7   ctr.log.8   ctr.log
    └─ the older, the lower ─┘  └─ goes on here; it becomes ctr.log.9 when it reaches the limit

A log without a limit is one file. With one, `files` of them are kept, and an older one goes, unless somebody still reads it.
Whoever reads holds the file that it is at (flock(2), shared), and with it every later one, so nothing is missed by being a little
slow. What is held so has a bound, `HELD`. Beyond it the writer asks for time (`waits`), so the container is held up and the
reader catches up; but no more than as if the reader took `SLOWEST` bytes a second. Then the oldest goes, nobody waits for that
reader until it moves on, and when it does it finds a gap in the numbers, and says so to whoever it reads for. A reader that is
killed lets go, as it does of every lock. What is still held when a run ends goes when the next one begins.
"""

import errno
import fcntl
import os
import re
import stat
import time
from collections import deque
from contextlib import suppress
from pathlib import Path
from typing import Protocol

CHUNK = 256 * 1024
"""Bytes read at a time."""
HELD = 64 * 2**20
"""Bytes that are kept for slow readers, beyond what is kept anyway."""
SLOWEST = 2 * 2**20
"""Bytes a second: a container that writes is never slowed below this for a reader's sake."""
ALLOWANCE = 5.0
"""Seconds at most for which a container is held up at a stretch."""
DIGIT = re.compile(rb"[0-9]")
LOOK = 0.01
"""Seconds until it is looked again whether a reader went on: the kernel tells nobody that a lock is free."""
LONGEST = 10 * LOOK
"""Seconds between two looks that count at most: what is more is time in which nobody ran here, and no reader's fault."""


class Encoder(Protocol):
    """A format, as it is written: `k8s_file`, `json_file`. shape: how each record begins, with 0 for every digit."""

    shape: bytes

    def encode(self, stream: str, at: int, chunk: bytes) -> bytes: ...

    def end_of_run(self, at: int) -> bytes: ...

    def rest(self) -> bytes: ...


class Writer:
    """Appends to a log. A disk that refuses costs lines, never the container: `trouble` then says what was refused, and so does
    the log itself, in a line of ours where they are missing, as soon as it can.

    limit: bytes after which a new file is begun; 0 is never. files: how many are kept, at least two.
    bell: a directory that is touched after each write, for those who watch it where the log is elsewhere.
    """

    def __init__(self, path: Path, encoder: Encoder, limit: int = 0, files: int = 2, bell: Path | None = None) -> None:
        self._path, self._encoder, self._limit, self._bell = path, encoder, limit, bell
        self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        size = os.fstat(self._descriptor).st_size
        self._is_torn = size > 0 and os.pread(self._descriptor, 1, size - 1) != b"\n"
        self._is_continued = size > 0
        self._is_within_line = False
        self._size = size
        self._earlier = Earlier(path, files - 1 if limit else 0)
        self._earlier.thin_out()  # what the last run left for readers
        self._at = 0
        self._refusal = ""
        self.trouble = ""

    def write(self, stream: str, at: int, chunk: bytes) -> None:
        """Record what came in one read."""
        self._at = at
        if self._refusal and not self._tell_refusal():
            return  # what comes is missing at the same place
        if self._is_continued:
            self._append(self._encoder.end_of_run(at))
            self._is_continued = False
        self._add(self._encoder.encode(stream, at, chunk), chunk.endswith(b"\n"))
        if self._bell:
            with suppress(OSError):
                os.utime(self._bell)

    def waits(self) -> float:
        """Seconds to wait before the next write, and then to ask again: readers have a lot to catch up with. Mostly 0."""
        return self._earlier.waits()

    def reopen(self) -> None:
        """Go on in a new file, after somebody has moved this one away. Where that can't be made, the old one goes on."""
        try:
            descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        except OSError as error:
            self.trouble = f"the log was not opened anew: {(error.strerror or str(error)).lower()}"
            return
        os.close(self._descriptor)
        self._descriptor, self._is_torn = descriptor, False
        self._size = os.fstat(descriptor).st_size

    def close(self) -> None:
        """Close the log."""
        if self._refusal:
            self._tell_refusal()
        self._append(self._encoder.rest())
        self._earlier.thin_out()
        self._earlier.close()
        os.close(self._descriptor)

    def discard(self) -> None:
        """Close a log into which nothing was written; where it was made just now, it goes."""
        if os.fstat(self._descriptor).st_size == 0:
            self._path.unlink(missing_ok=True)
        os.close(self._descriptor)

    def _add(self, records: bytes, ends_line: bool) -> None:
        """Append what one read brought, to as many files as it takes: however much comes at once, none outgrows its limit by
        more than a record. A file begins with a line, unless none ends for too long."""
        start = 0
        while start < len(records) and not self._refusal:
            if self._limit and self._size >= (2 if self._is_within_line else 1) * self._limit:
                self._rotate()
            end = self._end_of_file(records, start)
            self._append(records[start:end])
            self._is_within_line = end == len(records) and not ends_line
            start = end

    def _end_of_file(self, records: bytes, start: int) -> int:
        """Where the record ends that fills the file which is open; the last one where none does."""
        if not self._limit:
            return len(records)
        room = max(self._limit - self._size, 1)
        return records.find(b"\n", start + room - 1) + 1 or len(records)

    def _rotate(self) -> None:
        try:
            self._earlier.add(self._size)
        except OSError as error:
            self.trouble = f"the log outgrew its limit: {(error.strerror or str(error)).lower()}"
        else:
            self.reopen()
            self._earlier.thin_out()

    def _tell_refusal(self) -> bool:
        """In the log, where it goes on; whether it does."""
        line, self._refusal = missing(self._refusal), ""
        self._append(self._encoder.end_of_run(self._at) + self._encoder.encode("stderr", self._at, line))
        return not self._refusal

    def _append(self, records: bytes) -> None:
        rest = memoryview(b"\n" + records if self._is_torn and records else records)
        try:
            while rest:
                written = os.write(self._descriptor, rest)
                self._is_torn = written < len(rest)
                self._size += written
                rest = rest[written:]
        except OSError as error:
            self._refusal = (error.strerror or str(error)).lower()
            self.trouble = f"the log is not complete: {self._refusal}"


def missing(refusal: str) -> bytes:
    """What stands in a log for what it was refused."""
    return f"[podlink: lines of this log are missing here: {refusal}]\n".encode()


def require_log(path: Path, encoder: Encoder) -> None:
    """Raise FileExistsError where there is something else than a log of this format: nothing may be added to that, nor a
    part of it be taken for an earlier log and go. What a full disk left of a first record is one."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)  # what is a pipe does not block
    except FileNotFoundError:
        return
    try:
        head = os.read(descriptor, len(encoder.shape)) if stat.S_ISREG(os.fstat(descriptor).st_mode) else None
    finally:
        os.close(descriptor)
    if head is None or not encoder.shape.startswith(DIGIT.sub(b"0", head)):
        raise FileExistsError(
            errno.EEXIST, "what is there is no log of this driver; move it away, or choose another path", str(path)
        )


class Earlier:
    """The files before the one that is written, as their writer knows them.

    kept: how many stay whoever reads; 0 is for a log without a limit, which has no such files.
    """

    def __init__(self, path: Path, kept: int) -> None:
        self._path, self._kept = path, kept
        found = numbers(path) if kept else []
        self._files = deque((number, numbered(path, number).stat().st_size) for number in found)
        self._next = found[-1] + 1 if found else 1
        self._is_crowded = False
        self._allowance = ALLOWANCE
        self._asked = 0.0
        self._taken: list[int] = []
        """Descriptors of files that went although they were held: while they are, their readers have not moved on."""

    def add(self, size: int) -> None:
        """The file that was written up to now is one of them. Raises OSError where it can't be renamed."""
        self._path.replace(numbered(self._path, self._next))
        self._files.append((self._next, size))
        self._next += 1
        self._allowance = min(ALLOWANCE, self._allowance + size / SLOWEST)

    def waits(self) -> float:
        """Seconds until it is to be asked again whether readers have caught up; 0: they have, or had their time."""
        if not self._is_crowded:
            return 0.0
        self.thin_out()
        return LOOK if self._is_crowded else 0.0

    def thin_out(self) -> None:
        """Remove what is over the number, unless it is held, and what is held over the bound once the time for it is over."""
        now, before, was_crowded = time.monotonic(), self._asked, self._is_crowded
        self._asked, self._is_crowded = now, False
        if was_crowded:
            self._allowance -= min(now - before, LONGEST)
        while len(self._files) > self._kept and not self._must_stay(self._files[0][0]):
            number, _ = self._files.popleft()
            numbered(self._path, number).unlink(missing_ok=True)

    def close(self) -> None:
        """Let go of everything."""
        while self._taken:
            os.close(self._taken.pop())

    def _must_stay(self, number: int) -> bool:
        descriptor = _opened(numbered(self._path, number))
        is_held = _is_held(descriptor)
        if is_held and self._spare() > HELD:
            self._is_crowded = self._allowance > 0
            if not self._is_crowded:
                self._taken.append(descriptor)
                return False
        _close(descriptor)
        return self._is_crowded or (self._spare() <= HELD and (is_held or self._leaves_somebody_behind()))

    def _leaves_somebody_behind(self) -> bool:
        """Whether a reader whose file went has yet to take the next one."""
        for descriptor in [each for each in self._taken if not _is_held(each)]:
            self._taken.remove(descriptor)
            os.close(descriptor)
        return bool(self._taken)

    def _spare(self) -> int:
        """Bytes that are there for slow readers alone."""
        sizes = [size for _, size in self._files]
        return sum(sizes[: len(sizes) - self._kept])


NUMBER = re.compile(r"[1-9][0-9]*")


def numbered(path: Path, number: int) -> Path:
    """Where an earlier file is kept."""
    return path.with_name(f"{path.name}.{number}")


def numbers(path: Path) -> list[int]:
    """Of the earlier files that are there, oldest first."""
    start = path.name + "."
    with suppress(FileNotFoundError), os.scandir(path.parent) as entries:
        names = [entry.name for entry in entries if entry.name.startswith(start)]
        return sorted(int(found[0]) for name in names if (found := NUMBER.fullmatch(name.removeprefix(start))))
    return []


def _is_held(descriptor: int) -> bool:
    """Whether somebody reads that file."""
    if descriptor < 0:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    fcntl.flock(descriptor, fcntl.LOCK_UN)
    return False


class Tail:
    """A log that is read as it grows, from one file into the next; it may not be there yet.

    until: the number of a file and an offset in it, beyond which nothing is read.
    """

    def __init__(self, path: Path, until: tuple[int, int] | None = None) -> None:
        self._path, self._until = path, until
        self._file = -1
        self._number, self._offset = 0, 0
        self._missed = 0

    def read(self) -> bytes:
        """The next bytes; none: there are no more for now."""
        while self._file >= 0 or self._go_on():
            if (size := self._wanted()) and (chunk := self._take(size)):
                return chunk
            if not size or not self._is_done():
                return b""
            if chunk := self._take(self._wanted()):  # its last words, written before it was moved
                return chunk
            if not self._go_on():
                return b""
        return b""

    def missed(self) -> int:
        """How many files were gone before they could be read, since this was asked last."""
        missed, self._missed = self._missed, 0
        return missed

    def _wanted(self) -> int:
        """Bytes to read now."""
        if self._until is None or self._number < self._until[0]:
            return CHUNK
        return min(CHUNK, self._until[1] - self._offset) if self._number == self._until[0] else 0

    def _take(self, size: int) -> bytes:
        chunk = os.read(self._file, size)
        self._offset += len(chunk)
        return chunk

    def _is_done(self) -> bool:
        """Whether the log goes on in another file than the one that is read."""
        try:
            return self._path.stat().st_ino != os.fstat(self._file).st_ino
        except FileNotFoundError:
            return numbered(self._path, self._number + 1).exists()

    def _go_on(self) -> bool:
        """Hold and open the file that comes next, the oldest one at first. No: there is none yet."""
        while True:
            if self._number and numbered(self._path, self._number + 1).exists():
                number, found = self._number + 1, _held(numbered(self._path, self._number + 1))
            else:
                found, number = current(self._path)
                if number > self._number + 1 and (later := [each for each in numbers(self._path) if each > self._number]):
                    _close(found)
                    number, found = later[0], _held(numbered(self._path, later[0]))
                elif found < 0:
                    return False
            if found < 0:
                continue  # the log moved on meanwhile
            self._missed += max(number - self._number - 1, 0) if self._number else 0
            self.close()
            self._file, self._number, self._offset = found, number, 0
            return True

    def close(self) -> None:
        """Let go of the file that is read. Again is no error."""
        _close(self._file)
        self._file = -1

    def __enter__(self) -> "Tail":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def current(path: Path) -> tuple[int, int]:
    """The file that is written, held, and the number that it will have; -1 where it is not there."""
    while True:
        descriptor = _held(path)
        earlier = numbers(path)
        if descriptor < 0 or _inode(path) == os.fstat(descriptor).st_ino:  # as it was before the look, and was meanwhile
            return descriptor, earlier[-1] + 1 if earlier else 1
        _close(descriptor)  # the log moved on meanwhile


def extent(path: Path) -> tuple[int, int]:
    """Where the log ends now: the number of its last file, and the bytes in it."""
    descriptor, number = current(path)
    if descriptor < 0:
        return number, 0
    try:
        return number, os.fstat(descriptor).st_size
    finally:
        _close(descriptor)


def _held(path: Path) -> int:
    """A descriptor that holds the file; -1 where there is none."""
    if (descriptor := _opened(path)) >= 0:
        fcntl.flock(descriptor, fcntl.LOCK_SH)
    return descriptor


def _opened(path: Path) -> int:
    try:
        return os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return -1


def _inode(path: Path) -> int:
    try:
        return path.stat().st_ino
    except FileNotFoundError:
        return 0


def _close(descriptor: int) -> None:
    if descriptor >= 0:
        os.close(descriptor)
