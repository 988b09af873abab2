"""What a registry lists: its repositories, their tags, and, by the old protocol's version 1, what a search finds.

    GET /v2/_catalog?n=100            {"repositories": ["library/alpine", …]}     Link: </v2/_catalog?last=…>; rel="next"
    GET /v2/team/app/tags/list        {"name": "team/app", "tags": ["1.0", …]}
    GET /v1/search?q=alpine&n=25      {"results": [{"name": …, "description": …, "star_count": …, "is_official": …, …}]}

Lists come in pages, each naming the next; how many of them are read is bounded.
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any
from urllib.parse import urlencode, urljoin

from podlink.engine.errors import RegistryFailed
from podlink.engine.oci.distribution.auth import CATALOG, Scopes, pull
from podlink.engine.oci.distribution.client import Client
from podlink.engine.oci.distribution.connection import Dropped, origin
from podlink.engine.oci.distribution.refusal import printable
from podlink.engine.oci.reference import is_repository

PAGE = 1000
PAGES = 200
LIMIT = 4 * 1024 * 1024
NEXT = re.compile(r'<([^>]*)>\s*;[^,]*\brel="?next"?', re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """One result of a search. name: of the repository, without the registry."""

    name: str
    description: str = ""
    official: bool = False
    automated: bool = False
    stars: int = 0


def tags(client: Client, repository: str) -> list[str]:
    """A repository's tags."""
    path = f"/v2/{repository}/tags/list?n={PAGE}"
    return [tag for page in _pages(client, path, (pull(repository),), f"tags of {repository}") for tag in _texts(page, "tags")]


def catalog(client: Client) -> Iterator[str]:
    """The repositories of a registry, page by page as they are asked for, without what none may be called.

    Raises RegistryFailed where it lists none to us.
    """
    for page in _pages(client, f"/v2/_catalog?n={PAGE}", (CATALOG,), "its catalog"):
        yield from filter(is_repository, _texts(page, "repositories"))


def search(client: Client, term: str, limit: int) -> list[Found] | None:
    """What version 1's search finds; None where the registry has no such thing."""
    found = _document(client, "/v1/search?" + urlencode({"q": term, "n": limit}), (), "its search", missing=(404, 405, 501))
    if found is None or not isinstance(found[0].get("results"), list):
        return None
    return [_found(result) for result in found[0]["results"] if isinstance(result, dict) and isinstance(result.get("name"), str)]


def _found(result: Mapping[str, Any]) -> Found:
    stars = result.get("star_count")
    return Found(
        name=printable(result["name"]),
        description=printable(result.get("description")),
        official=result.get("is_official") is True,
        automated=result.get("is_automated") is True or result.get("is_trusted") is True,
        stars=stars if type(stars) is int and abs(stars) < 1 << 53 else 0,
    )


def _pages(client: Client, path: str, scopes: Scopes, what: str) -> Iterator[Mapping[str, Any]]:
    seen: set[str] = set()
    while path not in seen and len(seen) < PAGES:
        seen.add(path)
        found = _document(client, path, scopes, what)
        assert found is not None
        page, link = found
        yield page
        path = _following(client, path, link, what)


def _following(client: Client, path: str, link: str, what: str) -> str:
    """Where a list goes on; the path itself where it doesn't."""
    found = NEXT.search(link)
    with client.exchange.connection.translated(client.endpoint.host):  # an address that is none
        here = urljoin(client.exchange.base(), path)
        following = urljoin(here, found[1]) if found else here
        if origin(following) != origin(here):
            raise RegistryFailed(f"{client.endpoint}: {what} goes on at {following[:200]!r}, which is another's")
    return following if found else path


def _document(
    client: Client, path: str, scopes: Scopes, what: str, missing: tuple[int, ...] = ()
) -> tuple[Mapping[str, Any], str] | None:
    """A JSON object and the Link to what follows it. None for a status among `missing`."""
    try:
        with client.exchange.ask("GET", path, scopes, headers={"Accept": "application/json"}) as answer:
            if answer.status in missing:
                return None
            if answer.status != 200:
                raise client.exchange.refuse(answer, what)
            content, link = client.exchange.small(answer, LIMIT, what), answer.headers.get("Link", "")
    except Dropped as trouble:
        raise RegistryFailed(f"{client.endpoint}: {what}: {trouble}") from None
    try:
        found = json.loads(content)
    except (ValueError, RecursionError):
        found = None
    if isinstance(found, dict):
        return found, link
    if missing:
        return None  # a web server that answers everything with its front page
    raise RegistryFailed(f"{client.endpoint}: {what}: it answers with no JSON object; is that a registry?")


def _texts(page: Mapping[str, Any], name: str) -> list[str]:
    found = page.get(name)
    return [text for text in islice(found, 100_000) if isinstance(text, str)] if isinstance(found, list) else []
