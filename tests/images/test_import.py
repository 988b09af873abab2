"""ImportImage: what becomes of a tarball, and that nothing becomes of what is none."""

import bz2
import errno
import functools
import gzip
import hashlib
import json
import lzma
import os
import random
import socket
import threading
from collections.abc import Callable
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import zstandard
from patience import patience
from shelf import MOMENT, Import, Tarball, files, on_disk

from podlink.engine.errors import EngineError, InvalidArchive, InvalidRequest, RegistryFailed, StorageFailed
from podlink.engine.host import Host
from podlink.engine.images.history import HistoryRecord, history
from podlink.engine.images.import_ import import_image
from podlink.engine.images.inspect import inspect_image
from podlink.engine.images.list import ImageSummary, list_images
from podlink.engine.images.lookup import find_image
from podlink.engine.oci.distribution.download import Download
from podlink.engine.oci.image import media_types
from podlink.engine.oci.image.manifest import Manifest
from podlink.engine.state.values import Image
from podlink.engine.storage.content import Writer


def sha256(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def root_of(host: Host, image: Image) -> Path:
    """A root file system of the image, as a container would see it."""
    host.storage.create("f" * 64, [layer.chain for layer in image.layers])
    return host.storage.mount("f" * 64)


@pytest.mark.parametrize("compressed", [False, True])
def test_a_tarball_becomes_an_image_with_one_layer_and_its_blob(host: Host, tarball: Tarball, compressed: bool) -> None:
    path = tarball({"etc/motd": "hello\n"}, compressed)
    image = find_image(host, import_image(host, str(path), "alpine:latest", "a message", ["CMD=/bin/sh", "ENV=A=b"]))
    whole = gzip.decompress(path.read_bytes()) if compressed else path.read_bytes()
    (layer,) = image.layers
    assert (layer.diff_id, layer.blob) == (sha256(whole), sha256(path.read_bytes()))
    assert (layer.chain, layer.blob_size, layer.size) == (
        layer.diff_id.removeprefix("sha256:"),
        path.stat().st_size,
        len("hello\n"),
    )
    assert layer.media_type == (media_types.LAYER_GZIP if compressed else media_types.LAYER_TAR)
    assert on_disk(host) == ({layer.chain}, {layer.blob})
    assert (root_of(host, image) / "etc/motd").read_text() == "hello\n"


def test_the_blob_is_the_tarball_byte_for_byte(host: Host, tarball: Tarball) -> None:
    path = tarball({f"data/{number}": "x" * 100_000 for number in range(30)})
    path.write_bytes(
        path.read_bytes() + b"\0" * 3_000_000
    )  # padding after the end of the archive belongs to the blob, and to the diff ID
    (layer,) = find_image(host, import_image(host, str(path))).layers
    (digest,) = host.content.known()
    with host.content.open(digest) as blob:
        assert blob.read() == path.read_bytes()
    assert layer.diff_id == sha256(path.read_bytes())


def test_configuration_and_manifest_are_of_the_spec_and_known_by_their_digests(host: Host, tarball: Tarball) -> None:
    image = find_image(host, import_image(host, str(tarball()), "alpine", "why", ["LABEL=a=b"]))
    assert sha256(image.config) == f"sha256:{image.id}"
    assert sha256(image.manifest) == image.digest
    manifest = Manifest.parse(image.manifest)
    assert (str(manifest.config.digest), manifest.config.size) == (f"sha256:{image.id}", len(image.config))
    assert [(str(layer.digest), layer.size) for layer in manifest.layers] == [
        (each.blob, each.blob_size) for each in image.layers
    ]
    assert json.loads(image.config) == {
        "architecture": "amd64",
        "config": {"Labels": {"a": "b"}},
        "created": "2026-11-23T08:53:50.664805896Z",
        "history": [
            {
                "comment": "why",
                "created": "2026-11-23T08:53:50.664805896Z",
                "created_by": f"/bin/sh -c #(nop) ADD file:{image.layers[0].chain} in /",
            }
        ],
        "os": "linux",
        "rootfs": {"diff_ids": [image.layers[0].diff_id], "type": "layers"},
    }


@pytest.mark.parametrize(
    ("reference", "names"),
    [
        ("", ()),
        ("alpine", ("docker.io/library/alpine:latest",)),
        ("alpine:3", ("docker.io/library/alpine:3",)),
        ("localhost:5000/a/b", ("localhost:5000/a/b:latest",)),
    ],
)
def test_the_name_is_made_full_and_none_is_no_name(host: Host, tarball: Tarball, reference: str, names: tuple[str, ...]) -> None:
    assert find_image(host, import_image(host, str(tarball()), reference)).names == names


def test_equal_tarballs_share_layer_and_blob_and_are_images_of_their_own(host: Host, imported: Import) -> None:
    first, second = imported("one"), imported("two")
    assert first != second
    assert [len(found) for found in on_disk(host)] == [1, 1]


def test_a_compressed_twin_shares_the_layer_and_names_the_blob_that_is_here(host: Host, tarball: Tarball) -> None:
    plain = find_image(host, import_image(host, str(tarball())))
    packed = find_image(host, import_image(host, str(tarball(compressed=True))))
    assert packed.layers == plain.layers
    assert str(Manifest.parse(packed.manifest).layers[0].digest) == plain.layers[0].blob
    assert on_disk(host) == ({plain.layers[0].chain}, {plain.layers[0].blob})


def test_inspect_tells_all_that_is_true(host: Host, tarball: Tarball) -> None:
    changes = ["CMD=/bin/sh", "ENV=A=b", "EXPOSE=80", "LABEL=unit=test", "USER=bozo:circus", "VOLUME=/data", "WORKDIR=/data/app"]
    image = find_image(host, import_image(host, str(tarball()), "alpine", "hello", changes))
    assert inspect_image(host, "alpine") == {
        "Id": image.id,
        "Digest": image.digest,
        "RepoTags": ["docker.io/library/alpine:latest"],
        "RepoDigests": [f"docker.io/library/alpine@{image.digest}"],
        "Parent": "",
        "Comment": "hello",
        "Created": "2026-11-23T08:53:50.664805896Z",
        "ContainerConfig": {
            "User": "bozo:circus",
            "ExposedPorts": {"80": {}},
            "Env": ["A=b"],
            "Entrypoint": [],
            "Cmd": ["/bin/sh"],
            "Volumes": {"/data": {}},
            "WorkingDir": "/data/app",
            "Labels": {"unit": "test"},
            "StopSignal": "",
        },
        "Version": "",
        "Author": "",
        "Architecture": "amd64",
        "Os": "linux",
        "Size": 6,
        "VirtualSize": 6,
        "GraphDriver": {"Name": "vfs", "Data": {}},
        "RootFS": {"Type": "layers", "Layers": [image.layers[0].diff_id]},
        "Labels": {"unit": "test"},
        "Annotations": {},
        "ManifestType": "application/vnd.oci.image.manifest.v1+json",
    }


def test_list_tells_every_image_newest_first(host: Host, tarball: Tarball, imported: Import) -> None:
    assert list_images(host) == []
    old = imported("alpine")
    new = import_image(host, str(tarball()), changes=["LABEL=a=b"])
    digest = find_image(host, old).digest
    assert list_images(host) == [
        ImageSummary(id=new, names=(), digests=(), created=MOMENT + 10**9, size=6, containers=0, labels={"a": "b"}),
        ImageSummary(
            id=old,
            names=("docker.io/library/alpine:latest",),
            digests=(f"docker.io/library/alpine@{digest}",),
            created=MOMENT,
            size=6,
            containers=0,
            labels={},
        ),
    ]


def test_history_tells_the_import_under_the_images_own_id(host: Host, tarball: Tarball) -> None:
    image = find_image(host, import_image(host, str(tarball()), "alpine", "hello"))
    assert history(host, "alpine") == [
        HistoryRecord(
            id=image.id,
            created=MOMENT,
            created_by=f"/bin/sh -c #(nop) ADD file:{image.layers[0].chain} in /",
            tags=("docker.io/library/alpine:latest",),
            size=6,
            comment="hello",
        )
    ]


ENV = {"created_by": "ENV A=b", "empty_layer": True}
ADD = {"created_by": "ADD"}


@pytest.mark.parametrize(
    ("told", "steps"),
    [
        ([ENV, ADD, ENV], [("ENV A=b", 0), ("ADD", 6), ("ENV A=b", 0)]),
        ([ENV], [("", 6), ("ENV A=b", 0)]),
        ([ADD, ADD], [("ADD", 0), ("ADD", 6)]),
        (None, [("", 6)]),
    ],
    ids=["whole", "a layer untold", "a layer too many", "nothing told"],
)
def test_history_puts_sizes_to_the_steps_that_made_a_layer(
    host: Host, imported: Import, told: list[dict[str, object]], steps: list[tuple[str, int]]
) -> None:
    image = find_image(host, imported())
    content = json.dumps(json.loads(image.config) | {"history": told}).encode()
    twin = replace(image, id=hashlib.sha256(content).hexdigest(), config=content, names=())
    host.state.images.add(twin)
    assert [(step.created_by, step.size) for step in history(host, twin.id)] == steps


def refused(
    host: Host, source: str, kind: type[EngineError], says: str, reference: str = "", changes: tuple[str, ...] = ()
) -> None:
    """The import fails so, and the disk and the state are as they were."""
    before = files(host.config.root)
    with pytest.raises(kind) as caught:
        import_image(host, source, reference, "", changes)
    assert says in str(caught.value)
    assert files(host.config.root) == before
    assert host.state.images.all() == []


def test_what_is_no_file_is_refused_by_name(host: Host, tmp_path: Path) -> None:
    fifo, sock = tmp_path / "fifo", tmp_path / "sock"
    os.mkfifo(fifo)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(os.path.relpath(sock))
        refused(host, str(sock), InvalidRequest, f"{sock} is a socket")
    refused(host, str(fifo), InvalidRequest, f"{fifo} is a FIFO")
    refused(host, str(tmp_path), InvalidRequest, f"{tmp_path} is a directory")
    refused(host, "/dev/null", InvalidRequest, "/dev/null is a device")
    refused(host, str(tmp_path / "none"), InvalidRequest, f"{tmp_path}/none: No such file")
    refused(host, "", InvalidRequest, "not a path")
    refused(host, "a\0b", InvalidRequest, "not a path")
    refused(host, "x" * 5000, InvalidRequest, "File name too long")


@pytest.mark.parametrize(
    "source", ["http://127.0.0.1:1/x.tar", "HTTPS://127.0.0.1:1/x.tar", "http://ada:secret@127.0.0.1:1/x.tar"]
)
def test_a_url_that_gives_nothing_is_told(host: Host, source: str) -> None:
    refused(host, source, RegistryFailed, "server 127.0.0.1:1 can't be reached at 127.0.0.1:1")


def test_a_tarball_at_a_url(host: Host, tarball: Tarball) -> None:
    path = tarball()
    handler = functools.partial(SimpleHTTPRequestHandler, directory=str(path.parent))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever).start()
        try:
            image = import_image(host, f"http://127.0.0.1:{server.server_port}/{path.name}", "web")
        finally:
            server.shutdown()
    assert host.state.images.get(image).layers == host.state.images.get(import_image(host, str(path), "file")).layers


SKIPPED = b"\x50\x2a\x4d\x18\x04\0\0\0note"
"""A frame that zstd's readers pass over (RFC 8878, 3.1.2)."""


@pytest.mark.parametrize(
    ("compress", "media_type", "is_kept"),
    [
        (bytes, media_types.LAYER_TAR, True),
        (gzip.compress, media_types.LAYER_GZIP, True),
        (zstandard.ZstdCompressor().compress, media_types.LAYER_ZSTD, True),
        (lambda data: SKIPPED + zstandard.compress(data), media_types.LAYER_ZSTD, True),
        (bz2.compress, media_types.LAYER_TAR, False),
        (lzma.compress, media_types.LAYER_TAR, False),
    ],
    ids=["plain", "gzip", "zstd", "zstd after a note", "bzip2", "xz"],
)
def test_what_a_layer_is_is_told_by_all_of_its_beginning(
    host: Host, tarball: Tarball, compress: Callable[[bytes], bytes], media_type: str, is_kept: bool
) -> None:
    """However little of it comes at first: a server may send a single byte, and think."""
    plain = tarball().read_bytes()
    sent = compress(plain)

    class Hesitant(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Length", str(len(sent)))
            self.end_headers()
            self.wfile.write(sent[:1])
            came.wait(patience())
            self.wfile.write(sent[1:])

        def log_message(self, format: str, *args: object) -> None: ...

    came = threading.Event()

    def read(download: Download, size: int = -1) -> bytes:
        data = original(download, size)
        came.set()
        return data

    original = Download.read
    with ThreadingHTTPServer(("127.0.0.1", 0), Hesitant) as server, pytest.MonkeyPatch.context() as patch:
        patch.setattr(Download, "read", read)
        threading.Thread(target=server.serve_forever).start()
        try:
            image = find_image(host, import_image(host, f"http://127.0.0.1:{server.server_port}/root"))
        finally:
            server.shutdown()
    (layer,) = image.layers
    assert (layer.media_type, layer.blob) == (media_type, sha256(sent if is_kept else plain))


def test_every_compression_gives_the_same_layer(host: Host, tarball: Tarball) -> None:
    path = tarball()
    plain = path.read_bytes()
    wanted = host.state.images.get(import_image(host, str(path))).layers[0].diff_id
    packed = {
        "bzip2": bz2.compress(plain[:700]) + bz2.compress(plain[700:]),
        "xz": lzma.compress(plain),
        "zstd": zstandard.ZstdCompressor().compress(plain),
    }
    for content in packed.values():
        path.write_bytes(content)
        assert host.state.images.get(import_image(host, str(path))).layers[0].diff_id == wanted


@pytest.mark.parametrize("compress", [bz2.compress, lzma.compress, zstandard.ZstdCompressor().compress])
def test_damage_to_compressed_data_is_told(host: Host, tarball: Tarball, compress: Callable[[bytes], bytes]) -> None:
    path = tarball()
    packed = compress(path.read_bytes() + bytes(5000))
    for broken in (packed[: len(packed) // 2], packed[:60] + b"\0" * 20 + packed[80:]):
        path.write_bytes(broken)
        refused(host, str(path), InvalidArchive, "")


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"hello, I am no tar\n" * 100,
        random.Random(1).randbytes(4096),
        gzip.compress(b"no tar" * 1000),
        b"\x1f\x8b\x08broken",
    ],
    ids=["empty", "text", "noise", "gzipped text", "broken gzip"],
)
def test_what_is_no_tar_is_refused_and_leaves_nothing(host: Host, tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "some.tar"
    path.write_bytes(content)
    refused(host, str(path), InvalidArchive, "")


@pytest.mark.parametrize("compressed", [False, True])
def test_a_tarball_that_was_cut_short_is_refused_and_leaves_nothing(host: Host, tarball: Tarball, compressed: bool) -> None:
    path = tarball({"noise": random.Random(2).randbytes(50_000).hex()}, compressed)
    path.write_bytes(path.read_bytes()[:30_000])
    refused(host, str(path), InvalidArchive, "")


def test_a_wrong_name_or_change_is_refused_before_anything_is_read(host: Host) -> None:
    refused(host, "/nonexistent", InvalidRequest, "capital", reference="Alpine")
    refused(host, "/nonexistent", InvalidRequest, "digest", reference="alpine@sha256:" + "0" * 64)
    refused(host, "/nonexistent", InvalidRequest, "unknown instruction 'ADD'", changes=("ADD=x",))


STEPS = {
    "write": "a full disk while the blob is written",
    "commit": "…when the layer gets its name",
    "add": "…when the row is written",
}


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize(
    "failure", [OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)), KeyboardInterrupt()], ids=["full disk", "interrupt"]
)
def test_an_import_that_fails_leaves_nothing(
    host: Host, tarball: Tarball, monkeypatch: pytest.MonkeyPatch, step: str, failure: BaseException
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise failure

    owner = {"write": Writer, "commit": type(host.storage), "add": type(host.state.images)}[step]
    before = files(host.config.root)
    with monkeypatch.context() as patch, pytest.raises((StorageFailed, KeyboardInterrupt)) as caught:
        patch.setattr(owner, step, fail)
        import_image(host, str(tarball()), "alpine")
    assert isinstance(caught.value, KeyboardInterrupt) or "no space left on device; make room there" in str(caught.value)
    assert files(host.config.root) == before
    assert on_disk(host) == (set(), set())
    assert import_image(host, str(tarball()), "alpine")


def test_a_failed_import_leaves_the_layer_that_another_image_has(
    host: Host, tarball: Tarball, imported: Import, monkeypatch: pytest.MonkeyPatch
) -> None:
    imported()
    before = on_disk(host)

    def fail(*_: object, **__: object) -> None:
        raise StorageFailed("no")

    monkeypatch.setattr(host.state.images, "add", fail)
    with pytest.raises(StorageFailed):
        import_image(host, str(tarball({"etc/motd": "hello\n"})))
    assert on_disk(host) == before
