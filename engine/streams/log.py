"""The log of a container, whatever keeps it.

    k8s-file    records of `k8s_file.py` in a file; every byte is kept
    json-file   records of `json_file.py` in a file
    journald    entries in the journal: `journal.py`
    none        nothing

How files are written, limited and followed: `files.py`. Who follows a log gets a line when it is whole, or when the run is over.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from podlink.engine.cancel import NEVER, Cancel
from podlink.engine.streams import json_file, k8s_file
from podlink.engine.streams.files import Encoder, Tail, Writer, extent, require_log
from podlink.engine.streams.journal import Journal


class Decoder(Protocol):
    """A format, as it is read."""

    def feed(self, chunk: bytes) -> list[bytes]: ...

    def finish(self) -> list[bytes]: ...


FILE = "ctr.log"
"""The log in its container's directory."""
FILES: dict[str, tuple[Callable[[], Encoder], Callable[[], Decoder]]] = {
    "k8s-file": (k8s_file.Encoder, k8s_file.Decoder),
    "json-file": (json_file.Encoder, json_file.Decoder),
}
"""The drivers that keep files, by name; what writes and what reads them."""
JOURNAL = "journald"
DRIVERS = (*FILES, JOURNAL, "none")


@dataclass(frozen=True, slots=True, kw_only=True)
class Keeping:
    """How the output of a run is kept. driver: one of DRIVERS. path: of the file, or of the journal's socket.

    limit: bytes after which a new file is begun, 0 is never; files: how many are kept, this one included.
    container, name, tag: what an entry in the journal is found by.
    """

    driver: str = "k8s-file"
    path: str = ""
    limit: int = 0
    files: int = 2
    container: str = ""
    name: str = ""
    tag: str = ""


class Log(Protocol):
    """Where a run's output is written down."""

    trouble: str
    """What kept it from being complete; empty: nothing did."""

    def write(self, stream: str, at: int, chunk: bytes) -> None: ...

    def waits(self) -> float: ...

    def reopen(self) -> None: ...

    def close(self) -> None: ...

    def discard(self) -> None: ...


class NoLog:
    """What stands for a log where none is kept."""

    trouble = ""

    def write(self, stream: str, at: int, chunk: bytes) -> None:
        """Let it go."""

    def waits(self) -> float:
        """Nobody reads here."""
        return 0.0

    def reopen(self) -> None:
        """There is nothing to open."""

    def close(self) -> None:
        """There is nothing to close."""

    def discard(self) -> None:
        """There is nothing to throw away."""


def writer(keeping: Keeping, directory: Path) -> Log:
    """Where a run's output goes. directory: the container's, which is watched by those who follow. Raises OSError."""
    path = Path(keeping.path) if keeping.path else directory / FILE
    if keeping.driver == JOURNAL:
        return Journal(path, keeping.container, keeping.name, keeping.tag)
    if keeping.driver not in FILES:
        return NoLog()
    encoder = FILES[keeping.driver][0]()
    if keeping.path:
        require_log(path, encoder)
    return Writer(path, encoder, keeping.limit, keeping.files, bell=None if path.parent == directory else directory)


def read(path: Path, driver: str = "k8s-file") -> Iterator[list[bytes]]:
    """Batches of lines: all that is there now. A log that is not there has none."""
    reading = _Reading(driver)
    with Tail(path, until=extent(path)) as tail:
        while chunk := tail.read():
            yield reading.lines(chunk, tail.missed())
    yield reading.rest()


class Wakeup(Protocol):
    """What tells that the log grew, or that the run ended: `runtime.base.Wakeup`."""

    def notify(self) -> None: ...

    def wait(self, timeout: float | None = None) -> bool: ...


def follow(
    path: Path, wakeup: Wakeup, ended: Callable[[], bool], cancelled: Cancel = NEVER, driver: str = "k8s-file"
) -> Iterator[list[bytes]]:
    """Batches of lines: what is there, then what comes, until the run has ended or the caller has left.

    ended: whether nothing more will be written; asked only when there is nothing left to read.
    """
    reading = _Reading(driver)
    is_over = False
    release = cancelled.on_set(wakeup.notify)
    try:
        with Tail(path) as tail:
            while not cancelled.is_set():
                if chunk := tail.read():
                    if batch := reading.lines(chunk, tail.missed()):
                        yield batch
                elif is_over:
                    break
                elif not (is_over := ended()):  # else look once more: the last lines may have come while we asked
                    wakeup.wait()
        if is_over and not cancelled.is_set() and (batch := reading.rest()):
            yield batch
    finally:
        release()


class _Reading:
    """From records to lines, and to a line of our own where records are missing."""

    def __init__(self, driver: str) -> None:
        self._kind = FILES[driver][1]
        self._decoder = self._kind()

    def lines(self, chunk: bytes, missed: int) -> list[bytes]:
        """The lines that became whole. missed: files that are gone before this chunk."""
        if not missed:
            return self._decoder.feed(chunk)
        before, self._decoder = self._decoder.finish(), self._kind()
        return [*before, gap(missed), *self._decoder.feed(chunk)]

    def rest(self) -> list[bytes]:
        """The lines that have no newline."""
        return self._decoder.finish()


def gap(files: int) -> bytes:
    """What a reader is told instead of what it lost."""
    what = "a file of this log is" if files == 1 else f"{files} files of this log are"
    return f"[podlink: {what} missing here, gone before this reader came to it, for the container writes faster]\n".encode()
