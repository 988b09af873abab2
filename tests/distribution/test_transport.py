"""Names of places, and docker:// as a source and a destination: mirrors, short names, what is blocked."""

import io
from collections.abc import Callable
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from liar import Behaviour, Liar
from picture import picture

from podlink.engine.errors import ImageNotFound, InvalidRequest, RegistryFailed
from podlink.engine.images.transports import registry as transport
from podlink.engine.images.transports.base import Place, parse_place
from podlink.engine.oci.image import media_types
from podlink.engine.oci.image.manifest import Descriptor

Lie = Callable[[Behaviour], Liar]
Configure = Callable[[str], Path]
IMAGE = picture()


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("alpine", Place("docker", "", "alpine")),
        ("localhost:5000/a/b:1", Place("docker", "", "localhost:5000/a/b:1")),
        ("docker://alpine:3", Place("docker", "", "alpine:3")),
        ("docker-archive:/tmp/a.tar", Place("docker-archive", "/tmp/a.tar")),
        ("docker-archive:a.tar:reg.example:5000/a:1", Place("docker-archive", "a.tar", "reg.example:5000/a:1")),
        ("oci-archive:a.tar:1.0", Place("oci-archive", "a.tar", "1.0")),
        ("oci:/tmp/dir:tag", Place("oci", "/tmp/dir", "tag")),
        ("dir:/tmp/a:b", Place("dir", "/tmp/a:b")),
    ],
)
def test_a_place_is_read(text: str, place: Place) -> None:
    assert parse_place(text) == place
    assert parse_place(str(place)) == place


@pytest.mark.parametrize("text", ["", "docker:alpine", "docker://", "oci:", "oci::tag", "dir:", "docker-daemon:a", "oci:a\0b"])
def test_what_is_no_place_is_refused(text: str) -> None:
    with pytest.raises(InvalidRequest):
        parse_place(text)


def test_an_address_of_the_web_is_no_name() -> None:
    says = r"'https://reg\.example/app': an image is named without https://; give docker://reg\.example/app"
    with pytest.raises(InvalidRequest, match=says):
        parse_place("https://reg.example/app")


@given(st.text(max_size=60))
def test_every_text_is_a_place_or_refused(text: str) -> None:
    with suppress(InvalidRequest):
        assert parse_place(str(parse_place(text))) == parse_place(text)


def push(name: str, **options: bool) -> None:
    with transport.destination(name, **options) as place:  # type: ignore[arg-type]
        for descriptor, content in IMAGE.descriptors:
            if not place.has(descriptor):
                place.put_blob(descriptor, io.BytesIO(content))
        place.put_manifest(IMAGE.manifest, media_types.MANIFEST)


def pull(name: str) -> list[str]:
    """The names of the candidates, each of which has to give the image or raise."""
    found = transport.candidates(name)
    for candidate in found:
        with candidate.open() as source:
            manifest = source.manifest()
            assert source.manifest(manifest.digest) == manifest
            descriptor, content = IMAGE.descriptors[0]
            with source.blob(descriptor) as stream:
                assert stream.read() == content
    return [candidate.name for candidate in found]


@pytest.mark.needs("docker-registry")
def test_an_image_goes_out_and_comes_back(registry: str) -> None:
    push(f"{registry}/team/app:1")
    assert pull(f"{registry}/team/app:1") == [f"{registry}/team/app:1"]
    assert pull("team/app:1") == [f"{registry}/team/app:1"]
    with pytest.raises(ImageNotFound, match="team/app:2"):
        pull("team/app:2")


@pytest.mark.needs("docker-registry")
def test_a_blob_is_mounted_from_a_repository_of_the_same_registry_alone(registry: str) -> None:
    push(f"{registry}/team/app:1")
    descriptor: Descriptor = IMAGE.descriptors[0][0]
    with transport.destination(f"{registry}/other/app:1") as place:
        assert not place.mount(descriptor, "reg.example/team/app")
        assert not place.has(descriptor)
        assert place.mount(descriptor, f"{registry}/team/app")
        assert place.has(descriptor)


@pytest.mark.needs("docker-registry")
def test_the_mirror_that_has_the_image_serves_it_under_its_own_name(registry: str, registries_conf: Configure, liar: Lie) -> None:
    push(f"{registry}/copies/app:1")
    empty = liar(lambda to, seen: to.reply(200, b"{}") if seen.path == "/v2/" else to.reply(404))
    registries_conf(f"""
        [[registry]]
        location = "reg.example/team"
        [[registry.mirror]]
        location = "127.0.0.1:1/nobody"
        [[registry.mirror]]
        location = "{empty.address}/nothing"
        insecure = true
        [[registry.mirror]]
        location = "{registry}/copies"
        insecure = true
    """)
    assert pull("reg.example/team/app:1") == ["reg.example/team/app:1"]
    assert empty.seen[-1].path == "/v2/nothing/app/manifests/1"


def test_when_no_location_has_it_each_is_told_of(registries_conf: Configure, liar: Lie) -> None:
    empty = liar(lambda to, seen: to.reply(200, b"{}") if seen.path == "/v2/" else to.reply(404))
    registries_conf(f"""
        [[registry]]
        prefix = "reg.example"
        location = "127.0.0.1:1"
        [[registry.mirror]]
        location = "{empty.address}"
        insecure = true
    """)
    with pytest.raises(RegistryFailed, match=rf"{empty.address}/app:1 is not there; registry 127.0.0.1:1 can't be reached"):
        pull("reg.example/app:1")


def test_what_is_blocked_is_neither_pulled_nor_pushed(registries_conf: Configure) -> None:
    registries_conf('[[registry]]\nlocation = "127.0.0.1:1"\nblocked = true\n')
    for verb in (pull, push):
        with pytest.raises(RegistryFailed, match=r"127\.0\.0\.1:1 is blocked in registries\.conf"):
            verb("127.0.0.1:1/app:1")


@pytest.mark.needs("docker-registry")
def test_plain_http_needs_the_word_of_the_caller_or_the_configuration(registry: str, registries_conf: Configure) -> None:
    registries_conf("")
    with pytest.raises(RegistryFailed, match="speaks no TLS"):
        push(f"{registry}/app:1")
    push(f"{registry}/app:1", tls_verify=False)
    registries_conf(f'[[registry]]\nlocation = "{registry}"\ninsecure = true\n')
    assert pull(f"{registry}/app:1")


@pytest.mark.needs("docker-registry")
def test_a_name_with_a_digest_is_pulled_by_it_and_not_pushed(registry: str) -> None:
    push(f"{registry}/app:1")
    with ExitStack() as stack:
        source = stack.enter_context(transport.candidates(f"{registry}/app:1")[0].open())
        digest = source.manifest().digest
    name = f"{registry}/app@{digest}"
    assert pull(name) == [name]
    with pytest.raises(InvalidRequest, match="pushed under a tag"):
        push(name)
