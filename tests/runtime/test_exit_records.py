"""The exit record has its room before there is an exit."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from podlink.engine.runtime import exits
from podlink.engine.runtime.exits import Exit

pytestmark = pytest.mark.needs("root")

ENDED = Exit(number=2, code=137, at=1_700_000_000_000_000_000, oom_killed=True, error="é" * 5000)
TOLD = Exit(number=2, code=137, at=1_700_000_000_000_000_000, oom_killed=True, error="é" * exits.LONGEST)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """Of three pages."""
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=12k", "podlink-test", tmp_path], check=True)
    yield tmp_path
    subprocess.run(["umount", tmp_path], check=True)


def fill(disk: Path, pages: int) -> None:
    (disk / "ballast").write_bytes(bytes(4096 * pages))


def test_a_record_is_whole_on_a_disk_that_has_become_full(small_disk: Path) -> None:
    exits.write(small_disk, Exit(number=1, code=0, at=1))
    exits.take_room(small_disk)
    fill(small_disk, 1)
    exits.write(small_disk, ENDED)
    assert exits.read(small_disk) == TOLD
    assert sorted(path.name for path in small_disk.iterdir()) == ["ballast", exits.NAME]


def test_where_there_is_no_room_for_a_record_nothing_begins_and_the_last_one_stays(small_disk: Path) -> None:
    exits.write(small_disk, Exit(number=1, code=0, at=1))
    fill(small_disk, 2)
    with pytest.raises(OSError, match="No space left"):
        exits.take_room(small_disk)
    assert sorted(path.name for path in small_disk.iterdir()) == ["ballast", exits.NAME]
    with pytest.raises(OSError, match="No space left"):
        exits.write(small_disk, ENDED)
    assert exits.read(small_disk) == Exit(number=1, code=0, at=1)


def test_the_longest_record_fits_into_its_room(small_disk: Path) -> None:
    exits.write(small_disk, Exit(number=2**63, code=255, at=2**63, error="\ud800\n" * 5000))
    assert (small_disk / exits.NAME).stat().st_size <= exits.LARGEST


def test_room_is_given_back_and_a_record_stays(small_disk: Path) -> None:
    exits.write(small_disk, ENDED)
    exits.take_room(small_disk)
    exits.give_back(small_disk)
    exits.give_back(small_disk)
    assert [each.name for each in small_disk.iterdir()] == [exits.NAME]
    found = exits.read(small_disk)
    assert found and found.code == ENDED.code


def test_of_a_run_that_came_to_nothing_neither_is_left(small_disk: Path) -> None:
    exits.write(small_disk, ENDED)
    exits.take_room(small_disk)
    exits.forget(small_disk)
    exits.forget(small_disk)
    assert list(small_disk.iterdir()) == []
