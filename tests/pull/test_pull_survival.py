"""PullImage where things end badly: the process dies at any step, the disk is full; and where several processes want the same."""

import gzip
import os
import random
import re
import shutil
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from layouts import layer, write_layout
from patience import patience, until

import podlink
from podlink import Engine
from podlink.engine.config import Config
from podlink.engine.errors import ErrorOccurred
from podlink.engine.images.resolve import LAYERS
from podlink.engine.oci.layer import bounds

MIB = 2**20
MOST = 100 * 1024
"""KiB by which a pull may grow, whatever the image's size."""


def noise(size: int) -> bytes:
    """Bytes that no compression makes fewer."""
    return random.Random(size).randbytes(size)


def child(config: Config, place: str, number: int = 0) -> "subprocess.Popen[str]":
    return started("pull_child.py", config.to_text(), place, str(number))


def started(script: str, *words: str) -> "subprocess.Popen[str]":
    """One of the scripts beside this file, in a process of its own."""
    home = str(Path(podlink.__file__).absolute().parent.parent)
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"} | {"PYTHONPATH": home}
    argv = [sys.executable, str(Path(__file__).with_name(script)), *words]
    return subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)


def finished(process: "subprocess.Popen[str]") -> list[str]:
    """What a child that lived has to say."""
    output, complaint = process.communicate(timeout=patience())
    assert process.returncode == 0, complaint
    return output.split()


def lying_about(root: Path) -> list[str]:
    """Whatever is in the store's folders and has no name of its own, or no row that names it."""
    folders = ("blobs/incoming", "blobs/sha256", "vfs/staging", "overlay/staging")
    return [str(path) for folder in folders if (root / folder).is_dir() for path in (root / folder).iterdir()]


def is_empty(engine: Engine) -> bool:
    root = engine.host.config.root
    return not engine.images.list() and engine.host.storage.known()[0] == [] and lying_about(root) == []


CONFIGS = [
    pytest.param("emulator", "vfs", id="vfs"),
    pytest.param("runc", "overlay", id="overlay", marks=pytest.mark.needs("root", "runc", "overlay")),
]


@pytest.mark.parametrize(("runtime", "driver"), CONFIGS)
def test_after_a_crash_at_any_step_the_next_engine_has_all_of_the_image_or_nothing(
    tmp_path: Path, runtime: str, driver: str
) -> None:
    image = write_layout(tmp_path / "o", [layer({"bin/one": b"1", "etc/conf": b"a"}), layer({"etc/conf": b"b"})])
    steps = 0
    while True:
        root = tmp_path / f"root-{steps}"
        config = Config(root=root, runroot=tmp_path / f"run-{steps}", runtime=runtime, storage_driver=driver)
        process = child(config, f"oci:{tmp_path / 'o'}", steps + 1)
        output, complaint = process.communicate(timeout=patience())
        if process.returncode == 0:
            break
        assert process.returncode == -signal.SIGKILL, complaint
        with Engine.open(config) as engine:
            assert is_empty(engine) or [each.id for each in engine.images.list()] == [image], output
            assert engine.images.pull(f"oci:{tmp_path / 'o'}") == image, output
            assert engine.host.state.images.get(image).size == 3
            engine.images.remove(image)
            assert is_empty(engine), output
        steps += 1
    assert steps >= 8


@pytest.mark.parametrize(("runtime", "driver"), CONFIGS)
def test_many_layers_take_no_more_descriptors_than_few(tmp_path: Path, runtime: str, driver: str) -> None:
    """Some for each layer that is fetched or unpacked just now, none for those that wait, or are done."""
    write_layout(tmp_path / "o", [layer({f"file{number}": b"x"}) for number in range(MANY)])
    config = Config(root=tmp_path / "root", runroot=tmp_path / "run", runtime=runtime, storage_driver=driver)
    open_now: list[int] = []
    with Engine.open(config) as engine:
        before = descriptors()
        engine.images.pull(f"oci:{tmp_path / 'o'}", lambda blob, size: open_now.append(descriptors()))
        assert len(open_now) >= MANY and max(open_now) - before < MANY
        until(lambda: descriptors() <= before + 1, "something is left open")
        assert lying_about(config.root) == [str(path) for path in (config.root / "blobs/sha256").iterdir()]


@pytest.mark.parametrize(("runtime", "driver"), CONFIGS)
def test_two_pulls_of_as_many_layers_as_there_may_be_do_with_a_thousand_files(tmp_path: Path, runtime: str, driver: str) -> None:
    images = [
        write_layout(tmp_path / name, [layer({f"file{number}": name.encode()}) for number in range(LAYERS)]) for name in "ab"
    ]
    config = Config(root=tmp_path / "root", runroot=tmp_path / "run", runtime=runtime, storage_driver=driver)
    places = [f"oci:{tmp_path / name}" for name in "ab"]
    *pulled, most = finished(started("two_pulls.py", config.to_text(), *places))
    assert pulled == images and int(most) < 200


MANY = 60


def descriptors() -> int:
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


@pytest.mark.needs("root", "runc", "overlay", "docker-registry", "skopeo")
def test_processes_that_pull_at_once_fetch_each_blob_once(tmp_path: Path, registry: str) -> None:
    """Two images, one of which stands on the other's layers; three processes for each."""
    below = [layer({"bin/one": noise(3 * MIB)}), layer({"two": noise(2 * MIB)})]
    images = {
        "base": write_layout(tmp_path / "base", below),
        "more": write_layout(tmp_path / "more", [*below, layer({"three": b"3"})]),
    }
    for name in images:
        copy(f"oci:{tmp_path / name}:v1", f"docker://{registry}/team/{name}:v1")
    log = tmp_path / "registry" / "log"
    before = len(log.read_text())
    config = Config(root=tmp_path / "root", runroot=tmp_path / "run")
    with Engine.open(config) as engine:
        started = [(name, child(config, f"{registry}/team/{name}:v1")) for name in images for _ in range(3)]
        assert all(finished(process)[0] == images[name] for name, process in started)
        fetched = re.findall(r"\"GET /v2/[^\" ]*/blobs/(sha256:[0-9a-f]{64})", log.read_text()[before:])
        layers = {layer.blob for image in engine.host.state.images.all() for layer in image.layers}
        assert len(layers) == 3
        assert {blob: count for blob, count in Counter(fetched).items() if blob in layers} == dict.fromkeys(layers, 1)
        engine.images.delete_unused()
        assert is_empty(engine)


def copy(source: str, target: str) -> None:
    words = ["skopeo", "--insecure-policy", "copy", "--dest-tls-verify=false", source, target]
    subprocess.run(words, check=True, capture_output=True, timeout=patience())


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 12 MiB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=12m", "tmpfs", folder], check=True)
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", folder], check=True)


@pytest.mark.needs("root")
@pytest.mark.parametrize("what", ["the blob", "the layer", "the second layer"])
def test_a_full_disk_is_told_and_nothing_is_left_on_it(tmp_path: Path, small_disk: Path, what: str) -> None:
    layers = {
        "the blob": [layer({"large": noise(16 * MIB)})],
        "the layer": [layer({"large": bytes(64 * MIB) + b"end", "more": b"x" * 24 * MIB})],
        "the second layer": [layer({"fits": noise(2 * MIB)}), layer({"does not": b"x" * 16 * MIB})],
    }
    write_layout(tmp_path / "large", layers[what])
    small = write_layout(tmp_path / "small", [layer({"bin/one": noise(MIB)})])
    with Engine.emulated(small_disk / "root") as engine:
        with pytest.raises(ErrorOccurred, match=f"unable to pull oci:{tmp_path}/large: .*(?i:no space left|bytes are free)"):
            engine.images.pull(f"oci:{tmp_path}/large")
        assert is_empty(engine)
        assert engine.images.pull(f"oci:{tmp_path}/small") == small


@pytest.mark.needs("root")
@pytest.mark.parametrize("way", ["pull", "import", "archive"])
def test_a_bomb_is_stopped_before_the_disk_is_full(tmp_path: Path, small_disk: Path, way: str) -> None:
    """It is some ten kilobytes, for which there is room enough, and unpacks to more than the disk has."""
    bomb = layer({"zeros": bytes(10 * MIB), "more": bytes(10 * MIB)})
    write_layout(tmp_path / "o", [bomb])
    (tmp_path / "bomb.tar.gz").write_bytes(gzip.compress(bomb))
    least = 4 * MIB
    with Engine.open(
        Config(root=small_disk / "root", runroot=tmp_path / "run", runtime="emulator", storage_driver="vfs")
    ) as engine:
        room, seen, free = bounds.Room.require, [], shutil.disk_usage(small_disk).free

        def note(self: bounds.Room, size: int) -> None:
            seen.append(shutil.disk_usage(small_disk).free)
            room(self, size)

        with pytest.MonkeyPatch.context() as patched, pytest.raises(ErrorOccurred, match=r"no space left for .* are to stay so"):
            patched.setattr(bounds.Room, "require", note)
            match way:
                case "pull":
                    engine.images.pull(f"oci:{tmp_path}/o")
                case "import":
                    engine.images.import_image(str(tmp_path / "bomb.tar.gz"))
                case _:
                    engine.images.pull(f"docker-archive:{tmp_path}/bomb.tar.gz")
        assert 0 < min(seen) < least, "it was not the room that ended"
        assert is_empty(engine) and shutil.disk_usage(small_disk).free > free - MIB // 4


@pytest.mark.needs("root")
def test_files_without_contents_do_not_use_up_the_inodes(tmp_path: Path) -> None:
    """Of bytes there are enough."""
    disk = tmp_path / "disk"
    disk.mkdir()
    write_layout(tmp_path / "o", [layer({f"folder{number % 50}/file{number}": b"" for number in range(6000)})])
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=100m,nr_inodes=60000", "tmpfs", disk], check=True)
    try:
        for number in range(54_500):
            os.mknod(disk / str(number))
        with Engine.emulated(disk / "root") as engine:
            free = os.statvfs(disk).f_favail
            with pytest.raises(
                ErrorOccurred, match=r"no space left for more files: \d+ inodes are free, and 3000 are to stay so"
            ):
                engine.images.pull(f"oci:{tmp_path}/o")
            assert is_empty(engine) and os.statvfs(disk).f_favail > free - 20
    finally:
        subprocess.run(["umount", "-l", disk], check=True)


@pytest.mark.parametrize("compress", [True, False])
def test_memory_does_not_grow_with_the_image(tmp_path: Path, compress: bool) -> None:
    image = write_layout(tmp_path / "o", [layer({"large": bytes(192 * MIB) + noise(8 * MIB)})], compress=compress)
    config = Config(root=tmp_path / "root", runroot=tmp_path / "run", runtime="emulator", storage_driver="vfs")
    pulled, grown = finished(child(config, f"oci:{tmp_path}/o"))
    assert pulled == image and int(grown) < MOST
