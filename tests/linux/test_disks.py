"""What is told of a disk, of files as the kernel writes them and of the disks of this machine."""

import os
from pathlib import Path

import pytest

from podlink.engine.linux import disks


@pytest.fixture
def disk(tmp_path: Path) -> Path:
    (tmp_path / "8:1" / "queue").mkdir(parents=True)
    return tmp_path / "8:1"


@pytest.mark.parametrize(
    ("text", "name"),
    [("none [mq-deadline] kyber bfq\n", "mq-deadline"), ("[none] bfq\n", "none"), ("none\n", "none"), (None, "none")],
)
def test_a_disk_has_one_scheduler_or_none(disk: Path, text: str | None, name: str) -> None:
    if text is not None:
        (disk / "queue" / "scheduler").write_text(text)
    assert disks.scheduler(os.makedev(8, 1), disk.parent) == name


def test_a_partition_is_told_from_a_disk(disk: Path) -> None:
    assert not disks.is_partition(os.makedev(8, 1), disk.parent)
    (disk / "partition").write_text("1\n")
    assert disks.is_partition(os.makedev(8, 1), disk.parent)


def test_every_disk_of_this_machine_is_whole_and_tells_its_scheduler() -> None:
    for path in Path("/sys/block").iterdir():
        major, minor = map(int, (path / "dev").read_text().split(":"))
        assert not disks.is_partition(os.makedev(major, minor)) and disks.scheduler(os.makedev(major, minor))
