"""Finding an image by what a client calls it."""

import pytest

from podlink.engine.errors import AmbiguousName, ImageNotFound, InvalidRequest
from podlink.engine.host import Host
from podlink.engine.images.lookup import find_image
from podlink.engine.images.tag import tag_image
from podlink.engine.state.values import Image


def stored(host: Host, id: str, *names: str, digest: str = "") -> str:
    digest = digest or f"sha256:{id}"
    host.state.images.add(Image(id=id, digest=digest, created_at=1, config=b"{}", manifest=b"{}", size=0, layers=()), names)
    return id


A, B, C = ("a" * 63 + "1", "a" * 63 + "2", "cafe" + "0" * 60)


@pytest.mark.parametrize(
    "name",
    [
        "docker.io/library/alpine:latest",
        "docker.io/library/alpine",
        "docker.io/alpine",
        "library/alpine",
        "alpine:latest",
        "alpine",
        f"alpine@sha256:{A}",
        f"docker.io/library/alpine@sha256:{A}",
        f"alpine:latest@sha256:{A}",
        f"sha256:{A}",
        A,
        A[:63] + "1",
    ],
)
def test_an_image_of_the_default_registry_is_found_by_all_its_forms(host: Host, name: str) -> None:
    stored(host, A, "docker.io/library/alpine:latest")
    stored(host, B, "localhost/other:latest")
    assert find_image(host, name).id == A


@pytest.mark.parametrize("name", ["localhost/alpine3:latest", "localhost/alpine3", "alpine3:latest", "alpine3"])
def test_an_image_made_here_is_found_without_localhost(host: Host, name: str) -> None:
    stored(host, A, "localhost/alpine3:latest")
    assert find_image(host, name).id == A


@pytest.mark.parametrize(
    "name",
    [
        "",
        "bozo",
        "alpine:3",
        "example.org/alpine",
        "localhost/alpine",
        "Alpine",
        "al pine",
        "ALPINE@x",
        f"bozo@sha256:{A}",
        f"alpine@sha256:{B}",
        f"alpine:3@sha256:{A}",
        "b",
        "0" * 64,
        "%",
        "a" * 65,
        "\0",
        "\ud800",
    ],
)
def test_what_names_no_image_is_not_found_and_named(host: Host, name: str) -> None:
    stored(host, A, "docker.io/library/alpine:latest")
    with pytest.raises(ImageNotFound) as caught:
        find_image(host, name)
    assert caught.value.name == name


def test_an_ambiguous_prefix_names_what_it_fits(host: Host) -> None:
    stored(host, A, "docker.io/library/one:latest")
    stored(host, B)
    with pytest.raises(AmbiguousName) as caught:
        find_image(host, "aaa")
    assert "docker.io/library/one:latest" in caught.value.reason
    assert "no name" in caught.value.reason


def test_a_name_comes_before_the_beginning_of_an_id_and_a_whole_id_before_a_name(host: Host) -> None:
    stored(host, A, "docker.io/library/cafe:latest")
    stored(host, C)
    assert find_image(host, "cafe").id == A
    assert find_image(host, "cafe0").id == C


def test_a_name_made_here_comes_before_the_default_registrys(host: Host) -> None:
    stored(host, A, "docker.io/library/alpine:latest")
    stored(host, B, "localhost/alpine:latest")
    assert find_image(host, "alpine").id == B
    assert find_image(host, "docker.io/library/alpine").id == A


def test_a_tag_stays_as_it_was_given_and_is_found(host: Host) -> None:
    stored(host, A, "docker.io/library/alpine:latest")
    assert tag_image(host, "alpine", "alpine:fubar") == A
    assert tag_image(host, A, "Example.org:5000/a/b") == A
    assert host.state.images.get(A).names == ("docker.io/library/alpine:latest", "alpine:fubar", "Example.org:5000/a/b:latest")
    assert find_image(host, "alpine:fubar").id == A
    assert find_image(host, "Example.org:5000/a/b").id == A


def test_a_tag_moves_from_the_image_that_had_it(host: Host) -> None:
    stored(host, A, "docker.io/library/alpine:latest", "alpine:fubar")
    stored(host, B, "docker.io/library/other:latest")
    tag_image(host, "other", "alpine:fubar")
    assert find_image(host, "alpine:fubar").id == B
    assert host.state.images.get(A).names == ("docker.io/library/alpine:latest",)


@pytest.mark.parametrize("name", ["", "Alpine", "a b", "a:", f"a@sha256:{A}", A, "a:" + "x" * 129])
def test_an_illegal_tag_is_refused_and_changes_nothing(host: Host, name: str) -> None:
    stored(host, A, "docker.io/library/alpine:latest")
    with pytest.raises(InvalidRequest):
        tag_image(host, "alpine", name)
    assert host.state.images.get(A).names == ("docker.io/library/alpine:latest",)


def test_tagging_an_unknown_image_names_what_was_asked_for(host: Host) -> None:
    with pytest.raises(ImageNotFound) as caught:
        tag_image(host, "bozo", "other")
    assert caught.value.name == "bozo"
