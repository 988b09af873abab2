"""Archives and folders that are cut off, damaged, or mean harm: a clear error that names them, and nothing is left."""

import http.server
import io
import json
import os
import random
import subprocess
import tarfile
import threading
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from layouts import LAYER, digest, keep, layer, write_layout
from registry_server import Settings, running_registry

from podlink import Engine
from podlink.engine.cancel import Never
from podlink.engine.errors import Cancelled, ErrorOccurred, InvalidArchive, InvalidRequest, StorageFailed
from podlink.engine.images.together import AT_ONCE
from podlink.engine.oci.digest import Digest
from podlink.engine.oci.distribution.client import Client
from podlink.engine.oci.distribution.endpoint import Endpoint


@pytest.fixture
def engine() -> Iterator[Engine]:
    with Engine.emulated() as made:
        yield made


def store(engine: Engine) -> tuple[Any, ...]:
    """All that the store holds, and what lies about in it."""
    host = engine.host
    loose = [path.name for name in ("blobs/incoming", "vfs/staging") for path in (host.config.root / name).iterdir()]
    return host.state.images.all(), host.storage.known()[0], host.content.known(), loose


LAYERS = [layer({"bin/one": b"1" * 3000, "etc/conf": b"a"}), layer({"etc/conf": b"b" * 2000})]


@pytest.fixture
def exported(tmp_path: Path) -> Callable[[str], Path]:
    """An image as an archive of this kind, by our own hand."""

    def make(kind: str) -> Path:
        write_layout(tmp_path / "layout", LAYERS)
        with Engine.emulated() as engine:
            engine.images.pull(f"oci:{tmp_path}/layout")
            image = engine.images.list()[0].id
            engine.images.export(image, f"{kind}:{tmp_path}/{kind}.tar")
        return tmp_path / f"{kind}.tar"

    return make


ARCHIVES = ["docker-archive", "oci-archive"]


@pytest.mark.parametrize("kind", ARCHIVES)
def test_an_archive_that_is_cut_off_anywhere(engine: Engine, exported: Callable[[str], Path], kind: str) -> None:
    path, before = exported(kind), store(engine)
    content = path.read_bytes()
    last = content.rstrip(b"\0")  # what follows is padding, and the archive's end mark
    for size in {0, 1, 511, 512, 513, *range(600, len(last), 997)}:
        path.write_bytes(content[:size])
        with pytest.raises(ErrorOccurred, match=f"unable to pull {kind}:{path}: "):
            engine.images.pull(f"{kind}:{path}")
        assert store(engine) == before


@pytest.mark.parametrize("kind", ARCHIVES)
def test_an_archive_that_is_damaged_anywhere(engine: Engine, exported: Callable[[str], Path], kind: str) -> None:
    """Whatever comes of it is either the image, every byte of it checked, or an error and nothing."""
    path = exported(kind)
    image = engine.images.pull(f"{kind}:{path}")
    engine.images.remove(image, force=True)
    before, content, chance = store(engine), path.read_bytes(), random.Random(7)
    refused = 0
    for _ in range(40):
        damaged = bytearray(content)
        damaged[chance.randrange(len(content))] ^= 1 << chance.randrange(8)
        path.write_bytes(damaged)
        try:
            found = engine.images.pull(f"{kind}:{path}")
        except ErrorOccurred:
            refused += 1
        else:
            assert [row.diff_id for row in engine.host.state.images.get(found).layers] == [digest(each) for each in LAYERS]
            engine.images.remove(found, force=True)
        assert store(engine) == before
    assert refused > 5


def write_tar(path: Path, *members: tuple[str, bytes | str]) -> Path:
    """Files with their contents, and symbolic links with their targets."""
    with tarfile.open(path, "w") as tar:
        for name, content in members:
            entry = tarfile.TarInfo(name)
            if isinstance(content, str):
                entry.type, entry.linkname = tarfile.SYMTYPE, content
                tar.addfile(entry)
            else:
                entry.size = len(content)
                tar.addfile(entry, io.BytesIO(content))
    return path


CONFIG = json.dumps(
    {"architecture": "amd64", "os": "linux", "rootfs": {"type": "layers", "diff_ids": [digest(LAYERS[0])]}}
).encode()


def described(**fields: Any) -> bytes:
    return json.dumps([{"Config": "c.json", "RepoTags": ["example.org/app:1"], "Layers": ["l.tar"], **fields}]).encode()


def test_a_layer_behind_a_link_within_the_archive(engine: Engine, tmp_path: Path) -> None:
    members = [("c.json", CONFIG), ("real.tar", LAYERS[0]), ("id/layer.tar", "../real.tar")]
    path = write_tar(tmp_path / "a.tar", *members, ("manifest.json", described(Layers=["id/layer.tar"])))
    assert engine.images.pull(f"docker-archive:{path}") == digest(CONFIG).removeprefix("sha256:")
    assert engine.images.list()[0].names == ("example.org/app:1",)


HOSTILE = {
    "a link out": ([("l.tar", "../../../etc/passwd")], described()),
    "an absolute link": ([("l.tar", "/etc/passwd")], described()),
    "a link to a link": ([("l.tar", "m.tar"), ("m.tar", "n.tar"), ("n.tar", LAYERS[0])], described()),
    "a link to itself": ([("l.tar", "l.tar")], described()),
    "a path out": ([], described(Layers=["../../etc/passwd"])),
    "an absolute path": ([], described(Layers=["/etc/passwd"])),
    "a configuration out": ([], described(Config="/etc/passwd")),
    "nothing there": ([], described()),
    "no list": ([], b"{}"),
    "no JSON": ([], b"\xff\xfe"),
    "not one": ([], b"[]"),
    "other things": ([], b'[1, "two"]'),
    "other types": ([("l.tar", LAYERS[0])], described(Layers=[1])),
    "two layers too many": ([("l.tar", LAYERS[0])], described(Layers=["l.tar"] * 3)),
    "another layer": ([("l.tar", LAYERS[1])], described()),
    "a name that is none": ([("l.tar", LAYERS[0])], described(RepoTags=["UPPER case"])),
}


@pytest.mark.parametrize("what", HOSTILE)
def test_an_archive_that_means_harm(engine: Engine, tmp_path: Path, what: str) -> None:
    members, manifest = HOSTILE[what]
    path, before = write_tar(tmp_path / "a.tar", ("c.json", CONFIG), *members, ("manifest.json", manifest)), store(engine)
    with pytest.raises(ErrorOccurred, match=f"unable to pull docker-archive:{path}: "):
        engine.images.pull(f"docker-archive:{path}")
    assert store(engine) == before


def test_a_header_as_large_as_the_archive_is_not_read(engine: Engine, tmp_path: Path) -> None:
    entry = tarfile.TarInfo("x")
    entry.type, entry.size = tarfile.XHDTYPE, 40 * 2**20
    path = tmp_path / "a.tar"
    path.write_bytes(entry.tobuf(tarfile.USTAR_FORMAT) + bytes(entry.size))
    with pytest.raises(InvalidArchive, match="header"):
        engine.images.pull(f"docker-archive:{path}")


def members_with_comments(count: int, size: int) -> Iterator[tarfile.TarInfo]:
    for number in range(count):
        entry = tarfile.TarInfo(f"m{number}")
        entry.pax_headers = {"comment": "x" * size}
        yield entry


def test_what_members_say_of_themselves_is_not_kept(engine: Engine, tmp_path: Path) -> None:
    """A megabyte that is compressed to nearly nothing may be hundreds of them."""
    modest, greedy = tmp_path / "modest.tgz", tmp_path / "greedy.tgz"
    for path, count, size in ((modest, 400, 60_000), (greedy, 40, 2**20)):
        with tarfile.open(path, "w:gz", format=tarfile.PAX_FORMAT) as tar:
            for entry in members_with_comments(count, size):
                tar.addfile(entry)
    tracemalloc.start()
    try:
        with pytest.raises(
            InvalidArchive, match=f"{greedy}: tar archive: extended headers of 10485\\d\\d bytes; the limit is 65536"
        ):
            engine.images.pull(f"docker-archive:{greedy}")
        with pytest.raises(InvalidArchive, match=r"manifest\.json is not in it"):
            engine.images.pull(f"docker-archive:{modest}")
        assert tracemalloc.get_traced_memory()[1] < 12 * 2**20
    finally:
        tracemalloc.stop()


def test_names_that_would_fill_memory_are_refused(engine: Engine, tmp_path: Path) -> None:
    path = tmp_path / "a.tgz"
    with tarfile.open(path, "w:gz", format=tarfile.GNU_FORMAT, compresslevel=1) as tar:
        for number in range(4200):
            tar.addfile(tarfile.TarInfo(f"{number:05}/" + "x" * 4000))
    with pytest.raises(InvalidArchive, match=f"{path}: names of more than 16777216 bytes in all"):
        engine.images.pull(f"docker-archive:{path}")


def test_an_image_of_more_layers_than_any_has_is_refused(engine: Engine, tmp_path: Path) -> None:
    write_layout(tmp_path / "layout", [LAYERS[0]] * 257)
    before = store(engine)
    with pytest.raises(InvalidArchive, match="an image of 257 layers; up to 256 are taken"):
        engine.images.pull(f"oci:{tmp_path}/layout")
    assert store(engine) == before


def test_a_blob_has_a_file_from_when_it_is_its_turn(engine: Engine, tmp_path: Path) -> None:
    write_layout(tmp_path / "layout", [layer({"number": f"{number}".encode()}) for number in range(12)])
    incoming = engine.host.config.root / "blobs" / "incoming"
    counts: list[int] = []
    engine.images.pull(f"oci:{tmp_path}/layout", progress=lambda blob, size: counts.append(len(list(incoming.iterdir()))))
    assert min(counts) <= AT_ONCE and list(incoming.iterdir()) == []


def test_what_is_no_file_is_not_waited_for(engine: Engine, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    for path in (tmp_path / "fifo", tmp_path, Path("/dev/zero")):
        with pytest.raises(InvalidRequest):
            engine.images.pull(f"docker-archive:{path}")
    write_layout(tmp_path / "layout", LAYERS)
    blob = next(path for path in (tmp_path / "layout/blobs/sha256").iterdir() if path.stat().st_size > 100)
    blob.unlink()
    os.mkfifo(blob)
    with pytest.raises(ErrorOccurred, match="not there"):
        engine.images.pull(f"oci:{tmp_path}/layout")


class Left(Never):
    def is_set(self) -> bool:
        return True


@pytest.mark.parametrize("place", ["docker-archive", "oci-archive", "oci", "dir"])
def test_who_leaves_during_an_export_leaves_nothing(engine: Engine, tmp_path: Path, place: str) -> None:
    write_layout(tmp_path / "layout", LAYERS)
    image, before = engine.images.pull(f"oci:{tmp_path}/layout"), store(engine)
    (tmp_path / "out").mkdir()
    with pytest.raises(Cancelled):
        engine.images.export(image, f"{place}:{tmp_path}/out/x", cancel=Left())
    assert list((tmp_path / "out").iterdir()) == []
    assert store(engine) == before


@pytest.mark.needs("root")
@pytest.mark.parametrize("place", ["docker-archive", "oci-archive", "oci", "dir"])
def test_a_full_disk_keeps_nothing_of_an_export(engine: Engine, tmp_path: Path, place: str) -> None:
    write_layout(tmp_path / "layout", [layer({"large": random.Random(1).randbytes(2**21)})])
    image, before = engine.images.pull(f"oci:{tmp_path}/layout"), store(engine)
    disk = tmp_path / "disk"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", disk], check=True)
    try:
        with pytest.raises(StorageFailed, match=r"(?i)no space left"):
            engine.images.export(image, f"{place}:{disk}/x")
        assert list(disk.iterdir()) == []
    finally:
        subprocess.run(["umount", disk], check=True)
    assert store(engine) == before


@contextmanager
def serving(folder: Path) -> Iterator[str]:
    """The files of a folder, over HTTP."""

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, format: str, *words: Any) -> None:
            """Nothing."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder))) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def rewritten(folder: Path, change: Callable[[Any], None]) -> None:
    """The layout with another manifest."""
    index = json.loads((folder / "index.json").read_text())
    manifest = json.loads((folder / "blobs/sha256" / index["manifests"][0]["digest"].removeprefix("sha256:")).read_text())
    change(manifest)
    entry = keep(folder, json.dumps(manifest).encode(), index["manifests"][0]["mediaType"])
    (folder / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": [entry]}))


def make_foreign(folder: Path, elsewhere: Path, url: str, honest: bool = True) -> str:
    """Have the second layer of a layout lie elsewhere, or something else there; its digest."""
    moved: list[str] = []

    def move(manifest: Any) -> None:
        found = manifest["layers"][1]
        moved.append(found["digest"])
        blob = folder / "blobs/sha256" / found["digest"].removeprefix("sha256:")
        (elsewhere / "layer").write_bytes(blob.read_bytes() if honest else b"x" * found["size"])
        blob.unlink()
        found.update(mediaType=LAYER.replace("layer.v1", "layer.nondistributable.v1") + "+gzip", urls=[f"{url}/layer"])

    elsewhere.mkdir()
    rewritten(folder, move)
    return moved[0]


@pytest.mark.parametrize("honest", [True, False])
def test_a_foreign_layer_comes_from_where_it_says(
    engine: Engine, tmp_path: Path, registries_conf: Callable[[str], Path], honest: bool
) -> None:
    image = write_layout(tmp_path / "layout", LAYERS)
    with serving(tmp_path / "elsewhere") as url:
        make_foreign(tmp_path / "layout", tmp_path / "elsewhere", url, honest)
        if honest:
            assert engine.images.pull(f"oci:{tmp_path}/layout") == image
        else:
            before = store(engine)
            with pytest.raises(ErrorOccurred, match="unable to pull"):
                engine.images.pull(f"oci:{tmp_path}/layout")
            assert store(engine) == before


@pytest.mark.needs("docker-registry")
def test_a_foreign_layer_is_not_sent_to_a_registry(
    engine: Engine, tmp_path: Path, registries_conf: Callable[[str], Path]
) -> None:
    image = write_layout(tmp_path / "layout", LAYERS)
    with (
        serving(tmp_path / "elsewhere") as url,
        running_registry(tmp_path / "registry", Settings(foreign="^http://127")) as address,
        Client(Endpoint(name=address, host=address, insecure=True)) as client,
    ):
        registries_conf(f'[[registry]]\nlocation = "{address}"\ninsecure = true\n')
        moved = make_foreign(tmp_path / "layout", tmp_path / "elsewhere", url)
        engine.images.push(engine.images.pull(f"oci:{tmp_path}/layout"), f"{address}/app:1")
        (row,) = engine.host.state.images.all()
        assert not client.has_blob("app", Digest.parse(moved))
        assert client.manifest("app", "1").content == row.manifest
        with Engine.emulated() as other:
            assert other.images.pull(f"{address}/app:1") == image


@pytest.mark.parametrize("kind", ["application/vnd.in-toto+json", LAYER + "+gzip+encrypted"])
def test_a_layer_of_another_kind_is_refused_by_its_name(engine: Engine, tmp_path: Path, kind: str) -> None:
    write_layout(tmp_path / "layout", LAYERS)
    rewritten(tmp_path / "layout", lambda manifest: manifest["layers"][0].update(mediaType=kind))
    with pytest.raises(ErrorOccurred, match=kind.replace("+", r"\+")):
        engine.images.pull(f"oci:{tmp_path}/layout")
