"""The client against Debian's docker-registry, with skopeo to say what has really arrived."""

import io
import json
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from certified import Certified
from picture import Picture, picture
from registry_server import NAME, PASSWORD, Settings, running_registry

from podlink.engine.errors import ImageNotFound, RegistryFailed
from podlink.engine.images.registries.surroundings import Surroundings
from podlink.engine.images.transports import registry as transport
from podlink.engine.oci.digest import Digest
from podlink.engine.oci.distribution import listing, upload
from podlink.engine.oci.distribution.client import Client
from podlink.engine.oci.distribution.endpoint import ClientCertificate, Credentials
from podlink.engine.oci.image import media_types

pytestmark = pytest.mark.needs("docker-registry", "skopeo")
Connect = Callable[..., Client]
Skopeo = Callable[..., str]


def push(client: Client, repository: str, tag: str, image: Picture) -> Digest:
    for descriptor, content in image.descriptors:
        client.upload(repository, descriptor.digest, io.BytesIO(content))
    client.put_manifest(repository, tag, image.manifest, media_types.MANIFEST)
    return Digest.of(image.manifest)


def test_what_is_pushed_is_what_skopeo_finds(registry: str, connect: Connect, skopeo: Skopeo, tmp_path: Path) -> None:
    image = picture()
    digest = push(connect(registry), "team/app", "1.0", image)
    found = json.loads(skopeo("inspect", "--tls-verify=false", f"docker://{registry}/team/app:1.0"))
    assert (found["Digest"], found["RepoTags"]) == (str(digest), ["1.0"])
    skopeo("copy", "--src-tls-verify=false", f"docker://{registry}/team/app:1.0", f"dir:{tmp_path}/copy")
    assert {path.read_bytes() for path in (tmp_path / "copy").iterdir()} >= {image.layer, image.config, image.manifest}


def test_what_skopeo_pushes_is_found(registry: str, connect: Connect, skopeo: Skopeo, tmp_path: Path) -> None:
    client, image = connect(registry), picture()
    push(client, "team/app", "1.0", image)
    there = f"docker://{registry}/other/app:2"
    skopeo("copy", "--src-tls-verify=false", "--dest-tls-verify=false", f"docker://{registry}/team/app:1.0", there)
    found = client.manifest("other/app", "2")
    assert (found.content, found.media_type, found.digest) == (image.manifest, media_types.MANIFEST, Digest.of(image.manifest))
    assert client.manifest("other/app", str(found.digest)) == found
    with client.blob("other/app", Digest.of(image.layer), len(image.layer)) as stream:
        assert stream.read() == image.layer
    with client.blob("other/app", Digest.of(image.layer), len(image.layer), offset=20) as stream:
        assert stream.read() == image.layer[20:]


def test_an_unknown_manifest_is_no_image(registry: str, connect: Connect) -> None:
    with pytest.raises(ImageNotFound, match="team/app:9"):
        connect(registry).manifest("team/app", "9")


def test_a_blob_goes_in_chunks(registry: str, connect: Connect, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(upload, "CHUNK", 1000)
    client, content = connect(registry), bytes(range(256)) * 20
    assert not client.has_blob("team/app", Digest.of(content))
    client.upload("team/app", Digest.of(content), io.BytesIO(content))
    assert client.has_blob("team/app", Digest.of(content))
    with client.blob("team/app", Digest.of(content), len(content)) as stream:
        assert stream.read() == content


@pytest.mark.parametrize("size", [0, 1, 999, 1000, 1001, 2000])
def test_blobs_of_every_length_around_a_chunk_arrive(
    registry: str, connect: Connect, monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    monkeypatch.setattr(upload, "CHUNK", 1000)
    client, content = connect(registry), b"x" * size
    client.upload("team/app", Digest.of(content), io.BytesIO(content))
    with client.blob("team/app", Digest.of(content), size) as stream:
        assert stream.read() == content


def test_the_registry_refuses_a_blob_with_another_digest(registry: str, connect: Connect) -> None:
    with pytest.raises(RegistryFailed, match=rf"registry {registry}.*DIGEST_INVALID"):
        connect(registry).upload("team/app", Digest.of(b"promised"), io.BytesIO(b"sent"))


def test_a_blob_is_mounted_from_where_it_is(registry: str, connect: Connect) -> None:
    client, image = connect(registry), picture()
    push(client, "team/app", "1", image)
    assert client.mount("other/app", Digest.of(image.layer), "team/app")
    assert client.has_blob("other/app", Digest.of(image.layer))
    assert not client.mount("other/app", Digest.of(b"nowhere"), "team/app")


def test_lists_come_whole_however_small_their_pages(registry: str, connect: Connect, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listing, "PAGE", 2)
    client, image = connect(registry), picture()
    for name in ("a", "b/c", "d", "e", "f"):
        push(client, name, "1", image)
    push(client, "a", "2", image)
    assert list(listing.catalog(client)) == ["a", "b/c", "d", "e", "f"]
    assert sorted(listing.tags(client, "a")) == ["1", "2"]


def test_a_private_authority_and_a_password(guarded: str, certified: Certified, connect: Connect, skopeo: Skopeo) -> None:
    login = Credentials(NAME, PASSWORD)
    authorities = (certified.root,)
    client = connect(guarded, insecure=False, authorities=authorities, credentials=login)
    push(client, "team/app", "1", picture())
    there = f"docker://{guarded}/team/app:1"
    found = json.loads(skopeo("inspect", f"--creds={NAME}:{PASSWORD}", "--tls-verify=false", there))
    assert found["Digest"] == str(client.manifest("team/app", "1").digest)


def test_a_stranger_is_told_to_log_in(guarded: str, connect: Connect) -> None:
    for credentials in (None, Credentials(NAME, "wrong")):
        with pytest.raises(RegistryFailed, match=rf"registry {guarded}: .*401.*log in"):
            connect(guarded, credentials=credentials).manifest("team/app", "1")


def test_an_unknown_authority_is_refused_and_says_where_its_certificate_goes(guarded: str, connect: Connect) -> None:
    with pytest.raises(RegistryFailed, match=rf"can't be trusted: .*certs\.d/{guarded}/ca\.crt"):
        connect(guarded, insecure=False).manifest("team/app", "1")


def test_a_plain_registry_must_be_called_insecure(registry: str, connect: Connect) -> None:
    with pytest.raises(RegistryFailed, match=r"speaks no TLS; .*insecure = true"):
        connect(registry, insecure=False).manifest("team/app", "1")


def test_a_client_certificate_is_shown(tmp_path: Path, certified: Certified, connect: Connect) -> None:
    settings = Settings(certificate=certified.certificate, clients=certified.root)
    shown = ClientCertificate(*certified.issue("client", "client.example"))
    authorities = (certified.root,)
    with running_registry(tmp_path / "mutual", settings) as address:
        client = connect(address, insecure=False, authorities=authorities, client_certificate=shown)
        with pytest.raises(ImageNotFound):
            client.manifest("team/app", "1")
        with pytest.raises(RegistryFailed, match=f"registry {address}"):
            connect(address, insecure=False, authorities=authorities).manifest("team/app", "1")


def test_the_files_of_the_host_are_enough(
    guarded: str, certified: Certified, registries_conf: Callable[[str], Path], tmp_path: Path, connect: Connect
) -> None:
    """certs.d and auth.json below the user's home, as podman login leaves them."""
    folder = tmp_path / "home/.config/containers/certs.d" / guarded
    folder.mkdir(parents=True)
    (folder / "ca.crt").write_bytes(certified.root.read_bytes())
    login = tmp_path / "runtime/containers/auth.json"
    login.parent.mkdir(parents=True)
    login.write_text(json.dumps({"auths": {guarded: {"auth": "YWRhOnNlY3JldA=="}}}))
    registries_conf(f'unqualified-search-registries = ["{guarded}"]')
    with transport.destination(f"{guarded}/team/app:1") as place:
        assert place.name == f"docker://{guarded}/team/app:1"
        image = picture()
        for descriptor, content in image.descriptors:
            place.put_blob(descriptor, io.BytesIO(content))
            assert place.has(descriptor)
        place.put_manifest(image.manifest, media_types.MANIFEST)
    (candidate,) = transport.candidates("team/app:1")
    assert candidate.name == f"{guarded}/team/app:1"
    with candidate.open() as source:
        assert source.manifest().content == image.manifest
        descriptor, content = image.descriptors[0]
        with source.blob(descriptor) as stream:
            assert stream.read() == content


def test_several_threads_share_one_client(registry: str, connect: Connect) -> None:
    client, failures = connect(registry), []
    contents = [bytes([number]) * 300_000 for number in range(8)]

    def both_ways(content: bytes) -> None:
        client.upload("team/app", Digest.of(content), io.BytesIO(content))
        with client.blob("team/app", Digest.of(content), len(content)) as stream:
            if stream.read() != content:
                failures.append(content[0])

    threads = [threading.Thread(target=both_ways, args=(content,)) for content in contents]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert all(client.has_blob("team/app", Digest.of(content)) for content in contents)


def test_surroundings_are_a_snapshot(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/before")
    found = Surroundings()
    monkeypatch.setenv("HOME", "/after")
    assert found.home == Path("/before")
