"""States in memory and in a file, other processes, and small file systems."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from other_processes import Start, processes
from state_samples import ALPINE, NOW

from podlink.engine.state.db import Database
from podlink.engine.state.migrations import open_database
from podlink.engine.state.state import State


@pytest.fixture(params=["memory", "file"])
def state(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[State]:
    """An empty state, whose clock stands still."""
    in_file = request.param == "file"
    opened = State.open(tmp_path / "podlink.db" if in_file else None, tmp_path / "locks" if in_file else None, now=lambda: NOW)
    yield opened
    opened.close()


@pytest.fixture
def alpine(state: State) -> State:
    """A state with an image, so that containers can be added."""
    state.images.add(ALPINE)
    return state


@pytest.fixture
def tables(file: Path) -> Iterator[Database]:
    """The database of a state with the image in it."""
    database = open_database(file)
    yield database
    database.close()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A state file with the image in it, closed."""
    opened = State.open(tmp_path / "podlink.db", None)
    opened.images.add(ALPINE)
    opened.close()
    return tmp_path / "podlink.db"


@pytest.fixture
def start() -> Iterator[Start]:
    """Run a function of `state_workers` in a process of its own; the answer is the process and our end of its pipe."""
    with processes() as run:
        yield run


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 1 MiB. For tests that need root."""
    folder = tmp_path / "disk"
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "podlink-test", folder], check=True)
    yield folder
    subprocess.run(["umount", folder], check=True)
