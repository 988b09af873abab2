"""A blob on its way to a registry in chunks, and on again where the connection broke (distribution-spec, "Pushing blobs").

    POST  /v2/team/app/blobs/uploads/            202   Location: where to send
    PATCH Location   Content-Range: 0-8388607    202   Location: where to send the next (it changes with every answer)
    PATCH …          Content-Range: 8388608-…    ─ the connection breaks ─
    GET   …                                      204   Range: 0-9999999: what has arrived; from there it goes on
                                                 404   it has lost count, as Docker's registry does: all of it again
    PUT   …?digest=sha256:9f86…                  201

A blob that is shorter than a chunk goes with the PUT.
"""

import re
from collections.abc import Collection
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, urlencode, urljoin, urlsplit, urlunsplit

from podlink.engine.errors import RegistryFailed
from podlink.engine.oci.digest import Digest
from podlink.engine.oci.distribution.auth import push
from podlink.engine.oci.distribution.connection import Dropped
from podlink.engine.oci.distribution.exchange import Exchange
from podlink.engine.oci.distribution.retry import PASSING, leave
from podlink.engine.oci.readable import Rereadable, read_fully

if TYPE_CHECKING:
    import urllib3

CHUNK = 8 * 1024 * 1024
BINARY = {"Content-Type": "application/octet-stream"}
LOST = (404, 416)
"""Answers of a registry that knows no such session, or has another number of bytes in it."""
RANGE = re.compile(r"(?:bytes=)?0-(\d{1,19})")


class Upload:
    """One blob's way into a repository. Used by one thread."""

    def __init__(self, exchange: Exchange, repository: str, digest: Digest) -> None:
        self._exchange = exchange
        self._scopes = (push(repository),)
        self._repository = repository
        self._digest = digest
        self._what = f"upload of {digest} to {repository}"
        self._location = ""
        self._sent = 0

    def run(self, content: Rereadable) -> None:
        """Send everything that `content` has, from its beginning. Raises RegistryFailed, also when the registry finds another
        digest."""
        self._begin()
        tries, furthest = self._exchange.tries(), 0
        while trouble := self._attempt(content):
            if self._sent > furthest:
                furthest = self._sent
                tries.forgive()
            if not tries.fail(trouble.weight, trouble.retry_after):
                raise RegistryFailed(f"{self._exchange.endpoint}: {self._what}: {trouble}, again and again; try later")
            if self._is_there():  # all of it had arrived, and only the answer was lost
                return
            self._go_on()

    def _attempt(self, content: Rereadable) -> Dropped | None:
        """Send what has not been sent. What is given is what went wrong, where another try may mend it."""
        content.seek(self._sent)
        try:
            while chunk := read_fully(content, CHUNK):
                leave(self._exchange.cancel)
                if self._sent == 0 and len(chunk) < CHUNK:
                    break
                self._send(chunk)
            self._finish(chunk)
        except Dropped as trouble:
            return trouble
        return None

    def _begin(self) -> None:
        """Open a session, in which nothing has been sent."""
        path = f"/v2/{self._repository}/blobs/uploads/"
        self._location, self._sent = "", 0
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
        """One chunk. Raises Dropped where it may not have arrived."""
        headers = {**BINARY, "Content-Range": f"{self._sent}-{self._sent + len(chunk) - 1}", "Content-Length": str(len(chunk))}
        with self._exchange.ask("PATCH", self._location, self._scopes, headers=headers, body=chunk, again=False) as answer:
            self._require(answer, (201, 202, 204))
            self._move(answer)
        self._sent += len(chunk)

    def _finish(self, rest: bytes) -> None:
        """Close the session, and have the registry check the digest. Raises Dropped as `_send` does."""
        headers = {**BINARY, "Content-Length": str(len(rest))}
        place = with_digest(self._location, self._digest)
        with self._exchange.ask("PUT", place, self._scopes, headers=headers, body=rest, again=False) as answer:
            self._require(answer, (201, 204))

    def _require(self, answer: "urllib3.BaseHTTPResponse", good: Collection[int]) -> None:
        if answer.status in PASSING or answer.status in LOST:
            raise Dropped(f"it answers {answer.status}", retry_after=answer.headers.get("Retry-After"))
        if answer.status not in good:
            raise self._exchange.refuse(answer, self._what)

    def _go_on(self) -> None:
        """Ask how much has arrived; begin anew where the registry can't say, or says what can't be."""
        most = self._sent + CHUNK
        with self._exchange.ask("GET", self._location, self._scopes) as answer:
            known = answer.status in (202, 204)
            if known:
                self._move(answer)
            found = RANGE.fullmatch(answer.headers.get("Range", ""))
        # Docker's registry says 0-0 both for no byte and for one; chunks are longer, so it means none.
        self._sent = int(found[1]) + 1 if found and found[1] != "0" else 0
        if not known or self._sent > most:
            self._begin()

    def _is_there(self) -> bool:
        path = f"/v2/{self._repository}/blobs/{self._digest}"
        with self._exchange.ask("HEAD", path, self._scopes) as answer:
            return answer.status == 200


def with_digest(location: str, digest: Digest) -> str:
    """The address with the digest added to its query, whatever that holds already."""
    parts = urlsplit(location)
    query = [*parse_qsl(parts.query, keep_blank_values=True), ("digest", str(digest))]
    return urlunsplit(parts._replace(query=urlencode(query)))
