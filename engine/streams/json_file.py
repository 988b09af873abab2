"""Docker's format, `json-file`. A record is a line:

    {"log":"a whole line\\n","stream":"stdout","time":"2026-11-23T08:53:52.567919676Z"}
    {"log":"a piece of one; the rest foll","stream":"stderr","time":"2026-11-23T08:53:53.100000000Z"}
    {"log":"ows\\n","stream":"stderr","time":"2026-11-23T08:53:53.200000000Z"}

A text without a newline is a piece, and one without anything ends the line that an earlier run left open. JSON is Unicode:
bytes that are not UTF-8 are recorded as U+FFFD, and what is lost by that is lost; `k8s-file` keeps every byte.
"""

import codecs
import io
import json
import re
from collections.abc import Iterator
from typing import Any

from podlink.engine.streams import lines
from podlink.engine.streams.lines import FEW, STREAMS, Run, moment

_quoted = json.JSONEncoder(ensure_ascii=False).encode

OPEN = b'{"log":"'
WHOLE = re.compile(rb'\\n","stream":"(stdout|stderr)","time":"[0-9T:.-]{29}Z"}\n')
"""How a record of a whole line ends."""
END = len('\\n","stream":"stdout","time":"2026-11-23T08:53:52.567919676Z"}\n')
"""Bytes of that; both streams have names of six letters."""


class Encoder:
    """What a container writes, as records. A character whose bytes come in two reads waits for the second."""

    shape = OPEN

    def __init__(self) -> None:
        self._texts = {stream: codecs.getincrementaldecoder("utf-8")("replace") for stream in STREAMS}
        self._last = 0

    def encode(self, stream: str, at: int, chunk: bytes) -> bytes:
        """The records of what came in one read. at: nanoseconds since the epoch."""
        self._last = at
        return _records(stream, at, self._texts[stream].decode(chunk))

    def end_of_run(self, at: int) -> bytes:
        """The records that end whatever line an earlier run left open."""
        return b"".join(_record(stream, at, "") for stream in STREAMS)

    def rest(self) -> bytes:
        """The records of characters that were never whole."""
        return b"".join(_records(stream, self._last, text.decode(b"", True)) for stream, text in self._texts.items())


def _records(stream: str, at: int, text: str) -> bytes:
    """A record for each line. All are quoted at once, each newline as a lone surrogate: decoded UTF-8 has none."""
    whole, newline, rest = text.rpartition("\n")
    records = b""
    if newline:
        end = f'\\n"{_tail(stream, at)}'
        quoted = _quoted(whole.replace("\n", "\ud800"))[:-1].replace("\ud800", f'{end}{{"log":"')
        records = f'{{"log":{quoted}{end}'.encode()
    return records + _record(stream, at, rest) if rest else records


def _record(stream: str, at: int, text: str) -> bytes:
    return f'{{"log":{_quoted(text)}{_tail(stream, at)}'.encode()


def _tail(stream: str, at: int) -> str:
    return f',"stream":"{stream}","time":"{moment(at)}"}}\n'


class Decoder(lines.Decoder):
    """Turns records, as they are read, back into lines."""

    def _run(self, records: bytes) -> Run | None:
        middle = records.find(b"\n", len(records) // 2) + 1
        end = records[max(middle - END, 0) : middle]
        found = WHOLE.fullmatch(end)
        if not found:
            return None
        start, stop = records.rfind(b"\n", 0, records.find(end)) + 1, records.rfind(end) + END
        count = records.count(end + OPEN, start, stop) + 1
        if count < FEW or not records.startswith(OPEN, start):
            return None
        run = io.BytesIO(records[start:stop]).readlines()  # at newlines alone, and in C
        if len(run) != count:
            return None
        lines = _unquoted(b"\n".join([record[len(OPEN) : -END] for record in run]))
        return Run(start, stop, found[1], lines) if len(lines) == count else None

    def _pieces(self, records: list[bytes]) -> Iterator[tuple[bytes, bytes, bool]]:
        for found in _values(records):
            try:
                stream, text = found["stream"].encode(), found["log"].encode(errors="replace")
            except (TypeError, KeyError, AttributeError):
                continue
            yield stream, text, text.endswith(b"\n") or not text


def _unquoted(strings: bytes) -> list[bytes]:
    """The lines that several strings of JSON stand for, which come with a newline between each two; none where it takes each
    string by itself to be told: a backslash at its end may be half of another character."""
    if b"\\\n" in strings or strings.endswith(b"\\"):
        return []
    if b"\\" in strings or b'"' in strings:
        try:
            text: str = json.loads(b'"' + strings.replace(b"\n", b"\\n") + b'"')
        except ValueError:
            return []
        strings = text.encode(errors="replace")
    return io.BytesIO(strings + b"\n").readlines()


def _values(records: list[bytes]) -> list[Any]:
    """What is JSON among them. All are parsed at once; where one is not whole each is by itself. The newline between two
    keeps a torn one from going on in the next: within a string it is not allowed."""
    try:
        values: list[Any] = json.loads(b"[" + b",\n".join(records) + b"]")
    except (ValueError, RecursionError):
        return [value for record in records for value in _values([record])] if len(records) > 1 else []
    return values
