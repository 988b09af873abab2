"""A file on the web as a stream: what ImportImage takes beside a path. No registry, but the same patience, bounds and proxies."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from podlink.engine.cancel import NEVER, Cancel
from podlink.engine.errors import InvalidRequest, RegistryFailed
from podlink.engine.oci.distribution.connection import Timeouts, finish
from podlink.engine.oci.distribution.download import Download
from podlink.engine.oci.distribution.endpoint import Endpoint
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

    Raises InvalidRequest for what is no such URL, RegistryFailed for what can't be had.
    """
    try:
        host = urlsplit(url).netloc.rpartition("@")[2] if urlsplit(url).scheme in ("http", "https") else ""
    except ValueError:
        host = ""
    if not host:
        raise InvalidRequest(f"{url[:200]!r} is no http or https URL")
    exchange = Exchange(Endpoint(name=host, host=host, environment=environment, kind="server"), patience, cancel, timeouts)
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
