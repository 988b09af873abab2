"""PushImage and ExportImage to real places, with skopeo and umoci as judges of what is there."""

import gzip
import json
import subprocess
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from patience import patience

from podlink import Engine
from podlink.api.podman.images import HANDLERS
from podlink.api.varlink.service import Call
from podlink.engine.cancel import NEVER
from podlink.engine.errors import ImageNotFound, InvalidArchive, InvalidRequest, NotHonoured
from podlink.engine.oci.digest import Digest

pytestmark = pytest.mark.needs("skopeo")


@pytest.fixture
def engine() -> Iterator[Engine]:
    with Engine.emulated() as made:
        yield made


@pytest.fixture
def image(engine: Engine, busybox_tar: Path) -> str:
    """An image with one plain layer."""
    return engine.images.import_image(str(busybox_tar), "small", "hello", ["CMD=/bin/sh", "ENV=A=b"])


def skopeo(*arguments: str) -> str:
    done = subprocess.run(["skopeo", "--insecure-policy", *arguments], capture_output=True, text=True, timeout=patience())
    assert done.returncode == 0, done.stderr
    return done.stdout


def judged(place: str, folder: Path) -> list[str]:
    """Have skopeo copy the image, which checks every digest; the plain layers' digests, as it finds them."""
    skopeo("copy", "--src-tls-verify=false", place, f"dir:{folder}")
    manifest = json.loads((folder / "manifest.json").read_text())
    found = []
    for layer in manifest["layers"]:
        content = (folder / layer["digest"].removeprefix("sha256:")).read_bytes()
        found.append(str(Digest.of(gzip.decompress(content) if content[:2] == b"\x1f\x8b" else content)))
    return found


def diff_ids(engine: Engine, image: str) -> list[str]:
    return [layer.diff_id for layer in engine.host.state.images.get(image).layers]


def incoming(engine: Engine) -> list[str]:
    return [path.name for path in (engine.host.config.root / "blobs" / "incoming").iterdir()]


@pytest.mark.parametrize("compress", [False, True])
@pytest.mark.parametrize("transport", ["docker-archive", "oci", "oci-archive", "dir"])
def test_what_is_exported_is_what_skopeo_finds_and_what_comes_back(
    engine: Engine, image: str, tmp_path: Path, transport: str, compress: bool
) -> None:
    place = f"{transport}:{tmp_path / 'out'}" + {"oci": ":v1", "oci-archive": ":v1"}.get(transport, "")
    assert engine.images.export("small", place, compress=compress) == image
    assert judged(place, tmp_path / "copy") == diff_ids(engine, image)
    assert incoming(engine) == []
    with Engine.emulated() as other:
        assert other.images.pull(place) == image
        assert diff_ids(other, image) == diff_ids(engine, image)


@pytest.mark.needs("umoci")
def test_umoci_unpacks_what_is_exported(engine: Engine, image: str, tmp_path: Path) -> None:
    engine.images.export(image, f"oci:{tmp_path / 'layout'}:v1")
    subprocess.run(
        ["umoci", "unpack", "--rootless", "--image", f"{tmp_path / 'layout'}:v1", tmp_path / "bundle"],
        check=True,
        capture_output=True,
    )
    assert (tmp_path / "bundle/rootfs/etc/group").read_text().startswith("root:x:0:")
    assert json.loads((tmp_path / "bundle/config.json").read_text())["process"]["args"] == ["/bin/sh"]


@pytest.mark.needs("docker-registry")
def test_a_push_is_found_by_skopeo_and_its_digest_is_known(engine: Engine, image: str, registry: str, tmp_path: Path) -> None:
    assert engine.images.push("small", f"{registry}/team/app:1", tls_verify=False) == image
    found = json.loads(skopeo("inspect", "--tls-verify=false", f"docker://{registry}/team/app:1"))
    assert engine.images.inspect(image)["RepoDigests"][0] == f"{registry}/team/app@{found['Digest']}"
    assert engine.images.inspect(f"{registry}/team/app@{found['Digest']}")["Id"] == image
    assert judged(f"docker://{registry}/team/app:1", tmp_path / "copy") == diff_ids(engine, image)
    raw = json.loads(skopeo("inspect", "--raw", "--tls-verify=false", f"docker://{registry}/team/app:1"))
    assert [layer["mediaType"].rpartition("+")[2] for layer in raw["layers"]] == ["gzip"]
    with Engine.emulated() as other:
        assert other.images.pull(f"{registry}/team/app:1") == image
        assert other.images.inspect(image)["RepoDigests"] == [f"{registry}/team/app@{found['Digest']}"]


@pytest.mark.needs("docker-registry")
def test_what_is_there_is_not_sent_again_and_what_is_pulled_goes_out_byte_for_byte(
    engine: Engine, image: str, registry: str
) -> None:
    engine.images.push("small", f"{registry}/team/app:1", tls_verify=False)
    with Engine.emulated() as other:
        other.images.pull(f"{registry}/team/app:1")
        sent: list[str] = []
        for _ in range(2):
            other.images.push(
                f"{registry}/team/app:1",
                f"{registry}/team/other:2",
                tls_verify=False,
                progress=lambda blob, size: sent.append(blob.media_type),
            )
    assert set(sent) == {"application/vnd.oci.image.config.v1+json"}
    raw = [skopeo("inspect", "--raw", "--tls-verify=false", f"docker://{registry}/team/{name}") for name in ("app:1", "other:2")]
    assert raw[0] == raw[1]


def test_a_docker_archive_has_the_names_that_are_given(engine: Engine, image: str, tmp_path: Path) -> None:
    def tags(path: Path) -> Any:
        with tarfile.open(path) as tar:
            file = tar.extractfile("manifest.json")
            assert file
            return json.load(file)[0]["RepoTags"]

    engine.images.export("small", f"docker-archive:{tmp_path}/a.tar")
    engine.images.export("small", f"docker-archive:{tmp_path}/b.tar:example.org/app:1", tags=["example.org/app:2", "other"])
    engine.images.export(image, f"docker-archive:{tmp_path}/c.tar")
    assert tags(tmp_path / "a.tar") == ["docker.io/library/small:latest"]
    assert tags(tmp_path / "b.tar") == ["example.org/app:1", "example.org/app:2", "docker.io/library/other:latest"]
    assert tags(tmp_path / "c.tar") == []
    with Engine.emulated() as other:
        other.images.pull(f"docker-archive:{tmp_path}/b.tar")
        assert other.images.list()[0].names == ("example.org/app:1", "example.org/app:2", "docker.io/library/other:latest")


def test_an_oci_folder_takes_several_images_and_a_name_moves(
    engine: Engine, image: str, tmp_path: Path, busybox_tar: Path
) -> None:
    second = engine.images.import_image(str(busybox_tar), "second", "another")
    for name, tag in (("small", "a"), ("second", "b"), ("second", "a")):
        engine.images.export(name, f"oci:{tmp_path}/layout:{tag}")
    with Engine.emulated() as other:
        assert [other.images.pull(f"oci:{tmp_path}/layout:{tag}") for tag in "ab"] == [second, second]
    engine.images.export("small", f"oci:{tmp_path}/layout:c")
    with Engine.emulated() as other:
        assert other.images.pull(f"oci:{tmp_path}/layout:c") == image


def test_an_image_in_a_folder_is_replaced_and_nothing_else_is(engine: Engine, image: str, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/letter").write_text("dear")
    for place in (f"dir:{tmp_path}/mine", f"oci:{tmp_path}/mine"):
        with pytest.raises(InvalidRequest):
            engine.images.export("small", place)
    assert [path.name for path in (tmp_path / "mine").iterdir()] == ["letter"]
    for _ in range(2):
        engine.images.export("small", f"dir:{tmp_path}/out")
    assert sorted(path.name for path in tmp_path.iterdir() if path.name.startswith(".")) == []
    archive = tmp_path / "a.tar"
    archive.write_bytes(b"precious")
    with pytest.raises(InvalidRequest, match="there already"):
        engine.images.export("small", f"docker-archive:{archive}")
    assert archive.read_bytes() == b"precious"


@pytest.mark.parametrize("place", ["dir", "oci", "oci-archive", "docker-archive"])
def test_a_failure_leaves_nothing_there(engine: Engine, image: str, tmp_path: Path, place: str) -> None:
    (layer,) = engine.host.state.images.get(image).layers
    blob = engine.host.config.root / "blobs/sha256" / layer.blob.removeprefix("sha256:")
    content = bytearray(blob.read_bytes())
    content[600] ^= 1
    blob.write_bytes(content)
    (tmp_path / "out").mkdir()
    with pytest.raises(InvalidArchive, match="sha256"):
        engine.images.export("small", f"{place}:{tmp_path}/out/x")
    assert list((tmp_path / "out").iterdir()) == []
    assert incoming(engine) == []


@pytest.mark.parametrize("destination", ["", "small", "example.org/app", "ostree:/x", "dir:", "oci-archive:/nowhere/at/all.tar"])
def test_a_destination_that_is_none_is_refused(engine: Engine, image: str, destination: str) -> None:
    with pytest.raises(InvalidRequest):
        engine.images.export("small", destination)


def test_what_is_not_here_can_not_go_out(engine: Engine, tmp_path: Path) -> None:
    with pytest.raises(ImageNotFound, match="bozo"):
        engine.images.export("bozo", f"dir:{tmp_path}/x")
    with pytest.raises(ImageNotFound, match="bozo"):
        engine.images.push("bozo", f"dir:{tmp_path}/x")


def test_several_names_are_for_docker_archives_only(engine: Engine, image: str, tmp_path: Path) -> None:
    with pytest.raises(NotHonoured, match="tags"):
        engine.images.export("small", f"dir:{tmp_path}/x", tags=["example.org/app:2"])


def test_the_methods_of_the_interface_answer_the_id(engine: Engine, image: str, tmp_path: Path) -> None:
    def call(method: str, **arguments: Any) -> Any:
        return HANDLERS[method](engine.host, Call(method, False, False, NEVER), arguments)

    pushed, exported = f"dir:{tmp_path}/pushed", f"oci-archive:{tmp_path}/out.tar:v1"
    assert call("PushImage", name="small", tag=pushed, tlsverify=False) == {"image": image}
    assert call("ExportImage", name="small", destination=exported, compress=False, tags=[]) == {"image": image}
    assert call("PullImage", name=pushed) == call("PullImage", name=exported) == {"id": image}
    assert sorted(path.name for path in (tmp_path / "pushed").iterdir())[-2:] == ["manifest.json", "version"]


def test_an_image_without_a_name_needs_one_to_be_pushed(engine: Engine, busybox_tar: Path) -> None:
    image = engine.images.import_image(str(busybox_tar))
    with pytest.raises(InvalidRequest, match="no name"):
        engine.images.push(image)
