"""A blob as a stream that goes on where the connection broke (RFC 9110, section 14, Range).

    GET …/blobs/sha256:9f86…                          200   1,000 of 5,000 bytes, then the connection breaks
    GET …/blobs/sha256:9f86…   Range: bytes=1000-     206   the rest
                                                      200   the server knows no ranges: the first 1,000 are skipped

Digest and size are the reader's to check. But the stream never gives more bytes than were promised, and fewer only by raising.
"""

import re
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING

from podlink.engine.cancel import Cancel
from podlink.engine.errors import RegistryFailed
from podlink.engine.oci.distribution.connection import Connection, Dropped, finish
from podlink.engine.oci.distribution.retry import Patience, Tries, leave

if TYPE_CHECKING:
    import urllib3

PIECE = 1 << 20
PROGRESS = 1 << 20
"""Bytes after which earlier failures are forgiven: a flaky network is slow, a server that always drops is broken."""
SLOW_BYTES, SLOW_SECONDS = 16 * 1024, 60.0
"""A connection that brings less than that in this time stands as good as still, and is dropped."""
CONTENT_RANGE = re.compile(r"bytes (\d+)-(\d+)/(\d+|\*)")


class Download:
    """The bytes of one blob from an offset on. To be read by one thread, and closed.

    open: sends the request with these headers, patiently, and gives an answer whose status is a success.
    """

    def __init__(
        self,
        open: "Callable[[Mapping[str, str]], urllib3.BaseHTTPResponse]",
        connection: Connection,
        patience: Patience,
        cancel: Cancel,
        *,
        what: str,
        size: int | None,
        offset: int = 0,
    ) -> None:
        """what: its name in messages. size: of the whole blob; None for one that ends where its server says."""
        self._open = open
        self._connection = connection
        self._cancel = cancel
        self._what = what
        self.size = size
        self._position = offset
        self._answer: urllib3.BaseHTTPResponse | None = None

        self._stay: Callable[[], None] = lambda: None
        """Takes back that the caller's leaving ends the connection."""
        self._tries = Tries(patience, cancel)
        self._forgiven_at = offset
        self._pace = (time.monotonic(), offset)

    def close(self) -> None:
        if self._answer is not None:
            self._stay()
            finish(self._answer)
            self._answer = None

    def read(self, size: int = -1, /) -> bytes:
        """At most `size` bytes, as they arrive; all the rest for a negative size. Empty at the end."""
        if size < 0:
            return b"".join(iter(lambda: self.read(PIECE), b""))
        left = size if self.size is None else min(size, self.size - self._position)
        while left > 0:
            leave(self._cancel)
            try:
                piece = self._piece(left)
            except Dropped as trouble:
                self._failed(trouble)
                continue
            if piece is not None:
                return piece
        return b""

    def _piece(self, left: int) -> bytes | None:
        """The next bytes; empty at the end; None to be asked again. Raises Dropped when the connection ends too early."""
        if self._answer is None:
            self._start()
        assert self._answer is not None
        with self._connection.translated(self._connection.endpoint.host):
            piece = self._answer.read1(min(left, PIECE), decode_content=False)
        if not piece:
            if self.size is None or self._position >= self.size:  # the size may be known since the answer came
                return b""
            raise Dropped(f"it ended after {self._position} of {self.size} bytes")
        self._position += len(piece)
        self._watch()
        return piece

    def _watch(self) -> None:
        """Forgive earlier failures after enough progress, and give up a connection that makes nearly none."""
        if self._position - self._forgiven_at >= PROGRESS:
            self._tries.forgive()
            self._forgiven_at = self._position
        since, at = self._pace
        if (now := time.monotonic()) - since > SLOW_SECONDS:
            if self._position - at < SLOW_BYTES:
                self._failed(Dropped(f"it brings less than {SLOW_BYTES} bytes in {SLOW_SECONDS:g} s"))
            self._pace = (now, self._position)

    def _start(self) -> None:
        """Ask for the bytes from here on."""
        self._pace = (time.monotonic(), self._position)
        self._answer = answer = self._open({"Range": f"bytes={self._position}-"} if self._position else {})
        self._stay = self._cancel.on_set(partial(hang_up, answer))
        if answer.status == 206:
            self._require_range(answer.headers.get("Content-Range", ""))
        else:
            self._skip(self._position)

    def _require_range(self, told: str) -> None:
        found = CONTENT_RANGE.fullmatch(told.strip())
        if not found or int(found[1][:20]) != self._position:
            raise self._broken(f"asked for bytes from {self._position} on it sends {told[:80]!r}")

    def _skip(self, count: int) -> None:
        assert self._answer is not None
        while count > 0:
            leave(self._cancel)
            with self._connection.translated(self._connection.endpoint.host):
                skipped = len(self._answer.read1(min(count, PIECE), decode_content=False))
            if not skipped:
                raise Dropped(f"it ended before byte {self._position}")
            count -= skipped

    def _failed(self, trouble: Dropped) -> None:
        """Let go of the connection, and wait before the next one."""
        self.close()
        if not self._tries.fail(trouble.weight):
            raise self._broken(f"{trouble}, again and again") from None

    def _broken(self, why: str) -> RegistryFailed:
        return RegistryFailed(f"{self._connection.endpoint}: {self._what}: {why}; try again, or another registry")


def hang_up(answer: "urllib3.BaseHTTPResponse") -> None:
    """Wake whoever waits for the answer's next bytes: there are none. Not to be told to a connection that is over."""
    with suppress(ValueError, RuntimeError, OSError):
        answer.shutdown()
