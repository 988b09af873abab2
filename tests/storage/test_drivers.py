"""Both storage drivers under one contract, and what is each one's own: full disks, crashes, odd places, several processes."""

import io
import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from podlink.engine.errors import StorageFailed
from podlink.engine.storage.driver import StorageDriver
from podlink.engine.storage.layers import unpack_layer
from podlink.engine.storage.overlay import OverlayDriver
from podlink.engine.storage.vfs import VfsDriver
from podlink.engine.testing.storage import CONTAINER, CONTRACT, Clause, Depot, archive, listing

DRIVERS = [
    pytest.param(VfsDriver, id="vfs"),
    pytest.param(OverlayDriver, id="overlay", marks=pytest.mark.needs("root", "overlay")),
]
Make = Callable[[Path], StorageDriver]


def mounts_below(folder: Path) -> list[str]:
    lines = Path("/proc/self/mountinfo").read_text().splitlines()
    return [line.split()[4] for line in lines if line.split()[4].startswith(f"{folder}/")]


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Path]:
    """A folder for storage; afterwards nothing is mounted in it."""
    yield tmp_path
    for path in reversed(mounts_below(tmp_path)):
        subprocess.run(["umount", "-l", path], check=True)


@pytest.fixture(params=DRIVERS)
def make(request: pytest.FixtureRequest) -> Make:
    maker: Make = request.param
    return maker


@pytest.fixture
def depot(make: Make, place: Path) -> Iterator[Depot]:
    made: list[StorageDriver] = []

    def again() -> StorageDriver:
        made.append(make(place / "storage"))
        return made[-1]

    depot = Depot(again(), again)
    yield depot
    depot.driver.delete(CONTAINER)
    for driver in made:
        driver.close()
    assert mounts_below(place) == []
    assert list((place / "storage" / "staging").iterdir()) == []


@pytest.mark.parametrize("clause", CONTRACT, ids=lambda clause: clause.__name__)
def test_the_contract(depot: Depot, clause: Clause) -> None:
    clause(depot)


@pytest.mark.parametrize("name", ["a:b", "a,b", "a\\b", "a b", "é" * 40])
def test_a_root_of_any_name(make: Make, place: Path, name: str) -> None:
    driver = make(place / name)
    depot = Depot(driver, lambda: driver)
    base = depot.layer("base", {"a": b"1"})
    top = depot.layer("top", {"b": b"2"}, base)
    assert listing(depot.root(base, top)) == ["a", "b"]
    driver.delete(CONTAINER)
    driver.close()


def test_a_root_that_is_deep_in_the_tree(make: Make, place: Path) -> None:
    deep = place.joinpath(*["folder" * 8] * 20)
    driver = make(deep)
    depot = Depot(driver, lambda: driver)
    layers: list[str] = []
    for number in range(60):
        layers.append(depot.layer(f"layer{number}", {f"file{number}": b""}, *layers))
    assert len(listing(depot.root(*layers))) == 60
    driver.delete(CONTAINER)
    driver.close()


@pytest.mark.needs("root")
def test_a_full_disk_is_said_and_leaves_nothing_half_done(make: Make, place: Path) -> None:
    small = place / "small"
    small.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", small], check=True)
    try:
        driver = make(small / "storage")
        depot = Depot(driver, lambda: driver)
        kept = depot.layer("kept", {"a": b"1"})
        with pytest.raises(StorageFailed, match=r"[Nn]o space left"):
            unpack_layer(driver, (), io.BytesIO(archive({"big": os.urandom(4 * 2**20)})))
        assert driver.known() == ([kept], []) and list((small / "storage" / "staging").iterdir()) == []
        assert depot.layer("next", {"b": b"2"})
        driver.close()
    finally:
        subprocess.run(["umount", small], check=True)


@pytest.mark.parametrize("steps", range(1, 40, 3))
def test_a_kill_at_any_moment_leaves_what_was_acknowledged_and_nothing_else(make: Make, place: Path, steps: int) -> None:
    """The child is killed at its n-th system call that changes a directory; the next driver sweeps."""
    driver = make(place / "storage")
    depot = Depot(driver, lambda: driver)
    base = depot.layer("base", {"a": b"1"})
    child = os.fork()
    if child == 0:
        counted = 0

        def count(event: str, arguments: tuple[object, ...]) -> None:
            nonlocal counted
            if event in ("os.rename", "os.mkdir", "os.remove", "os.rmdir", "os.symlink"):
                counted += 1
                if counted == steps:
                    os.kill(os.getpid(), signal.SIGKILL)

        try:
            import sys

            sys.addaudithook(count)
            own = Depot(make(place / "storage"), lambda: driver)
            top = own.layer("top", {"b": b"2"}, base)
            own.root(base, top)
            own.driver.unmount(CONTAINER)
            own.driver.delete(CONTAINER)
            own.driver.remove(top)
        finally:
            os._exit(0)
    os.waitpid(child, 0)
    driver.sweep()
    assert list((place / "storage" / "staging").iterdir()) == []
    layers, containers = driver.known()
    assert base in layers
    for container in containers:
        driver.unmount(container)
        assert (driver.mount(container) / "a").read_bytes() == b"1"
        driver.delete(container)
    driver.close()


def test_two_processes_commit_the_same_layer(make: Make, place: Path) -> None:
    children = []
    for _ in range(4):
        if (child := os.fork()) == 0:
            code = 1
            try:
                driver = make(place / "storage")
                for number in range(10):
                    Depot(driver, lambda driver=driver: driver).layer(f"layer{number}", {"a": b"x" * 1000})  # type: ignore[misc]
                driver.close()
                code = 0
            finally:
                os._exit(code)
        children.append(child)
    assert [os.waitpid(child, 0)[1] for child in children] == [0] * 4
    driver = make(place / "storage")
    assert len(driver.known()[0]) == 10 and list((place / "storage" / "staging").iterdir()) == []
    driver.close()


def test_ids_that_are_none_are_refused(depot: Depot) -> None:
    for wrong in ("", "..", "a/b", "A" * 64, "0" * 63):
        with pytest.raises(StorageFailed, match="64 hex digits"):
            depot.driver.has(wrong)
        with pytest.raises(StorageFailed, match="64 hex digits"):
            depot.driver.create(wrong, [])


def test_the_driver_tells_what_it_stands_on(depot: Depot) -> None:
    status = depot.driver.status()
    assert set(status) == {"backing_filesystem", "native_overlay_diff", "supports_d_type"} and all(status.values())
