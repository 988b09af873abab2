"""PullImage from real parts: docker-registry on loopback, and archives and folders that skopeo wrote."""

import json
import subprocess
import tarfile
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from patience import patience

from podlink import Engine, Limits
from podlink.engine.cancel import Never
from podlink.engine.errors import Cancelled, ErrorOccurred, InvalidArchive, InvalidRequest
from podlink.engine.images.resolve import choose
from podlink.engine.oci.digest import Digest
from podlink.engine.oci.image.platforms import platform_of

pytestmark = pytest.mark.needs("skopeo")


@pytest.fixture
def engine() -> Iterator[Engine]:
    with Engine.emulated() as made:
        yield made


def skopeo(*arguments: str) -> str:
    return subprocess.run(["skopeo", "--insecure-policy", *arguments], capture_output=True, text=True, check=True).stdout


@pytest.fixture(scope="session")
def archive(tmp_path_factory: pytest.TempPathFactory, busybox_tar: Path) -> Path:
    """A docker-archive, made by skopeo of a layout of three layers, that is made by hand."""
    folder = tmp_path_factory.mktemp("pull")
    layout = folder / "layout"
    make_layout(layout, [{"bin/one": b"1", "etc/conf": b"a"}, {"etc/conf": b"b"}, {"etc/.wh.conf": b"", "new": b"n" * 5000}])
    path = folder / "image.tar"
    skopeo("copy", f"oci:{layout}:v1", f"docker-archive:{path}:example.org/team/app:v1")
    return path


def make_layout(folder: Path, layers: list[dict[str, bytes]]) -> None:
    import gzip
    import io

    blobs = folder / "blobs" / "sha256"
    blobs.mkdir(parents=True)

    def keep(content: bytes, media_type: str) -> dict[str, Any]:
        digest = Digest.of(content)
        (blobs / digest.hex).write_bytes(content)
        return {"mediaType": media_type, "digest": str(digest), "size": len(content)}

    descriptors, diff_ids = [], []
    for files in layers:
        buffer = io.BytesIO()
        with tarfile.open(fileobj=buffer, mode="w") as tar:
            for name, content in files.items():
                info = tarfile.TarInfo(name)
                info.size, info.mode = len(content), 0o755
                tar.addfile(info, io.BytesIO(content))
        diff_ids.append(str(Digest.of(buffer.getvalue())))
        descriptors.append(keep(gzip.compress(buffer.getvalue(), mtime=0), "application/vnd.oci.image.layer.v1.tar+gzip"))
    config = {
        "architecture": "amd64",
        "os": "linux",
        "config": {"Cmd": ["/bin/one"]},
        "rootfs": {"type": "layers", "diff_ids": diff_ids},
    }
    described = keep(json.dumps(config).encode(), "application/vnd.oci.image.config.v1+json")
    manifest = {"schemaVersion": 2, "config": described, "layers": descriptors}
    entry = keep(json.dumps(manifest).encode(), "application/vnd.oci.image.manifest.v1+json")
    entry["annotations"] = {"org.opencontainers.image.ref.name": "v1"}
    (folder / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": [entry]}))
    (folder / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')


def contents(engine: Engine, image: str) -> dict[str, bytes]:
    container = engine.containers.create(image=image, command=["/bin/one"])
    root = engine.host.storage.mount(container.id)
    found = {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()}
    container.remove()
    return found


WANTED = {"bin/one": b"1", "new": b"n" * 5000}


def store(engine: Engine) -> tuple[Any, ...]:
    """All that the store holds, and what lies about in it."""
    host = engine.host
    incoming = [path.name for path in (host.config.root / "blobs" / "incoming").iterdir()]
    return host.state.images.all(), host.storage.known()[0], host.content.known(), incoming


@pytest.mark.parametrize("transport", ["docker-archive", "oci", "oci-archive", "dir"])
def test_places_that_skopeo_wrote(engine: Engine, archive: Path, tmp_path: Path, transport: str) -> None:
    place = {"docker-archive": f"docker-archive:{archive}", "oci": f"oci:{tmp_path}/o:v1"}.get(
        transport, f"{transport}:{tmp_path}/x"
    )
    if transport != "docker-archive":
        skopeo("copy", f"docker-archive:{archive}", place)
    image = engine.images.pull(place)
    assert contents(engine, image) == WANTED
    assert (
        image == json.loads(skopeo("inspect", "--raw", place))["config"]["digest"].removeprefix("sha256:")
        or transport == "docker-archive"
    )
    names = next(each.names for each in engine.host.state.images.all() if each.id == image)
    assert names == (("example.org/team/app:v1",) if transport == "docker-archive" else ())


def test_an_archive_that_is_compressed(engine: Engine, archive: Path, tmp_path: Path) -> None:
    path = tmp_path / "image.tar.gz"
    with path.open("wb") as file:
        subprocess.run(["gzip", "-c", archive], stdout=file, check=True)
    assert contents(engine, engine.images.pull(f"docker-archive:{path}")) == WANTED


@pytest.mark.needs("docker-registry")
def test_a_registry(engine: Engine, archive: Path, registry: str) -> None:
    skopeo("copy", "--dest-tls-verify=false", f"docker-archive:{archive}", f"docker://{registry}/team/app:v1")
    told: list[int] = []
    image = engine.images.pull(f"{registry}/team/app:v1", lambda blob, size: told.append(size))
    assert contents(engine, image) == WANTED and told
    (row,) = engine.host.state.images.all()
    inspected = json.loads(skopeo("inspect", "--tls-verify=false", f"docker://{registry}/team/app:v1"))
    assert row.digest == inspected["Digest"] and row.names == (f"{registry}/team/app:v1",)
    before = store(engine)
    told.clear()
    assert engine.images.pull(f"docker://{registry}/team/app:v1") == image
    assert store(engine) == before and told == []


@pytest.mark.needs("docker-registry")
def test_many_pulls_at_once_do_the_work_once(engine: Engine, archive: Path, registry: str) -> None:
    skopeo("copy", "--dest-tls-verify=false", f"docker-archive:{archive}", f"docker://{registry}/at/once:v1")
    fetched: list[tuple[str, int]] = []
    lock = threading.Lock()

    def note(blob: Any, size: int) -> None:
        with lock:
            if size == blob.size:
                fetched.append((str(blob.digest), size))

    with ThreadPoolExecutor(6) as pool:
        images = list(pool.map(lambda _: engine.images.pull(f"{registry}/at/once:v1", note), range(6)))
    assert len(set(images)) == 1 and len(fetched) == len(set(fetched)) == 3


@pytest.mark.needs("docker-registry")
def test_what_is_not_there_is_told_by_name(engine: Engine, registry: str) -> None:
    before = store(engine)
    for name in (f"{registry}/nobody/nothing:v9", f"{registry}/team/app:none"):
        with pytest.raises(ErrorOccurred, match=f"unable to pull {name}: .*not there"):
            engine.images.pull(name)
    assert store(engine) == before


@pytest.mark.parametrize(
    "name", ["", "docker://", "oci:", "UPPER/case", "ostree:/x", "docker-archive:/nonexistent.tar", "oci:/nonexistent"]
)
def test_a_name_of_no_place_is_refused(engine: Engine, name: str) -> None:
    with pytest.raises(InvalidRequest):
        engine.images.pull(name)


def damage(folder: Path, what: str) -> None:
    index = json.loads((folder / "index.json").read_text())
    blobs = folder / "blobs" / "sha256"
    manifest_path = blobs / index["manifests"][0]["digest"].removeprefix("sha256:")
    manifest = json.loads(manifest_path.read_text())
    layer = blobs / manifest["layers"][1]["digest"].removeprefix("sha256:")
    match what:
        case "flipped":
            content = bytearray(layer.read_bytes())
            content[30] ^= 1
            layer.write_bytes(content)
        case "cut":
            layer.write_bytes(layer.read_bytes()[:-20])
        case "longer":
            layer.write_bytes(layer.read_bytes() + b"x")
        case "missing":
            layer.unlink()
        case "diff":
            config = blobs / manifest["config"]["digest"].removeprefix("sha256:")
            text = json.loads(config.read_text())
            text["rootfs"]["diff_ids"].reverse()
            content = json.dumps(text).encode()
            (blobs / Digest.of(content).hex).write_bytes(content)
            manifest["config"].update(digest=str(Digest.of(content)), size=len(content))
            replace_manifest(folder, index, blobs, manifest)
        case "count":
            manifest["layers"].pop()
            replace_manifest(folder, index, blobs, manifest)
        case "schema":
            manifest = {"schemaVersion": 1, "name": "x", "fsLayers": []}
            replace_manifest(folder, index, blobs, manifest)
        case "artifact":
            manifest["config"]["mediaType"] = "application/vnd.cncf.helm.config.v1+json"
            replace_manifest(folder, index, blobs, manifest)


def replace_manifest(folder: Path, index: Any, blobs: Path, manifest: Any) -> None:
    content = json.dumps(manifest).encode()
    (blobs / Digest.of(content).hex).write_bytes(content)
    index["manifests"][0].update(digest=str(Digest.of(content)), size=len(content))
    (folder / "index.json").write_text(json.dumps(index))


DAMAGES = {
    "flipped": "hashes to|damaged",
    "cut": "is to have",
    "longer": "is to have",
    "missing": "not there",
    "diff": "unpacks to",
    "count": "layers",
    "schema": "schema 1",
    "artifact": "artifact",
}


@pytest.mark.parametrize("what", DAMAGES)
def test_damage_is_told_and_leaves_nothing(engine: Engine, tmp_path: Path, what: str) -> None:
    make_layout(tmp_path / "o", [{"bin/one": b"1"}, {"two": b"2" * 3000}, {"three": b"3"}])
    damage(tmp_path / "o", what)
    before = store(engine)
    with pytest.raises(ErrorOccurred, match=f"unable to pull oci:.*({DAMAGES[what]})"):
        engine.images.pull(f"oci:{tmp_path}/o")
    assert store(engine) == before


def test_a_caller_who_leaves(engine: Engine, archive: Path) -> None:
    class Left(Never):
        def is_set(self) -> bool:
            return True

    before = store(engine)
    with pytest.raises(Cancelled):
        engine.images.pull(f"docker-archive:{archive}", cancel=Left())
    assert store(engine) == before


class Leaves(Never):
    """A caller who leaves when he is told to."""

    def __init__(self) -> None:
        self.left = threading.Event()

    def is_set(self) -> bool:
        return self.left.is_set()


def test_a_caller_who_leaves_does_not_wait_for_another_pull(engine: Engine, tmp_path: Path) -> None:
    """Of another image, on the same first layer: it is stopped in the middle of that."""
    base = {"bin/one": b"1" * 5000}
    make_layout(tmp_path / "first", [base])
    make_layout(tmp_path / "second", [base, {"two": b"2"}])
    begun, leaves = threading.Event(), Leaves()
    go_on = threading.Event()

    def stand_still(blob: Any, size: int) -> None:
        begun.set()
        assert go_on.wait(patience())

    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(engine.images.pull, f"oci:{tmp_path}/first", stand_still)
        assert begun.wait(patience())
        second = pool.submit(engine.images.pull, f"oci:{tmp_path}/second", cancel=leaves)
        try:
            with pytest.raises(TimeoutError):
                second.result(timeout=0.2)  # it waits
            leaves.left.set()
            with pytest.raises(Cancelled, match=f"unable to pull oci:{tmp_path}/second: the caller left"):
                second.result(timeout=patience())
            assert not first.done() and engine.images.list() == []
        finally:
            go_on.set()
        image = first.result(timeout=patience())
    assert [each.id for each in engine.images.list()] == [image]
    assert contents(engine, engine.images.pull(f"oci:{tmp_path}/second")) == {**base, "two": b"2"}


def test_a_pull_has_one_lock_however_many_layers(engine: Engine, tmp_path: Path) -> None:
    """Each would be a descriptor."""
    make_layout(tmp_path / "o", [{f"file{number}": b"x"} for number in range(20)])
    locks, held = engine.host.state.locks, []
    engine.images.pull(f"oci:{tmp_path}/o", lambda blob, size: held.append([*locks._turns]))
    assert held and all(len([key for key in keys if key.startswith("layer-")]) == 1 for keys in held)


def test_a_full_disk(engine: Engine, archive: Path) -> None:
    """Every write of a blob fails."""
    before = store(engine)
    writer = engine.host.content.writer
    incoming = engine.host.content._incoming.folder
    incoming.rename(incoming.with_name("away"))
    try:
        with pytest.raises(ErrorOccurred, match="unable to pull"):
            engine.images.pull(f"docker-archive:{archive}")
    finally:
        incoming.with_name("away").rename(incoming)
    assert writer and store(engine) == before


def index(*platforms: tuple[str, str, str]) -> bytes:
    entries = [
        {
            "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "digest": f"sha256:{number:064}",
            "size": 1,
            "platform": {"os": system, "architecture": machine, "variant": variant},
        }
        for number, (system, machine, variant) in enumerate(platforms)
    ]
    return json.dumps({"schemaVersion": 2, "manifests": entries}).encode()


@pytest.mark.parametrize(("machine", "chosen"), [("x86_64", 1), ("aarch64", 3), ("armv7l", 5), ("armv6l", 4)])
def test_the_image_for_this_machine(machine: str, chosen: int) -> None:
    there = index(
        ("windows", "amd64", ""),
        ("linux", "amd64", ""),
        ("linux", "arm64", "v9"),
        ("linux", "arm64", "v8"),
        ("linux", "arm", "v6"),
        ("linux", "arm", "v7"),
    )
    assert choose(there, platform_of(machine), "x") == Digest(f"{chosen:064}")


def test_no_image_for_this_machine_says_what_there_is() -> None:
    with pytest.raises(ErrorOccurred, match=r"linux/riscv64; there is linux/amd64, linux/arm/v7"):
        choose(index(("linux", "amd64", ""), ("linux", "arm", "v7")), platform_of("riscv64"), "x")


@pytest.mark.parametrize(
    "beside",
    [
        {"mediaType": "application/vnd.example.signature+json"},
        {"artifactType": "application/vnd.example.bill-of-materials", "platform": {}},
        {"platform": {"os": "unknown", "architecture": "unknown"}},
    ],
    ids=["an unknown kind", "an artifact", "an attestation"],
)
def test_what_lies_beside_the_images_of_an_index_is_ignored(beside: dict[str, object]) -> None:
    there = json.loads(index(("linux", "arm64", ""), ("linux", "amd64", "")))
    there["manifests"].insert(0, {**there["manifests"][1], "digest": f"sha256:{9:064}", **beside})
    assert choose(json.dumps(there).encode(), platform_of("x86_64"), "x") == Digest(f"{1:064}")
    del there["manifests"][2]
    with pytest.raises(ErrorOccurred, match="x: no image for linux/amd64; there is "):
        choose(json.dumps(there).encode(), platform_of("x86_64"), "x")


def test_no_variant_for_this_machine_says_which_it_runs() -> None:
    there = index(("linux", "amd64", "v4"))
    with pytest.raises(ErrorOccurred, match=r"x: no image for linux/amd64/v2; there is linux/amd64/v4"):
        choose(there, platform_of("x86_64", "cx16 lahf_lm pni popcnt sse4_1 sse4_2 ssse3".split()), "x")


def test_an_index_that_has_newer_machines_only(engine: Engine, tmp_path: Path) -> None:
    """An emulated machine runs whatever its architecture has: of an image it executes nothing."""
    make_layout(tmp_path / "o", [{"bin/one": b"1"}])
    path = tmp_path / "o" / "index.json"
    document = json.loads(path.read_text())
    document["manifests"][0]["platform"] = {"os": "linux", "architecture": "amd64", "variant": "v2"}
    path.write_text(json.dumps(document))
    assert contents(engine, engine.images.pull(f"oci:{tmp_path}/o")) == {"bin/one": b"1"}


FILES = {f"file{number}": bytes(3000) for number in range(10)}


@pytest.mark.parametrize(
    ("limits", "says"),
    [
        (Limits(entries=9), "more than the limit of 9 entries"),
        (Limits(total=20_000), "more than the limit of 20000 bytes"),
        (Limits(path=4), "the limit is 4"),
        (Limits(names=30), "the limit of 30 bytes together"),
    ],
)
def test_the_engines_limits_are_kept(tmp_path: Path, limits: Limits, says: str) -> None:
    """By what is pulled and by what is imported; nothing is left, and what is within them comes in."""
    make_layout(tmp_path / "o", [FILES])
    make_layout(tmp_path / "small", [{"a": b"1"}])
    layer = json.loads(skopeo("inspect", "--raw", f"oci:{tmp_path}/o"))["layers"][0]["digest"]
    with Engine.emulated(limits=limits) as engine:
        before = store(engine)
        with pytest.raises(InvalidArchive, match=f"unable to pull .*{says}"):
            engine.images.pull(f"oci:{tmp_path}/o")
        with pytest.raises(InvalidArchive, match=f"import of .*{says}"):
            engine.images.import_image(str(tmp_path / "o/blobs/sha256" / layer.removeprefix("sha256:")))
        assert store(engine) == before
        assert engine.images.pull(f"oci:{tmp_path}/small")


def test_an_outer_archive_is_within_the_limits(tmp_path: Path, archive: Path) -> None:
    packed = tmp_path / "image.tar.gz"
    with packed.open("wb") as file:
        subprocess.run(["gzip", "-c", archive], stdout=file, check=True)
    with Engine.emulated(limits=Limits(total=8000)) as engine:
        before = store(engine)
        with pytest.raises(InvalidArchive, match=r"image\.tar\.gz: more than the limit of 8000 bytes"):
            engine.images.pull(f"docker-archive:{packed}")
        assert store(engine) == before


def test_a_file_is_read_for_as_long_as_its_caller_stays(engine: Engine, archive: Path) -> None:
    leaves, before = Leaves(), store(engine)
    leaves.left.set()
    with pytest.raises(Cancelled, match="the caller left"):
        engine.images.import_image(str(archive), cancel=leaves)
    assert store(engine) == before


@pytest.mark.needs("docker-registry")
def test_a_registry_without_tls_is_trusted_when_that_is_wished(
    engine: Engine, archive: Path, registry: str, registries_conf: Callable[[str], Path]
) -> None:
    skopeo("copy", "--dest-tls-verify=false", f"docker-archive:{archive}", f"docker://{registry}/plain/app:v1")
    for rule in ("", f'[[registry]]\nprefix = "{registry}/plain"\nlocation = "{registry}/plain"\n'):
        registries_conf(rule)
        with pytest.raises(ErrorOccurred, match="speaks no TLS"):
            engine.images.pull(f"{registry}/plain/app:v1")
        with pytest.raises(ErrorOccurred, match="speaks no TLS"):
            engine.images.search(f"{registry}/app")
        assert contents(engine, engine.images.pull(f"{registry}/plain/app:v1", tls_verify=False)) == WANTED
        (found,) = engine.images.search(f"{registry}/app", tls_verify=False)
        assert found.name == f"{registry}/plain/app"
        engine.images.delete_unused()
