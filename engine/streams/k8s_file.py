"""The format of Kubernetes' CRI, which podman calls `k8s-file`. A record is a line:

    2026-11-23T08:53:52.567919676Z stdout F a whole line
    2026-11-23T08:53:53.100000000Z stderr P a piece of one; the rest foll
    2026-11-23T08:53:53.200000000Z stderr F ows
    └────────── when ───────────┘ └stream┘ │ └─ the bytes, as they came
                          F: a newline followed; P: none, more of this line may come (P:end: no more will)

A new run begins by ending what an earlier one left open (P:end, an empty piece). Anything that is not a record, such as
one torn by a full disk, is passed over.
"""

import io
import re
from collections.abc import Iterator

from podlink.engine.streams import lines
from podlink.engine.streams.lines import FEW, STREAMS, Run, moment

WHOLE = re.compile(rb"[0-9T:.-]{29}Z (stdout|stderr) F ")
"""How a record of a whole line begins."""
HEAD = len("2026-11-23T08:53:52.567919676Z stdout F ")
"""Bytes of that; both streams have names of six letters."""


class Encoder:
    """What a container writes, as records."""

    shape = b"0000-00-00T00:00:00."

    def encode(self, stream: str, at: int, chunk: bytes) -> bytes:
        """The records of what came in one read. at: nanoseconds since the epoch."""
        head = f"{moment(at)} {stream} ".encode()
        whole, newline, rest = chunk.rpartition(b"\n")
        records = b""
        if newline:
            full = head + b"F "
            records = full + whole.replace(b"\n", b"\n" + full) + b"\n"
        return records + head + b"P " + rest + b"\n" if rest else records

    def end_of_run(self, at: int) -> bytes:
        """The records that end whatever line an earlier run left open."""
        return b"".join(f"{moment(at)} {stream} P:end \n".encode() for stream in STREAMS)

    def rest(self) -> bytes:
        """Every byte is recorded when it comes: nothing is left."""
        return b""


class Decoder(lines.Decoder):
    """Turns records, as they are read, back into lines."""

    def _run(self, records: bytes) -> Run | None:
        start = records.rfind(b"\n", 0, len(records) // 2) + 1
        head = records[start : start + HEAD]
        found = WHOLE.fullmatch(head)
        is_first = records.startswith(head)
        if not found or (count := records.count(b"\n" + head) + is_first) < FEW:
            return None
        start, last = 0 if is_first else records.find(b"\n" + head) + 1, records.rfind(b"\n" + head) + 1
        end = records.find(b"\n", last) + 1
        run = io.BytesIO(records[start:end]).readlines()  # at newlines alone, and in C
        return Run(start, end, found[1], [record[HEAD:] for record in run]) if len(run) == count else None

    def _pieces(self, records: list[bytes]) -> Iterator[tuple[bytes, bytes, bool]]:
        for record in records:
            fields = record.split(b" ", 3)
            if len(fields) == 4:
                _, stream, tags, text = fields
                yield (stream, text + b"\n", True) if tags == b"F" else (stream, text, tags == b"P:end")
