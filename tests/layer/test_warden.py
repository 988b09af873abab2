"""Jails are forked from one process, a layer each: what becomes of the others, and of the engine, when one ends badly."""

import io
import os
import signal
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from patience import until
from tars import member, tar

from podlink.engine.config import Limits
from podlink.engine.errors import StorageFailed
from podlink.engine.oci.layer.jails import Jails, jails
from podlink.engine.oci.layer.unpack import unpack
from podlink.engine.oci.layer.whiteouts import Whiteouts

pytestmark = pytest.mark.needs("root")
CONTENT = tar(*[member(f"file{number}", content=b"x" * 70_000) for number in range(30)])


@pytest.fixture
def shared() -> Iterator[Jails]:
    with jails() as made:
        assert made
        yield made
    assert not wardens()


def wardens() -> list[int]:
    return [pid for pid in children(os.getpid()) if "oci.layer.warden" in told(Path(f"/proc/{pid}/cmdline"))]


def children(parent: int) -> list[int]:
    return [int(pid) for task in Path(f"/proc/{parent}/task").iterdir() for pid in told(task / "children").split()]


def told(path: Path) -> str:
    """By /proc; nothing, of a thread or process that has gone meanwhile."""
    try:
        return path.read_text()
    except (FileNotFoundError, ProcessLookupError):
        return ""


class Interrupted(io.BytesIO):
    """A layer, half of which comes before something happens."""

    def __init__(self, content: bytes, happens: Callable[[], None]) -> None:
        super().__init__(content)
        self._happens = happens

    def read(self, size: int | None = -1) -> bytes:
        if self.tell() > len(self.getbuffer()) // 2:
            self._happens()
        return super().read(size)


def kill_the_jail() -> None:
    [warden] = wardens()
    for jail in children(warden):
        os.kill(jail, signal.SIGKILL)


def kill_the_warden() -> None:
    for warden in wardens():
        os.kill(warden, signal.SIGKILL)


def test_many_layers_side_by_side(tmp_path: Path, shared: Jails) -> None:
    folders = [tmp_path / str(number) for number in range(8)]

    def fill(folder: Path) -> int:
        folder.mkdir()
        return unpack(io.BytesIO(CONTENT), folder, Whiteouts.APPLY, None, shared).entries

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(fill, folders)) == [30] * 8
    assert all(len(list(folder.iterdir())) == 30 for folder in folders)


def test_a_jail_that_is_killed_is_told_and_no_other_is_hurt(tmp_path: Path, shared: Jails) -> None:
    with pytest.raises(StorageFailed, match="the process that unpacks was ended by SIGKILL"):
        unpack(Interrupted(CONTENT, kill_the_jail), tmp_path, Whiteouts.APPLY, None, shared)
    assert unpack(io.BytesIO(CONTENT), tmp_path, Whiteouts.APPLY, None, shared).entries == 30


def test_a_stream_that_breaks_off_ends_the_jail(tmp_path: Path, shared: Jails) -> None:
    def breaks() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        unpack(Interrupted(CONTENT, breaks), tmp_path, Whiteouts.APPLY, None, shared)
    [warden] = wardens()
    until(lambda: children(warden) == [])
    assert unpack(io.BytesIO(CONTENT), tmp_path, Whiteouts.APPLY, None, shared).entries == 30


def test_a_warden_that_is_killed_is_told(tmp_path: Path, shared: Jails) -> None:
    with pytest.raises(StorageFailed, match="the process that unpacks was ended by SIGKILL"):
        unpack(Interrupted(CONTENT, kill_the_warden), tmp_path, Whiteouts.APPLY, None, shared)
    with pytest.raises(StorageFailed, match="was ended by SIGKILL"):
        unpack(io.BytesIO(CONTENT), tmp_path, Whiteouts.APPLY, None, shared)


def test_a_directory_that_is_gone_is_told_and_nothing_waits_for_it(tmp_path: Path, shared: Jails) -> None:
    with pytest.raises(FileNotFoundError):
        shared.fill(io.BytesIO(CONTENT), tmp_path / "gone", Whiteouts.APPLY, Limits())
    assert unpack(io.BytesIO(CONTENT), tmp_path, Whiteouts.APPLY, None, shared).entries == 30
