"""SearchImage, by the old search where there is one, else by the list of repositories."""

import io
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast
from urllib.parse import parse_qs, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st
from liar import Behaviour, Conversation, Liar, Seen

from podlink.api.podman.service import service
from podlink.engine.app import Engine
from podlink.engine.cancel import NEVER
from podlink.engine.errors import InvalidRequest, RegistryFailed
from podlink.engine.host import Host
from podlink.engine.images.search import Query, parse_query, search_images
from podlink.engine.images.transports import registry as transport
from podlink.engine.oci.digest import Digest
from podlink.engine.oci.distribution.listing import Found
from podlink.engine.oci.image import media_types
from podlink.engine.oci.image.manifest import Descriptor, Manifest

Lie = Callable[[Behaviour], Liar]
Configure = Callable[[str], Path]
HOST = cast(Host, SimpleNamespace(variables={}))
"""A search needs nothing more of the host."""


@pytest.fixture
def engine() -> Iterator[Engine]:
    with Engine.emulated() as engine:
        yield engine


def names(term: str, limit: int = 0) -> list[str]:
    return [found.name for found in search_images(HOST, term, limit)]


def fill(registry: str, *repositories: str) -> None:
    config = b'{"architecture": "amd64", "os": "linux", "rootfs": {"type": "layers", "diff_ids": []}}'
    descriptor = Descriptor(media_types.CONFIG, Digest.of(config), len(config))
    for repository in repositories:
        with transport.destination(f"{registry}/{repository}:1") as place:
            place.put_blob(descriptor, io.BytesIO(config))
            place.put_manifest(Manifest(config=descriptor, layers=()).serialize(), media_types.MANIFEST)


@pytest.mark.needs("docker-registry")
def test_the_list_of_repositories_is_gone_through_where_there_is_no_search(registry: str) -> None:
    fill(registry, "alpine", "library/alpine-glibc", "team/app", "team/base")
    full = [f"{registry}/{name}" for name in ("alpine", "library/alpine-glibc", "team/app", "team/base")]
    assert names("alpine") == full[:2]
    assert names("ALPINE") == full[:2]
    assert names("alp*") == full[:2]
    assert names("team/*") == full[2:]
    assert names("team/[ab]p?") == [full[2]]
    assert names("*") == full
    assert names("a", limit=1) == full[:1]
    assert names(f"{registry}/base") == [full[3]]
    assert names(f"{registry}/") == full
    assert names("nothing") == []


@pytest.mark.needs("docker-registry")
def test_the_interfaces_method_answers(registry: str) -> None:
    fill(registry, "team/app")
    message = {"method": "io.projectatomic.podman.SearchImage", "parameters": {"name": "app"}}
    (reply,) = service(cast(Engine, SimpleNamespace(host=HOST))).replies(message, cast(Any, NEVER))
    (found,) = cast(Any, reply)["parameters"]["images"]
    assert found == {
        "description": "",
        "is_official": False,
        "is_automated": False,
        "name": f"{registry}/team/app",
        "star_count": 0,
    }


@pytest.mark.needs("docker-registry")
def test_info_tells_which_registries_are_searched_and_which_are_insecure(registry: str, engine: Engine) -> None:
    found = engine.system.info()
    assert (found.registries, found.insecure_registries) == ((registry,), (registry,))
    assert engine.images.search("app") == []


RESULTS = [
    {"name": "alpine", "description": "a small\nsystem", "star_count": 12, "is_official": True, "is_automated": False},
    {"name": "team/alpine", "star_count": "many", "is_trusted": True},
    {"name": "team/tiny", "description": "smaller than alpine"},
    {"name": 5},
    "nonsense",
]


def old_search(to: Conversation, seen: Seen) -> None:
    if seen.path.startswith("/v1/search?"):
        to.reply(200, json.dumps({"num_results": len(RESULTS), "results": RESULTS}).encode())
    else:
        to.reply(200, b"{}")


def searched(registries_conf: Configure, *addresses: str) -> None:
    rules = "".join(f'[[registry]]\nlocation = "{address}"\ninsecure = true\n' for address in addresses)
    registries_conf(f"unqualified-search-registries = {list(addresses)}\n{rules}")


def test_the_old_search_tells_more(liar: Lie, registries_conf: Configure) -> None:
    server = liar(old_search)
    searched(registries_conf, server.address)
    assert search_images(HOST, "alpine") == [
        Found(name=f"{server.address}/alpine", description="a small system", official=True, stars=12),
        Found(name=f"{server.address}/team/alpine", automated=True),
    ]
    assert parse_qs(urlsplit(server.seen[-1].path).query) == {"q": ["alpine"], "n": ["25"]}
    assert names("team/*") == [f"{server.address}/team/alpine", f"{server.address}/team/tiny"]
    assert parse_qs(urlsplit(server.seen[-1].path).query) == {"q": ["team/"], "n": ["100"]}


def test_the_limit_is_for_each_registry_and_has_one_itself(liar: Lie, registries_conf: Configure) -> None:
    def many(to: Conversation, seen: Seen) -> None:
        if seen.path.startswith("/v2/_catalog"):
            to.reply(200, json.dumps({"repositories": [f"app-{number:03}" for number in range(300)]}).encode())
        else:
            to.reply(404 if "search" in seen.path else 200)

    servers = [liar(many), liar(many)]
    searched(registries_conf, *(server.address for server in servers))
    assert [len(names("app", limit)) for limit in (0, 3, 100, 1000)] == [50, 6, 200, 200]


def test_one_registry_may_fail_and_all_may_not(liar: Lie, registries_conf: Configure) -> None:
    server = liar(old_search)
    searched(registries_conf, "127.0.0.1:1", server.address)
    assert len(names("alpine")) == 2
    searched(registries_conf, "127.0.0.1:1")
    with pytest.raises(RegistryFailed, match=r"registry 127\.0\.0\.1:1"):
        names("alpine")


def test_a_registry_that_lists_nothing_to_strangers_says_so(liar: Lie, registries_conf: Configure) -> None:
    server = liar(lambda to, seen: to.reply(200 if seen.path == "/v2/" else 404))
    searched(registries_conf, server.address)
    with pytest.raises(RegistryFailed, match=f"registry {server.address}: its catalog: it answers 404"):
        names("alpine")


def test_a_blocked_registry_is_not_asked(liar: Lie, registries_conf: Configure) -> None:
    server = liar(old_search)
    registries_conf(f'[[registry]]\nlocation = "{server.address}"\nblocked = true\n')
    with pytest.raises(RegistryFailed, match="is blocked"):
        names(f"{server.address}/alpine")
    assert server.seen == []


@pytest.mark.parametrize("link", ["<http://other.example/v2/_catalog>; rel=next", '<http://[>; rel="next"'])
def test_a_list_does_not_go_on_elsewhere(liar: Lie, registries_conf: Configure, link: str) -> None:
    def wander(to: Conversation, seen: Seen) -> None:
        if "search" in seen.path:
            to.reply(404)
        else:
            to.reply(200, b'{"repositories": ["a"]}', Link=link)

    server = liar(wander)
    searched(registries_conf, server.address)
    with pytest.raises(RegistryFailed, match=f"registry {server.address}"):
        names("zzz")


def test_a_list_that_leads_in_circles_ends(liar: Lie, registries_conf: Configure) -> None:
    def circle(to: Conversation, seen: Seen) -> None:
        if "search" in seen.path:
            to.reply(404)
        else:
            to.reply(200, b'{"repositories": ["a"]}', Link='</v2/_catalog?n=1>; rel="next"')

    server = liar(circle)
    searched(registries_conf, server.address)
    assert names("b") == []
    assert len(server.seen) < 10


def test_what_can_be_no_repository_is_passed_over(liar: Lie, registries_conf: Configure) -> None:
    listed = ["q/a", None, 1, "q\0b", "../q", "Q/UP", "q//a", "/q", "q" * 300, "q\x1b[31m", "q/b__c-d.e"]

    def list_them(to: Conversation, seen: Seen) -> None:
        if "search" in seen.path:
            to.reply(404)
        else:
            to.reply(200, json.dumps({"repositories": listed}).encode())

    server = liar(list_them)
    searched(registries_conf, server.address)
    assert names("q") == [f"{server.address}/q/a", f"{server.address}/q/b__c-d.e"]


@pytest.mark.parametrize(("name", "limit"), [("", 0), ("  ", 0), ("a\0b", 0), ("alpine", -1)])
def test_what_can_not_be_searched_for_is_refused(name: str, limit: int) -> None:
    with pytest.raises(InvalidRequest):
        search_images(HOST, name, limit)


@pytest.mark.parametrize(
    ("name", "query"),
    [
        ("alpine", Query("", "alpine")),
        ("team/alpine", Query("", "team/alpine")),
        ("127.0.0.1:5000/alpine", Query("127.0.0.1:5000", "alpine")),
        ("localhost/team/*", Query("localhost", "team/*")),
        ("reg.example/", Query("reg.example", "")),
    ],
)
def test_a_registry_may_stand_in_front(name: str, query: Query) -> None:
    assert parse_query(name) == query


@given(st.text(alphabet="ab*?[]!-/", max_size=12), st.text(alphabet="ab/-", max_size=12))
def test_a_pattern_that_fits_holds_its_literal_part(term: str, name: str) -> None:
    query = Query("", term)
    if "[" not in term and query.fits()(name):
        assert query.literal in name
