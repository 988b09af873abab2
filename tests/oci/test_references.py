"""Names of images: read, refused, made full, made short, looked up."""

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from podlink.engine.errors import InvalidRequest
from podlink.engine.oci.digest import Digest
from podlink.engine.oci.reference import Reference, candidates, familiar, normalize, parse, repository, tagged

HEX = "ab" * 32

words = st.text(string.ascii_lowercase + string.digits, min_size=1, max_size=8)
components = st.builds(
    lambda first, separator, last: first + separator + last, words, st.sampled_from([".", "_", "__", "-", "---"]), words
)
plain_components = words.filter(lambda word: word != "localhost")
hosts = st.sampled_from(["localhost", "example.org", "Example.org", "127.0.0.1", "a-b.c", "[::1]", "[2001:db8::7]"])
ports = st.integers(1, 65535)
registries = st.one_of(
    st.just(""),
    hosts.filter(lambda host: host[0] != "["),
    st.builds(lambda host, port: f"{host}:{port}", st.one_of(hosts, plain_components), ports),
)
tags = st.one_of(st.just(""), st.from_regex(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}", fullmatch=True))
digests = st.one_of(st.none(), st.binary(max_size=4).map(Digest.of))


@st.composite
def references(draw: st.DrawFn) -> Reference:
    first = draw(plain_components)
    rest = draw(st.lists(components, max_size=3))
    return Reference("/".join([first, *rest]), draw(registries), draw(tags), draw(digests))


@given(references())
def test_what_is_written_is_read_back_the_same(reference: Reference) -> None:
    assert parse(str(reference)) == reference


@given(references())
def test_a_full_name_stays_what_it_is(reference: Reference) -> None:
    full = normalize(str(reference))
    assert normalize(full) == full
    assert parse(full).registry
    assert parse(full).tag or parse(full).digest


@given(references())
def test_every_name_finds_the_image_stored_under_its_full_name(reference: Reference) -> None:
    full = normalize(str(reference))
    assert full in candidates(str(reference))
    assert full in candidates(full)
    assert full in candidates(familiar(full))
    assert len(familiar(full)) <= len(full)


@given(references())
def test_what_is_tagged_as_given_is_found_first_by_that_very_name(reference: Reference) -> None:
    if reference.digest is None and reference.registry != "docker.io":
        assert candidates(str(reference))[0] == tagged(str(reference))


@given(st.text(max_size=40))
def test_any_text_is_either_read_or_refused_by_name(text: str) -> None:
    try:
        assert str(parse(text)) == text
    except InvalidRequest as refusal:
        assert "image" in refusal.reason or "digest" in refusal.reason


@pytest.mark.parametrize(
    ("short", "full"),
    [
        ("alpine", "docker.io/library/alpine:latest"),
        ("alpine:3.18", "docker.io/library/alpine:3.18"),
        ("someone/alpine", "docker.io/someone/alpine:latest"),
        ("docker.io/alpine", "docker.io/library/alpine:latest"),
        ("index.docker.io/alpine", "docker.io/library/alpine:latest"),
        ("docker.io/someone/alpine:3", "docker.io/someone/alpine:3"),
        ("localhost/alpine", "localhost/alpine:latest"),
        ("localhost:5000/alpine", "localhost:5000/alpine:latest"),
        ("[::1]:5000/a/b:x", "[::1]:5000/a/b:x"),
        (f"alpine@sha256:{HEX}", f"docker.io/library/alpine@sha256:{HEX}"),
        (f"alpine:3@sha256:{HEX}", f"docker.io/library/alpine:3@sha256:{HEX}"),
    ],
)
def test_a_short_name_is_made_full(short: str, full: str) -> None:
    assert normalize(short) == full


def test_what_stands_before_the_slash_is_a_registry_only_with_a_dot_a_colon_or_as_localhost() -> None:
    assert parse("library/alpine").registry == ""
    assert parse("example.org/alpine").registry == "example.org"
    assert parse("host:5000/alpine").registry == "host:5000"
    assert parse("localhost/alpine").registry == "localhost"
    assert parse("host:5000") == Reference("host", tag="5000")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "empty"),
        (HEX, "image ID"),
        ("Alpine", "capital"),
        ("alpine:", "no tag follows"),
        ("alpine:" + "x" * 129, "128 are allowed"),
        ("alpine:.x", "tag"),
        ("alpine:a b", "tag"),
        ("a:b:c", "tag"),
        ("a" * 256, "255 are allowed"),
        ("a//b", "component ''"),
        ("a/", "component ''"),
        ("/a", "component ''"),
        ("a..b/c/d", "registry"),
        ("a.-b", "component"),
        ("a___b", "component"),
        ("-a", "component"),
        ("example.org/", "nothing follows the registry"),
        ("host:0/a", "port"),
        ("host:65536/a", "port"),
        ("host:٣/a", "port"),
        ("host:/a", "port"),
        ("[::x]:80/a", "not a registry"),
        ("ho_st:80/a", "not a registry"),
        ("x" * 256 + ".org/a", "255 are allowed"),
        ("alpine@", "digest"),
        ("alpine@sha256:12", "64 lower-case hex"),
        ("alpine@sha256:" + "AB" * 32, "64 lower-case hex"),
        ("alpine@sha512:" + "ab" * 64, "sha512"),
        ("alpine\n", "component"),
        ("alpine:latest\n", "tag"),
    ],
)
def test_an_illegal_name_is_refused_and_told_why(text: str, says: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        parse(text)
    assert says in caught.value.reason


def test_a_look_up_tries_the_name_as_given_then_local_images_then_the_default_registry() -> None:
    assert candidates("alpine") == ["alpine:latest", "localhost/alpine:latest", "docker.io/library/alpine:latest"]
    assert candidates("docker.io/alpine") == ["docker.io/library/alpine:latest"]
    assert candidates("example.org/alpine:1") == ["example.org/alpine:1"]


@pytest.mark.parametrize(
    ("full", "short"),
    [
        ("docker.io/library/alpine:latest", "alpine"),
        ("docker.io/library/alpine:3", "alpine:3"),
        ("docker.io/someone/alpine:latest", "someone/alpine"),
        ("docker.io/library/a/b:latest", "library/a/b"),
        ("docker.io/example.org/a:latest", "docker.io/example.org/a"),
        ("localhost/alpine3:latest", "localhost/alpine3"),
        ("alpine:fubar", "alpine:fubar"),
    ],
)
def test_a_full_name_has_a_familiar_form(full: str, short: str) -> None:
    assert familiar(full) == short


def test_a_repository_is_a_name_without_tag_and_digest() -> None:
    assert repository(f"host:5000/a/b:tag@sha256:{HEX}") == "host:5000/a/b"
    assert repository("alpine:fubar") == "alpine"


def test_the_longest_official_name_can_still_be_made_full() -> None:
    assert parse(normalize("a" * 255)).path == "library/" + "a" * 255
