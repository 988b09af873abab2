"""Both drivers, each in a folder of its own; afterwards nothing is mounted and nothing is half done."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from podlink.engine.linux import mounts
from podlink.engine.storage.driver import StorageDriver
from podlink.engine.storage.overlay import OverlayDriver
from podlink.engine.storage.vfs import VfsDriver
from podlink.engine.testing.storage import CONTAINER, Depot

DRIVERS = [
    pytest.param(VfsDriver, id="vfs"),
    pytest.param(OverlayDriver, id="overlay", marks=pytest.mark.needs("root", "overlay")),
]
Make = Callable[[Path], StorageDriver]


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Path]:
    """A folder for storage. What a test leaves mounted fails it, wherever it is mounted: its text names the folder."""
    yield tmp_path
    left = mounts.mounted_below(tmp_path)
    for path in left:
        mounts.unmount(path)
    elsewhere = [line for line in mounts.MOUNTINFO.read_text().splitlines() if f"{tmp_path}/" in line]
    assert left == [] and elsewhere == []


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
    assert list((place / "storage" / "staging").iterdir()) == []
