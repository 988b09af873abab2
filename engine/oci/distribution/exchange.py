"""One exchange with a registry, from the request's path to an answer that is neither 401 nor a passing failure.

Exchange.ask("GET", "/v2/team/app/manifests/1", …)
    │  whole URL: https, or http where the endpoint is insecure and speaks no TLS
    │  Authorization, learnt from the last 401
    ▼
Connection ──▶ 401 ──▶ Authorizer ──▶ again, with what it says
    │      ──▶ 429, 5xx, Dropped ──▶ Patience ──▶ again
    ▼
the answer
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from threading import Lock
from typing import TYPE_CHECKING
from urllib.parse import urljoin

from podlink.engine.cancel import NEVER, Cancel
from podlink.engine.errors import RegistryFailed
from podlink.engine.oci.distribution.auth import Authorizer, Scopes
from podlink.engine.oci.distribution.connection import Connection, Dropped, Request, Timeouts, finish, origin
from podlink.engine.oci.distribution.endpoint import Endpoint
from podlink.engine.oci.distribution.refusal import LIMIT, refusal
from podlink.engine.oci.distribution.retry import PASSING, Patience, Tries, leave

if TYPE_CHECKING:
    import urllib3

TOKEN_LIMIT = 1 << 20
CHALLENGES = 3
"""How often one request answers a 401: none known, a token that went stale, a fresh one."""


class Exchange:
    """Requests to one registry. Safe to use from several threads."""

    def __init__(
        self,
        endpoint: Endpoint,
        patience: Patience | None = None,
        cancel: Cancel = NEVER,
        timeouts: Timeouts | None = None,
        base: str = "",
    ) -> None:
        """base: where the server is known to be, `http://host`; else by https, or as an insecure one is found to be."""
        self.endpoint = endpoint
        self.patience = patience or Patience()
        self.cancel = cancel
        self.connection = Connection(endpoint, timeouts)
        self._authorizer = Authorizer(endpoint, self._ask_token)
        self._base = base or ("" if endpoint.insecure else f"https://{endpoint.host}")
        self._lock = Lock()

    def close(self) -> None:
        self.connection.close()

    def tries(self) -> Tries:
        """Those of one thing."""
        return Tries(self.patience, self.cancel)

    @contextmanager
    def ask(
        self,
        method: str,
        path: str,
        scopes: Scopes,
        *,
        headers: Mapping[str, str] | None = None,
        body: bytes | memoryview | None = None,
        again: bool = True,
    ) -> "Iterator[urllib3.BaseHTTPResponse]":
        """The answer to a request; path: from the root, or an absolute URL of the registry's own making.

        again: whether a failure may be followed by another try of the same; else it raises Dropped, or the answer is given.
        """
        answer = self.open(method, path, scopes, headers=headers, body=body, again=again)
        try:
            with self.connection.translated(self.endpoint.host):
                yield answer
        finally:
            finish(answer)

    def open(
        self,
        method: str,
        path: str,
        scopes: Scopes,
        *,
        headers: Mapping[str, str] | None = None,
        body: bytes | memoryview | None = None,
        again: bool = True,
    ) -> "urllib3.BaseHTTPResponse":
        """As `ask`, for who reads the body beyond the call and gives the answer to `finish` himself."""
        with self.connection.translated(self.endpoint.host):
            request = Request(method=method, url=urljoin(self.base(), path), headers=headers or {}, body=body)
            return self._patiently(request, scopes) if again else self._authorized(request, scopes)

    def small(self, answer: "urllib3.BaseHTTPResponse", limit: int, what: str) -> bytes:
        """The body of an answer, whole and bounded."""
        return self.connection.read(answer, limit, what)

    def refuse(self, answer: "urllib3.BaseHTTPResponse", what: str) -> RegistryFailed:
        """The error for an answer that is no success, with the registry's own words where it has some."""
        try:
            with self.connection.translated(self.endpoint.host):
                body = self.connection.read(answer, LIMIT, "an error")
        except (RegistryFailed, Dropped):
            body = b""
        return refusal(str(self.endpoint), what, answer.status, body)

    def base(self) -> str:
        """`https://host`. An insecure endpoint is asked once whether it speaks TLS, and may be spoken to without."""
        with self._lock:
            if not self._base:
                self._base = self._find_scheme()
            return self._base

    def _find_scheme(self) -> str:
        troubles = []
        for scheme in ("https", "http"):
            base = f"{scheme}://{self.endpoint.host}"
            try:
                with self.connection.send(Request(method="GET", url=f"{base}/v2/")):
                    return base
            except (RegistryFailed, Dropped) as trouble:
                troubles.append(str(trouble))
        raise RegistryFailed(f"{self.endpoint}: neither https nor http works: {'; '.join(dict.fromkeys(troubles))}")

    def _patiently(self, request: Request, scopes: Scopes) -> "urllib3.BaseHTTPResponse":
        tries = self.tries()
        while True:
            leave(self.cancel)
            try:
                answer = self._authorized(request, scopes)
                if answer.status not in PASSING or tries.is_last:
                    return answer
                finish(answer)
                tries.fail(retry_after=answer.headers.get("Retry-After"))
            except Dropped as trouble:
                if not tries.fail(trouble.weight):
                    raise RegistryFailed(
                        f"{self.endpoint}: {trouble}, again and again; is it overloaded, or the network?"
                    ) from None

    def _authorized(self, request: Request, scopes: Scopes) -> "urllib3.BaseHTTPResponse":
        """The answer with the Authorization that the registry wants. Uploads to another host go without."""
        ours = origin(request.url) == origin(self.base())
        header = self._authorizer.header(scopes) if ours else None
        for _ in range(CHALLENGES):
            sent = {**request.headers, **({"Authorization": header} if header else {})}
            answer, url = self.connection.follow(replace(request, headers=sent))
            challenges = answer.headers.get("WWW-Authenticate")
            if answer.status != 401 or not challenges or origin(url) != origin(self.base()):
                return answer  # a host that was redirected to is owed no login
            better = self._authorizer.learn(challenges, scopes, header)
            if better is None:
                return answer
            finish(answer)
            header = better
        raise refusal(str(self.endpoint), f"{request.method} {request.url}", 401)

    def _ask_token(self, request: Request) -> tuple[int, bytes]:
        """A token service's answer, with the same patience as the registry's."""
        tries = self.tries()
        while True:
            try:
                with self.connection.send(request) as answer:
                    if answer.status not in PASSING or tries.is_last:
                        return answer.status, self.connection.read(answer, TOKEN_LIMIT, "a token")
                tries.fail(retry_after=answer.headers.get("Retry-After"))
            except Dropped as trouble:
                if not tries.fail(trouble.weight):
                    raise RegistryFailed(f"{self.endpoint}: its token service: {trouble}, again and again") from None
