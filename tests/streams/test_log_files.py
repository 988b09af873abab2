"""A log with a limit: who follows gets every line while the files turn, or is told what is missing; and nobody waits for ever."""

import itertools
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from podlink.engine.runtime.base import Wakeup
from podlink.engine.streams import files, k8s_file, log

AT = 1_795_424_032_567_919_676


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "ctr.log"


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The seconds that writers see. They pass when a test says so."""
    now = [0.0]
    monkeypatch.setattr(files, "time", SimpleNamespace(monotonic=lambda: now[0]))
    return now


class Lines:
    """A container that counts, into a log of small files."""

    def __init__(self, path: Path, limit: int = 1000, kept: int = 2) -> None:
        self.writer = files.Writer(path, k8s_file.Encoder(), limit, kept)
        self.numbers = itertools.count()

    def write(self, count: int) -> None:
        for _ in range(count):
            self.writer.write("stdout", AT, f"{next(self.numbers)}\n".encode())


def follow(path: Path) -> Iterator[list[bytes]]:
    """What is there, and what comes while it is taken."""
    return log.follow(path, Wakeup(), lambda: True)


def texts(batches: Iterator[list[bytes]]) -> list[str]:
    return [line.decode().strip() for batch in batches for line in batch]


def test_files_turn_and_the_oldest_goes(path: Path) -> None:
    lines = Lines(path, kept=3)
    lines.write(500)
    lines.writer.close()
    last = files.numbers(path)[-1]
    assert files.numbers(path) == [last - 1, last] and last > 10
    kept = [int(text) for text in texts(log.read(path))]
    assert kept == list(range(kept[0], 500)) and kept[0] > 0


def test_much_that_comes_at_once_is_as_many_files_as_in_small_pieces(path: Path) -> None:
    lines = Lines(path, kept=3)
    lines.writer.write("stdout", AT, b"".join(f"{number}\n".encode() for number in range(500)))
    lines.writer.write("stdout", AT, b"an end")
    lines.writer.close()
    longest = len(k8s_file.Encoder().encode("stdout", AT, b"499\n"))
    last = files.numbers(path)[-1]
    assert files.numbers(path) == [last - 1, last] and last > 10
    assert all(1000 <= files.numbered(path, number).stat().st_size < 1000 + longest for number in (last - 1, last))
    *kept, end = texts(log.read(path))
    assert [int(text) for text in kept] == list(range(int(kept[0]), 500)) and end == "an end"


@pytest.mark.parametrize(("pieces", "begins"), [(1, [b"x", b"y"]), (30, [b"w", b"w"])])
def test_a_file_begins_with_a_line_unless_none_ends_for_too_long(path: Path, pieces: int, begins: list[bytes]) -> None:
    lines = Lines(path)
    for piece in [b"x" * 1200 + b"\n", b"y" * 700, b"z\n", *[b"w" * (3000 // pieces)] * pieces]:
        lines.writer.write("stdout", AT, piece)
    lines.writer.close()
    kept = [files.numbered(path, number).read_bytes() for number in files.numbers(path)] + [path.read_bytes()]
    assert [text.split(b" ", 3)[3][:1] for text in kept] == begins


def test_a_later_run_goes_on_with_the_numbers(path: Path) -> None:
    for _ in range(2):
        lines = Lines(path)
        lines.write(100)
        lines.writer.close()
    assert len(files.numbers(path)) == 1 and files.numbers(path)[0] > 4


def test_a_follower_that_is_slow_gets_everything(path: Path) -> None:
    lines = Lines(path)
    lines.write(10)
    slow = follow(path)
    first = next(slow)
    lines.write(5000)
    assert len(files.numbers(path)) > 100, "they wait for the follower"
    got = [*first, *(line for batch in slow for line in batch)]
    assert [int(line) for line in got] == list(range(5010))
    lines.write(100)
    assert len(files.numbers(path)) == 1, "nobody reads them any more"


def test_a_follower_that_is_killed_holds_nothing(path: Path) -> None:
    lines = Lines(path)
    lines.write(10)
    slow = follow(path)
    next(slow)
    lines.write(1000)
    slow.close()  # type: ignore[attr-defined]
    lines.write(100)
    assert len(files.numbers(path)) == 1


def test_beyond_the_bound_the_writer_waits_and_then_the_follower_is_told(
    path: Path, monkeypatch: pytest.MonkeyPatch, clock: list[float]
) -> None:
    monkeypatch.setattr(files, "HELD", 10_000)
    lines = Lines(path)
    lines.write(10)
    stuck = follow(path)
    first = next(stuck)
    while not lines.writer.waits():
        lines.write(1)
    files_then = len(files.numbers(path))
    clock[0] += 1000
    assert lines.writer.waits() > 0, "a machine that stood still takes nobody's time"
    asked = clock[0]
    while lines.writer.waits():
        clock[0] += files.LOOK
    assert clock[0] - asked == pytest.approx(files.ALLOWANCE, abs=2 * files.LONGEST), "its time is over"
    while len(files.numbers(path)) >= files_then:
        lines.write(1)
    lines.write(2000)
    assert lines.writer.waits() == 0, "nobody waits again for one that has not moved on"
    assert len(files.numbers(path)) < 20, "the disk stays bounded"
    got = [line.decode() for line in [*first, *(line for batch in stuck for line in batch)]]
    (place,) = [index for index, text in enumerate(got) if text.startswith("[podlink: ")]
    assert "files of this log are missing here" in got[place]
    before, after = [[int(text) for text in part] for part in (got[:place], got[place + 1 :])]
    assert before == list(range(len(before))) and after == list(range(after[0], 2000 + after[-1] - 1999))
    assert after[0] > before[-1] + 1


def test_a_follower_that_reads_on_is_waited_for(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "HELD", 20_000)
    lines = Lines(path)
    lines.write(10)
    reader = follow(path)
    got = next(reader)
    waited = 0
    for _ in range(5000):
        while lines.writer.waits():
            waited += 1
            got += next(reader)
        lines.write(1)
    got += [line for batch in reader for line in batch]
    assert [int(line) for line in got] == list(range(5010)) and waited


def test_what_is_read_once_ends_though_the_log_goes_on(path: Path) -> None:
    lines = Lines(path, limit=0)
    lines.write(10)
    reading = log.read(path)
    lines.write(10)
    first = next(reading)
    lines.write(10)
    assert [int(line) for line in [*first, *(line for batch in reading for line in batch)]] == list(range(20))


def test_a_log_that_somebody_moves_goes_on_in_a_new_file(path: Path) -> None:
    lines = Lines(path, limit=0)
    lines.write(10)
    reader = follow(path)
    got = next(reader)
    lines.write(10)
    path.rename(path.with_name("moved.log"))
    lines.write(10)
    lines.writer.reopen()
    lines.write(10)
    got += [line for batch in reader for line in batch]
    assert [int(line) for line in got] == list(range(40))


def test_a_log_elsewhere_rings_where_its_followers_watch(tmp_path: Path) -> None:
    (tmp_path / "here").mkdir()
    keeping = log.Keeping(path=str(tmp_path / "elsewhere.log"))
    before = (tmp_path / "here").stat().st_mtime_ns
    writer = log.writer(keeping, tmp_path / "here")
    writer.write("stdout", AT, b"text\n")
    writer.close()
    assert (tmp_path / "here").stat().st_mtime_ns > before and not list((tmp_path / "here").iterdir())
    assert texts(log.read(tmp_path / "elsewhere.log")) == ["text"]
