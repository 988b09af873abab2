"""The reserve: on a disk without any room what ends and goes is written down all the same, however much it is, and by whoever."""

import errno
import os
import resource
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from loop_disk import loop_disk
from state_samples import ALPINE, NOW, container

from podlink.engine.errors import StorageFailed, StorageFull
from podlink.engine.linux import portable
from podlink.engine.state.reserve import PIECE, PIECES, Reserve
from podlink.engine.state.state import State
from podlink.engine.state.values import Status

pytestmark = pytest.mark.needs("root")
MANY = 50


TMPFS = [pytest.param("size=20m", id="bytes"), pytest.param("size=20m,nr_inodes=60", id="files")]


@pytest.fixture(params=[*TMPFS, pytest.param("", id="small blocks", marks=pytest.mark.needs("loop"))])
def disk(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Path]:
    """A file system that `fill` fills up; without options ext4 with blocks of a quarter of a page."""
    if not request.param:
        with loop_disk(tmp_path, "ext4", "-b", "1024", size=20 * 2**20) as made:
            yield made
        return
    folder = tmp_path / "disk"
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", request.param, "podlink-test", folder], check=True)
    yield folder
    subprocess.run(["umount", "-l", folder], check=True)


@pytest.fixture
def copying(tmp_path: Path) -> Iterator[Path]:
    """A file system on which what a file owns already helps no write to it."""
    with loop_disk(tmp_path, "btrfs", size=2**27) as made:
        yield made


def fill(disk: Path) -> None:
    """To the last page, and where files are counted to the last one."""
    with suppress(OSError), (disk / "ballast").open("ab", buffering=0) as file:
        while file.write(bytes(4096)):
            pass
    if os.statvfs(disk).f_files < 1000:
        with suppress(OSError):
            for number in range(1000):
                (disk / f"ballast{number}").touch()


def make_room(disk: Path) -> None:
    for path in disk.glob("ballast*"):
        path.unlink()


def run(state: State, number: int) -> str:
    """A container that is in the books as one that runs."""
    row = container(f"{number:04}", f"c{number}")
    state.containers.add(row)
    state.containers.mark_running(row.id, start=1, pid=1, pid_start=1, boot="b", at=NOW)
    return row.id


def end(state: State, id: str) -> None:
    state.containers.mark_status(id, Status.PAUSED)
    state.containers.mark_status(id, Status.RUNNING)
    state.containers.mark_exited(id, start=1, code=3, at=NOW, oom_killed=False, error="", rw_size=0)


def test_what_ends_and_goes_is_written_down_however_much_it_is(disk: Path) -> None:
    state = State.open(disk / "podlink.db", None)
    state.images.add(ALPINE, ["one", "two"])
    rows = [run(state, number) for number in range(MANY)]
    fill(disk)
    for row in rows:
        end(state, row)
    assert {each.exit_code for each in state.containers.all()} == {3}
    with pytest.raises(StorageFull):
        run(state, MANY)
    for row in rows:
        state.containers.remove(row)
    state.images.untag("one")
    assert state.images.remove(ALPINE.id) == list(reversed(ALPINE.layers))
    make_room(disk)
    state.images.add(ALPINE)
    end(state, run(state, MANY))
    assert len(list((disk / "reserve").iterdir())) == PIECES
    state.close()


@pytest.mark.needs("btrfs")
@pytest.mark.parametrize("again", [False, True], ids=["open", "opened anew"])
def test_where_writes_are_copies_a_full_disk_is_told_and_nobody_dies_of_the_mapped_index(copying: Path, again: bool) -> None:
    state = State.open(copying / "podlink.db", None)
    state.images.add(ALPINE)
    rows = [run(state, number) for number in range(10)]
    if again:
        state.close()
    fill(copying)
    if again:
        state = State.open(copying / "podlink.db", None)
    ended = set[str]()
    for row in rows:
        with suppress(StorageFull):
            end(state, row)
            ended.add(row)
    assert again or ended == set(rows), "what is kept is enough for who had the state open"
    with pytest.raises(StorageFull, match=r"podlink\.db: no space is left on its disk; make room there"):
        run(state, 10)
    make_room(copying)
    for row in {*rows} - ended:
        end(state, row)
    assert {each.exit_code for each in state.containers.all()} == {3}
    state.close()


def test_a_state_is_opened_on_a_full_disk(disk: Path) -> None:
    state = State.open(disk / "podlink.db", None)
    state.images.add(ALPINE)
    rows = [run(state, number) for number in range(3)]
    state.close()
    fill(disk)
    state = State.open(disk / "podlink.db", None)
    Reserve(disk / "reserve").give_up()
    fill(disk)  # what was left somebody else was faster to take
    for row in rows:
        end(state, row)
        state.containers.remove(row)
    with pytest.raises(StorageFull, match=r"podlink\.db: no space is left on its disk; make room there"):
        run(state, 3)
    state.close()
    make_room(disk)
    state = State.open(disk / "podlink.db", None)
    run(state, 3)
    state.close()


def test_who_takes_what_is_kept_does_not_take_the_log(disk: Path) -> None:
    state = State.open(disk / "podlink.db", None)
    state.images.add(ALPINE)
    rows = [run(state, number) for number in range(3)]
    Reserve(disk / "reserve").give_up()
    fill(disk)
    for row in rows:
        end(state, row)
        state.containers.remove(row)
    assert not list((disk / "reserve").iterdir())
    make_room(disk)
    state.close()
    assert len(list((disk / "reserve").iterdir())) == PIECES and not (disk / "podlink.db-wal").exists()


@pytest.mark.parametrize("disk", TMPFS, indirect=True)
def test_what_is_kept_is_allocated_and_kept_again_as_far_as_there_is_room(disk: Path) -> None:
    before = shutil.disk_usage(disk).free
    reserve = Reserve(disk / "reserve")
    assert reserve.fill() and reserve.has_more()
    assert before - shutil.disk_usage(disk).free == PIECES * PIECE
    fill(disk)
    assert reserve.fill() and not reserve.has_more()
    reserve.give_up()
    assert shutil.disk_usage(disk).free == PIECES * PIECE
    (disk / "more").write_bytes(bytes(PIECE // 2))
    assert not reserve.fill() and len(list((disk / "reserve").iterdir())) == PIECES - 1
    reserve.give_up()
    (disk / "more").unlink()
    make_room(disk)
    assert reserve.has_more()


def test_of_a_small_disk_it_takes_a_part(small_disk: Path) -> None:
    reserve = Reserve(small_disk / "reserve")
    assert reserve.has_more() and len(list((small_disk / "reserve").iterdir())) == 1


@pytest.mark.parametrize("number", [errno.EDQUOT, errno.EIO], ids=["quota", "another trouble"])
def test_a_quota_that_is_used_up_is_a_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    """SQLite tells it as any failed write, which here is one beyond RLIMIT_FSIZE. Few quotas count for root."""
    state = State.open(tmp_path / "podlink.db", None)
    state.images.add(ALPINE)
    rows = [run(state, number) for number in range(2)]
    before = resource.getrlimit(resource.RLIMIT_FSIZE)

    def refuse(descriptor: int, size: int) -> None:
        raise OSError(number, os.strerror(number))

    def end_of_it() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        monkeypatch.undo()

    monkeypatch.setattr(portable, "allocate", refuse)
    monkeypatch.setattr(state.database._reserve, "give_up", end_of_it)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, before[1]))
    try:
        if number == errno.EDQUOT:
            end(state, rows[0])  # what is kept is given up
            assert resource.getrlimit(resource.RLIMIT_FSIZE) == before
        else:
            with pytest.raises(StorageFailed, match="SQLITE_IOERR_WRITE"):
                end(state, rows[0])
            assert resource.getrlimit(resource.RLIMIT_FSIZE) == (4096, before[1])
    finally:
        end_of_it()
    end(state, rows[1])
    state.close()
