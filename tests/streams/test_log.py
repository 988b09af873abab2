"""The log's records: what goes in comes out, whatever the pieces; and following it without a clock."""

import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from podlink.engine.cancel import NEVER
from podlink.engine.runtime.base import Wakeup
from podlink.engine.streams import log

AT = 1_795_424_032_567_919_676
chunks = st.lists(st.tuples(st.sampled_from(log.STREAMS), st.binary(min_size=1, max_size=40) | st.just(b"\n") | st.just(b"a\nb")))


def decoded(records: bytes, cuts: int = 1) -> list[bytes]:
    decoder = log.Decoder()
    size = max(len(records) // cuts, 1)
    lines = [line for start in range(0, len(records), size) for line in decoder.feed(records[start : start + size])]
    return lines + decoder.finish()


def test_a_record_is_a_line_of_the_cri_format() -> None:
    assert log.encode("stdout", AT, b"text\n") == b"2026-11-23T08:53:52.567919676Z stdout F text\n"
    assert log.encode("stderr", AT, b"no newline") == b"2026-11-23T08:53:52.567919676Z stderr P no newline\n"
    assert log.encode("stdout", AT, b"a\n\nb").count(b" stdout F ") == 2
    assert log.encode("stdout", AT, b"") == b""


@given(chunks, st.integers(1, 50))
def test_each_stream_comes_out_as_it_went_in(written: list[tuple[str, bytes]], cuts: int) -> None:
    records = b"".join(log.encode(stream, AT, chunk) for stream, chunk in written)
    lines = decoded(records, cuts)
    assert sorted(b"".join(lines)) == sorted(b"".join(chunk for _, chunk in written))
    for line in lines:
        assert line and b"\n" not in line[:-1]
    for stream in log.STREAMS:
        alone = [(name, chunk) for name, chunk in written if name == stream]
        sent = b"".join(chunk for _, chunk in alone)
        assert decoded(b"".join(log.encode(name, AT, chunk) for name, chunk in alone), cuts) == split(sent)


def split(text: bytes) -> list[bytes]:
    """By newlines alone: bytes.splitlines would also split at a carriage return."""
    lines = [line + b"\n" for line in text.split(b"\n")]
    return [line for line in [*lines[:-1], lines[-1][:-1]] if line]


def test_a_line_of_ten_megabytes_in_pieces_is_one_line() -> None:
    line = b"x" * 10_000_000 + b"\n"
    records = b"".join(log.encode("stdout", AT, line[start : start + 65536]) for start in range(0, len(line), 65536))
    assert decoded(records, 100) == [line]


def test_a_line_without_end_is_given_in_pieces() -> None:
    decoder = log.Decoder()
    pieces = [line for _ in range(400) for line in decoder.feed(log.encode("stdout", AT, b"x" * 65536))]
    assert [len(piece) for piece in pieces] == [log.LONGEST]


def test_pieces_of_two_streams_do_not_mix() -> None:
    records = log.encode("stdout", AT, b"out") + log.encode("stderr", AT, b"err\n") + log.encode("stdout", AT, b"put\n")
    assert decoded(records) == [b"err\n", b"output\n"]


def test_what_is_no_record_is_passed_over() -> None:
    assert decoded(b"2026-11-\n" + log.encode("stdout", AT, b"kept\n") + b"\n2026") == [b"kept\n"]


def test_a_new_run_does_not_go_on_with_the_line_of_the_last_one(tmp_path: Path) -> None:
    for _ in range(2):
        writer = log.Writer(tmp_path / "ctr.log")
        writer.write("stdout", AT, b"a\nprompt")
        writer.close()
    assert list(log.read(tmp_path / "ctr.log")) == [b"a\n", b"prompt", b"a\n", b"prompt"]


def test_a_log_that_was_torn_goes_on_after_the_tear(tmp_path: Path) -> None:
    (tmp_path / "ctr.log").write_bytes(log.encode("stdout", AT, b"one\n") + b"2026-11-23T08")
    writer = log.Writer(tmp_path / "ctr.log")
    writer.write("stdout", AT, b"two\n")
    writer.close()
    assert list(log.read(tmp_path / "ctr.log")) == [b"one\n", b"two\n"]


def test_a_full_disk_costs_lines_and_is_told() -> None:
    writer = log.Writer(Path("/dev/full"))
    writer.write("stdout", AT, b"lost\n")
    assert "no space left" in writer.trouble
    writer.close()


def test_a_log_discarded_without_a_line_is_not_there(tmp_path: Path) -> None:
    log.Writer(tmp_path / "ctr.log").discard()
    assert not (tmp_path / "ctr.log").exists()
    (tmp_path / "ctr.log").write_bytes(log.encode("stdout", AT, b"kept\n"))
    log.Writer(tmp_path / "ctr.log").discard()
    assert list(log.read(tmp_path / "ctr.log")) == [b"kept\n"]


def test_a_log_that_is_not_there_has_no_lines(tmp_path: Path) -> None:
    assert list(log.read(tmp_path / "ctr.log")) == []


class Following(threading.Thread):
    """A follower of a log that does not exist yet."""

    def __init__(self, path: Path, cancelled: object = NEVER) -> None:
        super().__init__(daemon=True)
        self.path, self.cancelled = path, cancelled
        self.wakeup, self.over, self.seen, self.got = Wakeup(), threading.Event(), [], threading.Event()  # type: ignore[var-annotated]
        self.start()

    def run(self) -> None:
        for batch in log.follow(self.path, self.wakeup, self.over.is_set, self.cancelled):  # type: ignore[arg-type]
            self.seen += batch
            self.got.set()


def test_a_follower_gets_lines_as_they_come_and_a_partial_one_at_the_end(tmp_path: Path) -> None:
    follower = Following(tmp_path / "ctr.log")
    writer = log.Writer(tmp_path / "ctr.log")
    for text in (b"one\n", b"two\n"):
        follower.got.clear()
        writer.write("stdout", AT, text)
        follower.wakeup.notify()
        assert follower.got.wait(5)
    writer.write("stdout", AT, b"prompt> ")
    follower.wakeup.notify()
    assert follower.seen == [b"one\n", b"two\n"]
    follower.over.set()
    follower.wakeup.notify()
    follower.join(5)
    writer.close()
    assert follower.seen == [b"one\n", b"two\n", b"prompt> "]


def test_what_is_written_while_the_end_is_asked_for_is_not_lost(tmp_path: Path) -> None:
    writer = log.Writer(tmp_path / "ctr.log")

    def ended() -> bool:
        writer.write("stdout", AT, b"last words\n")
        return True

    assert list(log.follow(tmp_path / "ctr.log", Wakeup(), ended)) == [[b"last words\n"]]
    writer.close()


class Leaving:
    """A caller who leaves when told to."""

    def __init__(self) -> None:
        self.left, self.wakes = False, list[Callable[[], None]]()

    def is_set(self) -> bool:
        return self.left

    def on_set(self, wake: Callable[[], None]) -> Callable[[], None]:
        self.wakes.append(wake)
        return lambda: self.wakes.remove(wake)


def test_a_follower_who_leaves_is_let_go(tmp_path: Path) -> None:
    leaving = Leaving()
    follower = Following(tmp_path / "ctr.log", leaving)
    while not leaving.wakes:
        follower.join(0.001)
    leaving.left = True
    leaving.wakes[0]()
    follower.join(5)
    assert not follower.is_alive() and leaving.wakes == []


@pytest.mark.parametrize("text", [b"\xff\xfe\n", "käse\n".encode(), b"\r\n", b"a b  c\n", b" \n"])
def test_bytes_stay_as_they_are(text: bytes) -> None:
    assert decoded(log.encode("stdout", AT, text), 7) == [text]
