"""SearchImage: which images the registries have under a name like this.

    alpine                      each search registry of registries.conf
    127.0.0.1:5000/alpine       this registry alone
    team/*-base                 *, ? and [ make a pattern for a repository's whole name; other words are looked for in it

A registry is asked by version 1's search. Most have only version 2, which has none: there its list is gone through.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from itertools import islice

from podlink.engine.cancel import NEVER, Cancel
from podlink.engine.errors import InvalidRequest, RegistryFailed
from podlink.engine.host import Host
from podlink.engine.images.registries.configuration import Registries
from podlink.engine.images.registries.files import load
from podlink.engine.images.registries.servers import endpoint_for
from podlink.engine.images.registries.surroundings import Surroundings, around
from podlink.engine.oci.distribution import listing
from podlink.engine.oci.distribution.client import Client
from podlink.engine.oci.distribution.listing import Found
from podlink.engine.oci.reference import DEFAULT_REGISTRY, OFFICIAL, is_registry

DEFAULT_LIMIT, MOST = 25, 100
PATTERN = re.compile(r"[*?\[]")


def search_images(host: Host, name: str, limit: int = 0, cancel: Cancel = NEVER, *, tls_verify: bool = True) -> list[Found]:
    """What each registry finds, with full names. limit: for each registry, at most 100; 0 is 25.

    tls_verify: false to trust any registry, also one without TLS.

    One of several registries may fail; if all do, RegistryFailed says why. Raises InvalidRequest.
    """
    if limit < 0:
        raise InvalidRequest(f"limit: {limit} images can't be asked for; 0 is the usual {DEFAULT_LIMIT}")
    query = parse_query(name)
    surroundings = around(host)
    registries = load(surroundings) if tls_verify else load(surroundings).unverified()
    results: list[Found] = []
    troubles: list[RegistryFailed] = []
    asked = (query.registry,) if query.registry else registries.search
    for registry in asked:
        try:
            results += _search(registry, query, min(limit or DEFAULT_LIMIT, MOST), registries, surroundings, cancel)
        except RegistryFailed as trouble:
            troubles.append(trouble)
    if troubles and len(troubles) == len(asked):
        raise RegistryFailed("; ".join(str(trouble) for trouble in troubles))
    return results


@dataclass(frozen=True, slots=True)
class Query:
    """registry: empty for all that are configured. term: what to look for there."""

    registry: str
    term: str

    @property
    def literal(self) -> str:
        """The longest part of a pattern that stands for itself: what to ask a search that knows no patterns."""
        return max(re.split(r"\[[^\]]*\]?|[*?]", self.term), key=len)

    def fits(self) -> Callable[[str], bool]:
        """Whether a repository's name is wanted. What is official on docker.io is found with and without `library/`."""
        term = self.term.lower()
        if PATTERN.search(term):
            return lambda name: fnmatchcase(name, term) or fnmatchcase(name.removeprefix(OFFICIAL), term)
        return lambda name: term in name.lower()


def parse_query(name: str) -> Query:
    """Read what is to be searched for. Raises InvalidRequest for nothing."""
    first, slash, rest = name.partition("/")
    if slash and is_registry(first):
        return Query(first, rest)
    if not name.strip() or "\0" in name:
        raise InvalidRequest("name: nothing to search for; give a part of an image's name")
    return Query("", name)


def _search(
    registry: str, query: Query, limit: int, registries: Registries, surroundings: Surroundings, cancel: Cancel
) -> list[Found]:
    rule = registries.require_allowed(registry)
    place = rule.location.partition("/")[0] if rule.location and rule.prefix == registry else registry
    endpoint = endpoint_for(place, rule.insecure, registries, surroundings, searching=True)
    with Client(endpoint, cancel=cancel) as client:
        return [_full(registry, found) for found in islice(_matching(client, query, limit), limit)]


def _matching(client: Client, query: Query, limit: int) -> Iterator[Found]:
    fits = query.fits()
    found = listing.search(client, query.literal, MOST if PATTERN.search(query.term) else limit)
    if found is None:
        found_names = listing.catalog(client)
        return (Found(name=name) for name in found_names if fits(name))
    return (each for each in found if fits(each.name))


def _full(registry: str, found: Found) -> Found:
    name = found.name.removeprefix(f"{registry}/")
    official = registry == DEFAULT_REGISTRY and "/" not in name
    return replace(found, name=f"{registry}/{OFFICIAL if official else ''}{name}")
