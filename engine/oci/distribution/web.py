"""A file on the web as a stream: what ImportImage takes beside a path. No registry, but the same patience, bounds and proxies."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit, urlunsplit

from podlink.engine.cancel import NEVER, Cancel
from podlink.engine.errors import InvalidRequest, RegistryFailed
from podlink.engine.oci.distribution.connection import Timeouts, finish
from podlink.engine.oci.distribution.download import Download
from podlink.engine.oci.distribution.endpoint import Credentials, Endpoint
from podlink.engine.oci.distribution.exchange import Exchange
from podlink.engine.oci.distribution.retry import Patience

if TYPE_CHECKING:
    import urllib3


@contextmanager
def opened(
    url: str,
    environment: Mapping[str, str],
    *,
    cancel: Cancel = NEVER,
    patience: Patience | None = None,
    timeouts: Timeouts | None = None,
) -> Iterator[Download]:
    """The bytes at an http or https URL; goes on by itself where the connection breaks. environment: where proxies are named.

    Name and password in the URL (`https://ada:secret@example.org/x.tar`) are for a server that asks; no message has them.
    Raises InvalidRequest for what is no such URL, RegistryFailed for what can't be had.
    """
    url, login = without_login(url)
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise InvalidRequest(f"{url[:200]!r} is no http or https URL")
    endpoint = Endpoint(name=parts.netloc, host=parts.netloc, credentials=login, environment=environment, kind="server")
    exchange = Exchange(endpoint, patience, cancel, timeouts, base=f"{parts.scheme}://{parts.netloc}")
    mark = ""  # of the version that was begun with: a file on the web, unlike a blob, may change before the rest is asked for

    def open(headers: Mapping[str, str]) -> "urllib3.BaseHTTPResponse":
        nonlocal mark
        answer = exchange.open("GET", url, (), headers={**headers, **({"If-Range": mark} if headers and mark else {})})
        if answer.status != 200 and not (answer.status == 206 and headers):
            raise exchange.refuse(answer, url)
        if not headers:
            mark = answer.headers.get("ETag") or answer.headers.get("Last-Modified", "")
            length = answer.headers.get("Content-Length", "")
            stream.size = int(length) if length.isascii() and length.isdecimal() and len(length) < 19 else None
        elif answer.status == 200 and mark != (answer.headers.get("ETag") or answer.headers.get("Last-Modified", "")):
            finish(answer)
            raise RegistryFailed(f"{url}: it changed while it was fetched; try again")
        return answer

    stream = Download(open, exchange.connection, exchange.patience, cancel, what=url, size=None)
    try:
        yield stream
    finally:
        stream.close()
        exchange.close()


def without_login(url: str) -> tuple[str, Credentials | None]:
    """A URL as it may be shown, and the name and password that it holds (RFC 3986, section 3.2.1). Raises InvalidRequest."""
    try:
        parts = urlsplit(url)
        shown = urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))
        login = Credentials(unquote(parts.username), unquote(parts.password or "")) if parts.username else None
    except ValueError as trouble:
        raise InvalidRequest(f"what is to be fetched is no URL: {trouble}") from None
    return shown, login
