"""Full disks, crashes and other processes: what was acknowledged is there, and nothing else."""

import io
import os
import random
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from hashlib import sha256
from pathlib import Path

import pytest

from podlink.engine.errors import StorageFailed
from podlink.engine.linux import mounts
from podlink.engine.storage.content import Content
from podlink.engine.storage.driver import StorageDriver
from podlink.engine.storage.layers import unpack_layer
from podlink.engine.testing.faults import Tripwire
from podlink.engine.testing.storage import CONTAINER, Depot, archive, listing

Make = Callable[[Path], StorageDriver]
CHANGES = ("os.rename", "os.mkdir", "os.remove", "os.rmdir", "os.symlink", "os.link", "os.chmod", "os.chown", "os.truncate")
"""Audit events of system calls that change a directory: places to die."""


@contextmanager
def small_disk(place: Path, options: str) -> Iterator[Path]:
    """A file system in memory with little room."""
    path = place / "small"
    path.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", path], check=True)
    try:
        yield path
    finally:
        subprocess.run(["umount", path], check=True)


def fill(path: Path) -> None:
    """Take what room there is, in bytes or in files."""
    with suppress(OSError), (path / "ballast").open("wb", buffering=0) as file:
        while file.write(bytes(4096)):
            pass
    with suppress(OSError):
        for number in range(10_000):
            (path / f"ballast{number}").touch()


def in_staging(root: Path) -> list[str]:
    return [path.name for path in (root / "staging").iterdir()]


@pytest.mark.needs("root")
def test_a_layer_that_does_not_fit_is_refused_and_leaves_nothing(make: Make, place: Path) -> None:
    with small_disk(place, "size=2m") as small:
        driver = make(small / "storage")
        depot = Depot(driver, lambda: driver)
        kept = depot.layer("kept", {"a": b"1"})
        with pytest.raises(StorageFailed, match="no space left"):
            unpack_layer(driver, (), io.BytesIO(archive({"big": os.urandom(4 * 2**20)})))
        assert driver.known() == ([kept], []) and in_staging(small / "storage") == []
        assert depot.layer("next", {"b": b"2"})
        driver.close()


@pytest.mark.needs("root")
@pytest.mark.parametrize("options", ["size=400k", "size=4m,nr_inodes=60"], ids=["bytes", "files"])
def test_on_a_full_disk_nothing_is_begun_and_anything_can_be_removed(make: Make, place: Path, options: str) -> None:
    with small_disk(place, options) as small:
        driver = make(small / "storage")
        depot = Depot(driver, lambda: driver)
        layer = depot.layer("layer", {"d": None, "d/a": bytes(90_000)})
        driver.create(CONTAINER, [layer])
        driver.mount(CONTAINER)
        fill(small)
        other = sha256(b"other").hexdigest()
        for begin in (lambda: driver.create(other, [layer]), lambda: driver.discard(driver.stage([layer]))):
            with suppress(StorageFailed):  # a tmpfs has room for empty directories when its bytes are gone
                begin()
        driver.delete(other)
        assert in_staging(small / "storage") == [] and driver.known() == ([layer], [CONTAINER])
        driver.delete(CONTAINER)
        driver.remove(layer)
        assert in_staging(small / "storage") == [] and driver.known() == ([], [])
        driver.close()


@pytest.mark.needs("root")
def test_a_blob_that_does_not_fit_is_refused_and_leaves_nothing(place: Path) -> None:
    with small_disk(place, "size=256k") as small:
        content = Content(small / "blobs")
        writer = content.writer()
        with pytest.raises(StorageFailed, match="no space left"):
            for _ in range(1000):
                writer.write(os.urandom(1000))
            content.commit({writer.digest(): writer})
        writer.discard()
        writer.discard()
        assert content.known() == [] and list((small / "blobs/incoming").iterdir()) == []
        again = content.writer()
        again.write(b"fits")
        content.commit({again.digest(): again})
        assert content.has(again.digest())


def live(driver: StorageDriver, said: Callable[[str], object]) -> None:
    """The life of a layer and a container; what is done is said."""
    depot = Depot(driver, lambda: driver)
    base = sha256(b"base").hexdigest()
    top = depot.layer("top", {"b": b"2", "d": None, "d/c": b"3"}, base)
    said("committed")
    driver.create(CONTAINER, [base, top])
    said("created")
    (driver.mount(CONTAINER) / "written").write_bytes(b"w")
    said("mounted")
    driver.unmount(CONTAINER)
    said("unmounted")
    driver.status()
    driver.delete(CONTAINER)
    said("deleted")
    driver.remove(top)
    said("removed")


def die_at(step: int, make: Make, root: Path) -> tuple[bool, str]:
    """Live in a child that is killed at this step: whether it was, and the last thing that it said."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        with suppress(BaseException):
            counted = 0

            def told(name: str) -> None:
                nonlocal counted
                counted += 1
                if counted == step:
                    os.kill(os.getpid(), signal.SIGKILL)

            sys.addaudithook(lambda event, _: told(event) if event in CHANGES else None)
            driver: StorageDriver = Tripwire(make(root), "storage", told)  # type: ignore[assignment]
            live(driver, lambda word: os.write(writer, f"{word} ".encode()))
            os._exit(0)
        os._exit(1)
    os.close(writer)
    with os.fdopen(reader) as pipe:
        words = ["nothing", *pipe.read().split()]
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert status in (0, -signal.SIGKILL)
    return status != 0, words[-1]


def test_a_kill_at_any_moment_leaves_what_was_acknowledged_and_nothing_half_done(make: Make, place: Path) -> None:
    root = place / "storage"
    driver = make(root)
    base = Depot(driver, lambda: driver).layer("base", {"a": b"1"})
    top = sha256(b"top").hexdigest()
    step, killed, words = 0, True, set()
    while killed:
        step += 1
        killed, word = die_at(step, make, root)
        words.add(word)
        driver.sweep()
        assert in_staging(root) == []
        layers, containers = driver.known()
        assert base in layers and (top in layers or word in ("nothing", "deleted", "removed")), (step, word)
        assert CONTAINER in containers or word not in ("created", "mounted"), (step, word)
        if top in layers:
            assert {"a", "b", "d"} <= set(listing_of(driver, [base, top])), (step, word)
        for container in containers:
            seen = listing(driver.mount(container))
            assert {"a", "b", "d", "d/c"} <= set(seen), (step, word)
            assert "written" in seen or word != "mounted", (step, word)
            driver.delete(container)
        driver.remove(top)
        assert driver.known() == ([base], []) and in_staging(root) == []
        assert mounts.mounted_below(root) == []
    assert step > 40 and words == {"nothing", "committed", "created", "mounted", "unmounted", "deleted", "removed"}
    driver.close()


def listing_of(driver: StorageDriver, layers: list[str]) -> list[str]:
    """What a container over these layers sees."""
    container = sha256(b"another").hexdigest()
    driver.create(container, layers)
    try:
        return listing(driver.mount(container))
    finally:
        driver.delete(container)


def busy(driver: StorageDriver, number: int) -> None:
    """One of several processes: layers that all have, a container of its own, and sweeping all the while."""
    chance = random.Random(number)
    depot = Depot(driver, lambda: driver)
    for turn in range(8):
        base = depot.layer("base", {"a": b"1"})
        layer = depot.layer(f"layer{chance.randrange(3)}", {"b": b"2", ".wh.a": b""}, base)
        container = sha256(f"{number} {turn}".encode()).hexdigest()
        driver.create(container, [base, layer])
        driver.sweep()
        assert listing(driver.mount(container)) == ["b"]
        own = depot.layer(f"own {number}", {"c": b"3"}, base)
        driver.remove(own)
        driver.delete(container)
        driver.sweep()
        driver.status()


def test_processes_that_share_a_root_do_not_get_in_each_other_s_way(make: Make, place: Path) -> None:
    children = []
    for number in range(4):
        if (child := os.fork()) == 0:
            try:
                driver = make(place / "storage")
                busy(driver, number)
                driver.close()
                os._exit(0)
            except BaseException as error:
                os.write(2, f"process {number}: {error!r}\n".encode())
            finally:
                os._exit(1)
        children.append(child)
    assert [os.waitpid(child, 0)[1] for child in children] == [0] * 4
    driver = make(place / "storage")
    layers, containers = driver.known()
    assert 2 <= len(layers) <= 4 and containers == [] and in_staging(place / "storage") == []
    driver.close()


def test_a_layer_that_several_remove_is_gone_once(make: Make, place: Path) -> None:
    driver = make(place / "storage")
    layer = Depot(driver, lambda: driver).layer("layer", {f"d{number}/file": b"" for number in range(200)})
    children = []
    for _ in range(4):
        if (child := os.fork()) == 0:
            try:
                make(place / "storage").remove(layer)
                os._exit(0)
            finally:
                os._exit(1)
        children.append(child)
    assert [os.waitpid(child, 0)[1] for child in children] == [0] * 4
    assert driver.known() == ([], []) and in_staging(place / "storage") == []
    driver.close()
