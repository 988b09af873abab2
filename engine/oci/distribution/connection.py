"""HTTP to one registry: TLS, proxies, redirects, bounded bodies. Nothing here knows what a manifest or a token is.

    Request ──▶ Connection.send ──▶ 307 Location: https://storage.example/… ──▶ without Authorization, without our certificate
                    │
                    └─▶ Dropped             worth another try: the connection broke, or nothing came for too long
                        RegistryFailed      not: no such host, a certificate that can't be trusted, redirects without end

The library that does the talking is urllib3; its own retries and redirects are switched off, because they would send a blob's
first half again, and count nothing that this package has to count. It is imported when the first connection is made.
"""

import ssl
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from threading import Lock
from typing import TYPE_CHECKING
from urllib.parse import urljoin, urlsplit

from podlink.engine.errors import RegistryFailed
from podlink.engine.oci.distribution.endpoint import Endpoint
from podlink.engine.oci.distribution.proxies import PORTS, proxy_for

if TYPE_CHECKING:
    import urllib3

REDIRECTS = 10
"""How many times one request may be sent elsewhere."""
PARALLEL = 8
"""Connections to one host that are kept for the next request."""
AGENT = "podlink"


class Dropped(Exception):
    """The connection broke, or stalled, in the middle of what was a sensible request. Another try may fare better.

    weight: of how many failures. A stall has cost so much time already that it counts as three. retry_after: the header of
    that name, of a server that says when.
    """

    def __init__(self, why: str, weight: int = 1, retry_after: str | None = None) -> None:
        super().__init__(why)
        self.weight = weight
        self.retry_after = retry_after


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Seconds. read: between two pieces of an answer. body: for the whole of a small answer. commit: for the answer to something
    large that was sent, which the registry may have to hash and to move first."""

    connect: float = 15
    read: float = 20
    body: float = 120
    commit: float = 120


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """url: absolute. body: whole, so that it can be sent again."""

    method: str
    url: str
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes | memoryview | None = None


class Connection:
    """The way to one registry, and to where it redirects. Safe to use from several threads."""

    def __init__(self, endpoint: Endpoint, timeouts: Timeouts | None = None) -> None:
        self.endpoint = endpoint
        self.timeouts = timeouts or Timeouts()
        self._pools: dict[tuple[str | None, bool], urllib3.PoolManager] = {}
        self._lock = Lock()

    def close(self) -> None:
        """Let go of every connection: at once, also where an error's traceback still holds on to what the library keeps."""
        with self._lock:
            for manager in self._pools.values():
                for key in list(manager.pools.keys()):
                    manager.pools[key].close()
                manager.clear()
            self._pools.clear()

    @contextmanager
    def send(self, request: Request) -> "Iterator[urllib3.BaseHTTPResponse]":
        """Send a request and hand out the last answer, its body unread; what fails in the block is translated too.

        Raises Dropped, RegistryFailed.
        """
        answer = self.open(request)
        try:
            with self.translated(self.endpoint.host):
                yield answer
        finally:
            finish(answer)

    def open(self, request: Request) -> "urllib3.BaseHTTPResponse":
        """As `send`, but the caller gives the answer to `finish`, and minds the failures while it is read."""
        return self.follow(request)[0]

    def follow(self, request: Request) -> "tuple[urllib3.BaseHTTPResponse, str]":
        """Send a request, follow where the answers point; the last answer, and the URL that gave it."""
        own = origin(request.url)
        for _ in range(REDIRECTS + 1):
            answer = self._once(request, own)
            target = answer.headers.get("Location") if answer.status in (301, 302, 303, 307, 308) else None
            if target is None or request.method not in ("GET", "HEAD"):
                return answer, request.url
            finish(answer)
            with self.translated(urlsplit(request.url).netloc):
                request = self._redirected(request, target)
        raise RegistryFailed(f"{self.endpoint} redirects without end, at last to {request.url[:200]!r}; tell those who run it")

    def read(self, answer: "urllib3.BaseHTTPResponse", limit: int, what: str) -> bytes:
        """A small body, whole: at most `limit` bytes and so many seconds. Raises Dropped, RegistryFailed."""
        pieces, total, deadline = [], 0, time.monotonic() + self.timeouts.body
        while piece := answer.read1(65536, decode_content=False):
            pieces.append(piece)
            total += len(piece)
            if total > limit:
                answer.close()
                raise RegistryFailed(f"{self.endpoint}: {what} has more than the {limit} bytes that are allowed")
            if time.monotonic() > deadline:
                answer.close()
                raise Dropped(f"{what} did not arrive within {self.timeouts.body:g} s")
        return b"".join(pieces)

    def _redirected(self, request: Request, target: str) -> Request:
        """The request to where a redirect points. Authorization stays behind where that is another host."""
        url = urljoin(request.url, target)
        self._require_http(url, "redirects to")
        if request.url.startswith("https:") and not url.startswith("https:") and not self.endpoint.insecure:
            raise RegistryFailed(f"{self.endpoint} redirects from https to {url[:200]!r}, which is not encrypted")
        headers = request.headers
        if origin(url) != origin(request.url):
            headers = {name: value for name, value in headers.items() if name.lower() != "authorization"}
        return replace(request, url=url, headers=headers)

    def _require_http(self, url: str, verb: str) -> None:
        if urlsplit(url).scheme not in PORTS or not urlsplit(url).hostname:
            raise RegistryFailed(f"{self.endpoint} {verb} {url[:200]!r}, which is no http or https URL")

    def _once(self, request: Request, own: str) -> "urllib3.BaseHTTPResponse":
        """One request to one address, redirects not followed."""
        import urllib3

        patience = self.timeouts.commit if request.body else self.timeouts.read
        with self.translated(urlsplit(request.url).netloc):
            return self._pool(request.url, origin(request.url) == own).urlopen(
                request.method,
                request.url,
                headers={"User-Agent": AGENT, "Accept-Encoding": "identity", **request.headers},
                body=request.body,
                timeout=urllib3.Timeout(connect=self.timeouts.connect, read=patience),
                redirect=False,
                retries=False,
                preload_content=False,
            )

    def _pool(self, url: str, own: bool) -> "urllib3.PoolManager":
        """The pool for this URL's proxy. own: to whom the request was made out, the registry or whom it names for tokens and
        uploads; who is only redirected to is not shown the client certificate."""
        proxy = proxy_for(url, self.endpoint.environment)
        with self._lock:
            if (proxy, own) not in self._pools:
                self._pools[proxy, own] = self._make_pool(proxy, own)
            return self._pools[proxy, own]

    def _make_pool(self, proxy: str | None, own: bool) -> "urllib3.PoolManager":
        import urllib3

        context = self._tls(own)
        if self.endpoint.insecure:
            urllib3.disable_warnings(urllib3.exceptions.InsecureRequestWarning)  # who configured it so has been told
        if proxy is None:
            return urllib3.PoolManager(ssl_context=context, maxsize=PARALLEL)
        parts = urlsplit(proxy)
        if parts.scheme not in PORTS:
            raise RegistryFailed(f"proxy {parts.hostname}: the scheme {parts.scheme} is not supported; http and https are")
        login = f"{parts.username}:{parts.password or ''}" if parts.username else None
        return urllib3.ProxyManager(
            f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}",
            proxy_headers=urllib3.make_headers(proxy_basic_auth=login),
            ssl_context=context,
            maxsize=PARALLEL,
        )

    def _tls(self, own: bool) -> ssl.SSLContext:
        """What is trusted, and what is shown. The system's authorities and the registry's own count both."""
        context = ssl.create_default_context()
        certificate = self.endpoint.client_certificate
        try:
            for path in self.endpoint.authorities:
                context.load_verify_locations(path)
            if certificate and own:
                path = certificate.certificate
                context.load_cert_chain(path, certificate.key)
        except OSError as trouble:  # ssl.SSLError is one
            raise RegistryFailed(f"{self.endpoint}: certificate {path}: {trouble.strerror or trouble}") from None
        if self.endpoint.insecure:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        return context

    @contextmanager
    def translated(self, where: str) -> Iterator[None]:
        """urllib3's failures as ours: Dropped for what may pass, RegistryFailed with what to do for what will not."""
        from urllib3 import exceptions

        name = self.endpoint
        try:
            yield
        except (exceptions.NewConnectionError, exceptions.ConnectTimeoutError, exceptions.NameResolutionError) as trouble:
            raise RegistryFailed(f"{name} can't be reached at {where}: {_reason(trouble)}") from None
        except exceptions.ProxyError as trouble:
            raise RegistryFailed(f"{name}: its proxy failed: {_reason(trouble.original_error)}") from None
        except exceptions.SSLError as trouble:
            raise RegistryFailed(f"{name} at {where}: {_tls_advice(str(trouble), self.endpoint.name)}") from None
        except exceptions.ReadTimeoutError:
            raise Dropped(f"{where} sent nothing for {self.timeouts.read:g} s or longer", weight=3) from None
        except (exceptions.ProtocolError, ConnectionError, TimeoutError) as trouble:
            raise Dropped(f"{where} broke the connection: {_reason(trouble)}") from None
        except (exceptions.HTTPError, ValueError) as trouble:
            raise RegistryFailed(f"{name} at {where} sends what can't be understood: {_reason(trouble)}") from None


def finish(answer: "urllib3.BaseHTTPResponse") -> None:
    """Done with an answer. Its connection serves again only if its body has ended: the rest of one may be long."""
    if answer.length_remaining == 0:
        answer.drain_conn()
    answer.close()


def origin(url: str) -> str:
    """Scheme, host and port: whom a URL speaks to."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.hostname}:{parts.port or PORTS.get(parts.scheme)}"


def _reason(trouble: BaseException) -> str:
    """The last words of an error that wraps others: what happened, without the objects it happened to."""
    inner = trouble.__cause__ or trouble.__context__
    if isinstance(inner, OSError) and inner.strerror:
        return inner.strerror.lower()
    last = trouble.args[-1] if trouble.args else None
    words = str(last if isinstance(last, Exception) else trouble)
    return (words.rpartition(": ")[2] or type(trouble).__name__)[:200]


def _tls_advice(words: str, name: str) -> str:
    if "WRONG_VERSION_NUMBER" in words or "RECORD_LAYER" in words:
        return "it speaks no TLS; if plain HTTP is meant, say insecure = true for it in registries.conf"
    if "CERTIFICATE_VERIFY_FAILED" in words or "doesn't match" in words:
        return (
            f"its certificate can't be trusted: {words.rpartition('verify failed: ')[2].partition(' (_ssl')[0]}; "
            f"put its authority's certificate into /etc/containers/certs.d/{name}/ca.crt"
        )
    return f"TLS failed: {words[:200]}"
