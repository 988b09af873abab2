"""The verbs of a registry (distribution-spec, "API"), each one request and what its answers mean.

with Client(Endpoint(name="127.0.0.1:5000", host="127.0.0.1:5000", insecure=True)) as client:
    manifest = client.manifest("library/alpine", "latest")
    with client.blob("library/alpine", digest, size) as stream:
        stream.read()
"""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING, Self

from podlink.engine.cancel import NEVER, Cancel
from podlink.engine.errors import ImageNotFound, InvalidRequest, RegistryFailed
from podlink.engine.oci.digest import Digest
from podlink.engine.oci.distribution.auth import pull, push
from podlink.engine.oci.distribution.connection import Dropped, Timeouts
from podlink.engine.oci.distribution.download import Download
from podlink.engine.oci.distribution.endpoint import Endpoint
from podlink.engine.oci.distribution.exchange import Exchange
from podlink.engine.oci.distribution.retry import Patience
from podlink.engine.oci.distribution.upload import Upload
from podlink.engine.oci.image.document import LIMIT
from podlink.engine.oci.readable import Rereadable

if TYPE_CHECKING:
    import urllib3

MANIFESTS = (
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.docker.distribution.manifest.v2+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
)
SCHEMA_1 = ("application/vnd.docker.distribution.manifest.v1+prettyjws", "application/vnd.docker.distribution.manifest.v1+json")
"""Asked for last, only so that an image of that age can be refused by its name."""
ACCEPT = ", ".join(MANIFESTS) + "".join(f", {kind};q=0.1" for kind in SCHEMA_1)
VAGUE = ("", "application/json", "text/plain", "application/octet-stream", "binary/octet-stream")
"""Media types of servers that know nothing of manifests; then the document's own word counts."""


HTML = "text/html"


@dataclass(frozen=True, slots=True)
class FetchedManifest:
    """digest: of these bytes, computed here."""

    content: bytes
    media_type: str
    digest: Digest


class Client:
    """One registry's verbs. Safe to use from several threads; to be closed."""

    def __init__(
        self, endpoint: Endpoint, *, patience: Patience | None = None, cancel: Cancel = NEVER, timeouts: Timeouts | None = None
    ) -> None:
        self.endpoint = endpoint
        self.exchange = Exchange(endpoint, patience, cancel, timeouts)

    def close(self) -> None:
        self.exchange.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def manifest(self, repository: str, reference: str) -> FetchedManifest:
        """The manifest or index under a tag or digest; one under a digest has it. Raises ImageNotFound, RegistryFailed."""
        what = f"manifest {_shown(repository, reference)}"
        path = f"/v2/{repository}/manifests/{reference}"
        tries = self.exchange.tries()
        while True:
            try:
                with self.exchange.ask("GET", path, (pull(repository),), headers={"Accept": ACCEPT}) as answer:
                    return self._read_manifest(answer, repository, reference, what)
            except Dropped as trouble:
                if not tries.fail(trouble.weight):
                    raise RegistryFailed(f"{self.endpoint}: {what}: {trouble}, again and again") from None

    def _read_manifest(self, answer: "urllib3.BaseHTTPResponse", repository: str, reference: str, what: str) -> FetchedManifest:
        if answer.status in (200, 404) and _kind(answer.headers.get("Content-Type", "")) == HTML:
            raise self._no_registry(what)
        if answer.status == 404:
            raise ImageNotFound(f"{self.endpoint.name}/{_shown(repository, reference)}")
        if answer.status != 200:
            raise self.exchange.refuse(answer, what)
        told = int(answer.headers.get("Content-Length", "0").strip()[:20] or 0)
        if told > LIMIT:
            raise RegistryFailed(f"{self.endpoint}: {what} has {told} bytes; {LIMIT} are allowed")
        content = self.exchange.small(answer, LIMIT, what)
        media_type = self._media_type(answer.headers.get("Content-Type", ""), content, what)
        digest = Digest.of(content)
        if ":" in reference and reference != str(digest):
            raise RegistryFailed(f"{self.endpoint}: {what}: it sends content with the digest {digest}; it is broken, or lies")
        return FetchedManifest(content, media_type, digest)

    def _media_type(self, header: str, content: bytes, what: str) -> str:
        """The Content-Type, or, where it is vague, what the document calls itself."""
        if content[:64].lstrip()[:1] == b"<":
            raise self._no_registry(what)
        if _kind(header) not in VAGUE:
            return _kind(header)
        try:
            own = json.loads(content).get("mediaType", "")
        except (ValueError, AttributeError, RecursionError):
            raise RegistryFailed(f"{self.endpoint}: {what}: it answers with no JSON object; is that a registry?") from None
        return own if isinstance(own, str) else ""

    def _no_registry(self, what: str) -> RegistryFailed:
        return RegistryFailed(f"{self.endpoint}: {what}: it answers with a page of HTML; is that a registry?")

    @contextmanager
    def blob(self, repository: str, digest: Digest, size: int, offset: int = 0) -> Iterator[Download]:
        """A blob's bytes from an offset on, unchecked; goes on by itself where the connection breaks. Raises RegistryFailed."""
        path, what = f"/v2/{repository}/blobs/{digest}", f"blob {digest} of {repository}"

        def open(headers: Mapping[str, str]) -> "urllib3.BaseHTTPResponse":
            answer = self.exchange.open("GET", path, (pull(repository),), headers=headers)
            if answer.status in (200, 206):
                return answer
            raise self.exchange.refuse(answer, what)

        exchange = self.exchange
        stream = Download(open, exchange.connection, exchange.patience, exchange.cancel, what=what, size=size, offset=offset)
        try:
            yield stream
        finally:
            stream.close()

    def has_blob(self, repository: str, digest: Digest, writing: bool = False) -> bool:
        """Whether a repository has the blob. writing: asked by who is going to push, so that one token serves for both."""
        scope = push(repository) if writing else pull(repository)
        with self.exchange.ask("HEAD", f"/v2/{repository}/blobs/{digest}", (scope,)) as answer:
            if answer.status in (200, 404):
                return answer.status == 200
            raise self.exchange.refuse(answer, f"blob {digest} of {repository}")

    def mount(self, repository: str, digest: Digest, origin: str) -> bool:
        """Have a blob of another repository here too, without sending it; false where the registry would rather have it sent."""
        path = f"/v2/{repository}/blobs/uploads/?mount={digest}&from={origin}"
        with self.exchange.ask(
            "POST", path, (push(repository), pull(origin)), headers={"Content-Length": "0"}, body=b""
        ) as answer:
            if answer.status == 201:
                return True
            opened = answer.headers.get("Location") if answer.status == 202 else None
        if opened:
            self._forget(repository, opened)
        return False

    def _forget(self, repository: str, location: str) -> None:
        """End the upload that a refused mount has opened. Registries that can't sweep up by themselves."""
        try:
            with self.exchange.ask("DELETE", location, (push(repository),), again=False):
                pass
        except (Dropped, RegistryFailed, InvalidRequest):
            pass

    def upload(self, repository: str, digest: Digest, content: Rereadable) -> None:
        """Send a blob. The registry keeps it only if it finds this digest. Raises RegistryFailed."""
        Upload(self.exchange, repository, digest).run(content)

    def put_manifest(self, repository: str, reference: str, content: bytes, media_type: str) -> None:
        """Name a manifest whose blobs are there. reference: tag or digest. Raises RegistryFailed."""
        what, path = f"manifest {_shown(repository, reference)}", f"/v2/{repository}/manifests/{reference}"
        headers = {"Content-Type": media_type, "Content-Length": str(len(content))}
        with self.exchange.ask("PUT", path, (push(repository),), headers=headers, body=content) as answer:
            if answer.status not in (200, 201, 202):
                raise self.exchange.refuse(answer, what)
            told = answer.headers.get("Docker-Content-Digest", "")
        if told and told != str(Digest.of(content)):
            raise RegistryFailed(f"{self.endpoint}: {what}: it keeps it as {told[:80]!r}, which is not what was sent")


def _kind(content_type: str) -> str:
    """The header's media type, without its parameters (RFC 9110, section 8.3.1)."""
    return content_type.partition(";")[0].strip().lower()


def _shown(repository: str, reference: str) -> str:
    return f"{repository}@{reference}" if ":" in reference else f"{repository}:{reference}"
