"""A blob on its way to a registry in chunks, and on again where the connection broke (distribution-spec, "Pushing blobs").

    POST  /v2/team/app/blobs/uploads/            202   Location: where to send
    PATCH Location   Content-Range: 0-8388607    202   Location: where to send the next (it changes with every answer)
    PATCH …          Content-Range: 8388608-…    ─ the connection breaks ─
    GET   …                                      204   Range: 0-9999999: what has arrived; from there it goes on
    PUT   …?digest=sha256:9f86…                  201

A blob that fits one chunk goes with the PUT. A chunk is kept in memory until it has arrived, and no more than that: the stream
that it comes from is read once.
"""

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Protocol
from urllib.parse import parse_qsl, urlencode, urljoin, urlsplit, urlunsplit

from podlink.engine.errors import RegistryFailed
from podlink.engine.oci.digest import Digest
from podlink.engine.oci.distribution.auth import push
from podlink.engine.oci.distribution.connection import Dropped
from podlink.engine.oci.distribution.exchange import Exchange
from podlink.engine.oci.distribution.retry import PASSING, leave

if TYPE_CHECKING:
    import urllib3

CHUNK = 8 * 1024 * 1024
BINARY = {"Content-Type": "application/octet-stream"}
RANGE = re.compile(r"(?:bytes=)?0-(\d{1,19})")


class Readable(Protocol):
    """Bytes in order; an empty answer is the end."""

    def read(self, size: int = -1, /) -> bytes: ...


class Upload:
    """One blob's upload session. Used by one thread."""

    def __init__(self, exchange: Exchange, repository: str, digest: Digest) -> None:
        self._exchange = exchange
        self._scopes = (push(repository),)
        self._repository = repository
        self._digest = digest
        self._what = f"upload of {digest} to {repository}"
        self._location = ""
        self._sent = 0

    def run(self, content: Readable) -> None:
        """Send everything that `content` has. Raises RegistryFailed, also when the registry finds another digest."""
        first = read_fully(content, CHUNK)
        self._begin()
        if len(first) < CHUNK:
            return self._finish(first)
        chunk = first
        while chunk:
            self._send(chunk)
            chunk = read_fully(content, CHUNK)
        return self._finish(b"")

    def _begin(self) -> None:
        path = f"/v2/{self._repository}/blobs/uploads/"
        with self._exchange.ask("POST", path, self._scopes, headers={"Content-Length": "0"}, body=b"") as answer:
            if answer.status != 202:
                raise self._exchange.refuse(answer, self._what)
            self._move(answer)

    def _move(self, answer: "urllib3.BaseHTTPResponse") -> None:
        """Where the next request goes. What stays without a Location stays where it is."""
        self._location = urljoin(self._location or self._exchange.base(), answer.headers.get("Location", self._location))
        if not self._location or urlsplit(self._location).scheme not in ("http", "https"):
            raise RegistryFailed(f"{self._exchange.endpoint}: {self._what}: it names no place to send it to")

    def _send(self, chunk: bytes) -> None:
        """One chunk, from wherever its last byte arrived, until it has arrived whole."""
        start, failures = self._sent, 0
        while self._sent < start + len(chunk):
            leave(self._exchange.cancel)
            rest = memoryview(chunk)[self._sent - start :]
            headers = {**BINARY, "Content-Range": f"{self._sent}-{self._sent + len(rest) - 1}", "Content-Length": str(len(rest))}
            trouble = self._patch(headers, rest)
            if trouble is None:
                self._sent += len(rest)
                continue
            failures += trouble.weight
            if failures >= self._exchange.patience.tries:
                raise RegistryFailed(f"{self._exchange.endpoint}: {self._what}: {trouble}, again and again; try later")
            self._exchange.patience.wait(failures, self._exchange.cancel)
            self._resume(start, start + len(chunk))

    def _patch(self, headers: Mapping[str, str], rest: memoryview) -> Dropped | None:
        """Send the rest of a chunk. What is given is what went wrong, where another try may mend it."""
        try:
            with self._exchange.ask("PATCH", self._location, self._scopes, headers=headers, body=rest, again=False) as answer:
                if answer.status in PASSING or answer.status == 416:
                    return Dropped(f"it answers {answer.status}")
                if answer.status not in (201, 202, 204):
                    raise self._exchange.refuse(answer, self._what)
                self._move(answer)
                return None
        except Dropped as trouble:
            return trouble

    def _resume(self, start: int, end: int) -> None:
        """Ask how much has arrived."""
        with self._exchange.ask("GET", self._location, self._scopes) as answer:
            if answer.status not in (202, 204):
                raise self._exchange.refuse(answer, f"{self._what}, to go on with after {self._sent} bytes")
            self._move(answer)
            found = RANGE.fullmatch(answer.headers.get("Range", ""))
        # Docker's registry says 0-0 both for no byte and for one; chunks are longer, so it means none.
        arrived = int(found[1]) + 1 if found and found[1] != "0" else 0
        if not start <= arrived <= end:
            raise RegistryFailed(
                f"{self._exchange.endpoint}: {self._what}: "
                f"it has {arrived} bytes of it, and {start} to {end} were sent; try again"
            )
        self._sent = arrived

    def _finish(self, rest: bytes) -> None:
        """Close the session with what is left, and have the registry check the digest."""
        headers = {**BINARY, "Content-Length": str(len(rest))}
        with self._exchange.ask(
            "PUT", with_digest(self._location, self._digest), self._scopes, headers=headers, body=rest
        ) as answer:
            if answer.status in (201, 204):
                return
            failed = self._exchange.refuse(answer, self._what)
        if answer.status != 404 or not self._is_there():
            raise failed

    def _is_there(self) -> bool:
        """Whether an earlier PUT did it all, and only its answer was lost: the session is gone then, and the blob is there."""
        path = f"/v2/{self._repository}/blobs/{self._digest}"
        with self._exchange.ask("HEAD", path, self._scopes) as answer:
            return answer.status == 200


def with_digest(location: str, digest: Digest) -> str:
    """The address with the digest added to its query, whatever that holds already."""
    parts = urlsplit(location)
    query = [*parse_qsl(parts.query, keep_blank_values=True), ("digest", str(digest))]
    return urlunsplit(parts._replace(query=urlencode(query)))


def read_fully(content: Readable, size: int) -> bytes:
    """As many bytes as asked for, fewer only at the end."""
    pieces, left = [], size
    while left > 0 and (piece := content.read(left)):
        pieces.append(piece)
        left -= len(piece)
    return b"".join(pieces)
