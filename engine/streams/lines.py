"""Lines from pieces, the same for every format of a log.

*A line* is what the container wrote up to and with its newline; the last one of a run may have none. What is written is recorded
at once, a prompt without a newline too, so a line may come in several records, and those of two streams in between.

What came in one read is recorded with one moment, so its records differ in their lines alone. Of many short lines such a *run* is
read at once, by steps that are the same however many lines it has; a record by itself costs twenty times as much.
"""

import time
from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass

STREAMS = ("stdout", "stderr")
LONGEST = 16 * 2**20
"""Bytes. A longer line is given in pieces, so that a container which never writes a newline fills nobody's memory."""

FEW = 16
"""Records: fewer are not worth being read at once."""
PART = 16 * 1024
"""Bytes of records in which, where their middle is of no run, no other one is looked for."""


def moment(at: int) -> str:
    """RFC 3339 with nanoseconds, in UTC. at: nanoseconds since the epoch."""
    seconds, nanoseconds = divmod(at, 10**9)
    return f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(seconds))}.{nanoseconds:09}Z"


class Lines:
    """The unfinished line of each stream."""

    def __init__(self) -> None:
        self._open: dict[bytes, list[bytes]] = {}
        self._sizes: dict[bytes, int] = {}

    def is_open(self, stream: bytes) -> bool:
        """Whether a line of this stream has begun."""
        return stream in self._open

    def add(self, stream: bytes, text: bytes, ends: bool) -> list[bytes]:
        """One more piece, which ends the line or not; the answer is the line that it made whole, if it did."""
        if text:
            self._open.setdefault(stream, []).append(text)
            self._sizes[stream] = self._sizes.get(stream, 0) + len(text)
        return self._close(stream) if ends or self._sizes.get(stream, 0) >= LONGEST else []

    def finish(self) -> list[bytes]:
        """The lines that have no newline, once nothing more will come."""
        return [line for stream in list(self._open) for line in self._close(stream)]

    def _close(self, stream: bytes) -> list[bytes]:
        self._sizes.pop(stream, None)
        pieces = self._open.pop(stream, None)
        return [b"".join(pieces)] if pieces else []


@dataclass(frozen=True, slots=True)
class Run:
    """Records of one moment and one stream that follow one another, each of a whole line. start, end: of them among others."""

    start: int
    end: int
    stream: bytes
    lines: list[bytes]
    """Each with its newline."""


class Decoder(ABC):
    """Turns records, as they are read, back into lines. A format says what a record holds: `_pieces`, and `_run` for many."""

    def __init__(self) -> None:
        self._torn = b""
        """A record whose end has not been read yet."""
        self._lines = Lines()

    def feed(self, chunk: bytes) -> list[bytes]:
        """The lines that became whole with these bytes of the log."""
        whole, newline, self._torn = (self._torn + chunk).rpartition(b"\n")
        return self._decoded(whole + newline)

    def finish(self) -> list[bytes]:
        """The lines that have no newline, once nothing more will come."""
        return self._lines.finish()

    def _decoded(self, records: bytes) -> list[bytes]:
        """The lines of whole records: of the run in their middle, and likewise of what is before and after that."""
        if run := self._run(records):
            return [*self._decoded(records[: run.start]), *self._at_once(run), *self._decoded(records[run.end :])]
        if len(records) > PART and (middle := records.rfind(b"\n", 0, len(records) // 2) + 1):
            return [*self._decoded(records[:middle]), *self._decoded(records[middle:])]
        lines: list[bytes] = []
        for stream, text, ends in self._pieces(records.split(b"\n")[:-1]):
            if ends and text and not self._lines.is_open(stream):
                lines.append(text)
            else:
                lines += self._lines.add(stream, text, ends)
        return lines

    def _at_once(self, run: Run) -> list[bytes]:
        if self._lines.is_open(run.stream):
            return [*self._lines.add(run.stream, run.lines[0], ends=True), *run.lines[1:]]
        return run.lines

    @abstractmethod
    def _run(self, records: bytes) -> Run | None:
        """The run that the record in the middle belongs to; None where that is not one of FEW lines or more."""

    @abstractmethod
    def _pieces(self, records: list[bytes]) -> Iterator[tuple[bytes, bytes, bool]]:
        """Of each record its stream, its text with the newline if one followed, and whether its line ends here.

        What is no record, such as one torn by a full disk, is passed over.
        """
