"""The log's records: what goes in comes out, whatever the pieces; and following it without a clock."""

import json
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from patience import patience

from podlink.engine.cancel import NEVER
from podlink.engine.runtime.base import Wakeup
from podlink.engine.streams import files, json_file, k8s_file, log
from podlink.engine.streams.lines import FEW, LONGEST, STREAMS, Decoder

AT = 1_795_424_032_567_919_676
chunks = st.lists(st.tuples(st.sampled_from(STREAMS), st.binary(min_size=1, max_size=40) | st.just(b"\n") | st.just(b"a\nb")))


encode = k8s_file.Encoder().encode


def opened(path: Path, limit: int = 0) -> files.Writer:
    return files.Writer(path, k8s_file.Encoder(), limit)


def everything(path: Path, driver: str = "k8s-file") -> list[bytes]:
    return [line for batch in log.read(path, driver) for line in batch]


def decoded(records: bytes, cuts: int = 1) -> list[bytes]:
    decoder = k8s_file.Decoder()
    size = max(len(records) // cuts, 1)
    lines = [line for start in range(0, len(records), size) for line in decoder.feed(records[start : start + size])]
    return lines + decoder.finish()


def test_a_record_is_a_line_of_the_cri_format() -> None:
    assert encode("stdout", AT, b"text\n") == b"2026-11-23T08:53:52.567919676Z stdout F text\n"
    assert encode("stderr", AT, b"no newline") == b"2026-11-23T08:53:52.567919676Z stderr P no newline\n"
    assert encode("stdout", AT, b"a\n\nb").count(b" stdout F ") == 2
    assert encode("stdout", AT, b"") == b""


@given(chunks, st.integers(1, 50))
def test_each_stream_comes_out_as_it_went_in(written: list[tuple[str, bytes]], cuts: int) -> None:
    records = b"".join(encode(stream, AT, chunk) for stream, chunk in written)
    lines = decoded(records, cuts)
    assert sorted(b"".join(lines)) == sorted(b"".join(chunk for _, chunk in written))
    for line in lines:
        assert line and b"\n" not in line[:-1]
    for stream in STREAMS:
        alone = [(name, chunk) for name, chunk in written if name == stream]
        sent = b"".join(chunk for _, chunk in alone)
        assert decoded(b"".join(encode(name, AT, chunk) for name, chunk in alone), cuts) == split(sent)


def split(text: bytes) -> list[bytes]:
    """By newlines alone: bytes.splitlines would also split at a carriage return."""
    lines = [line + b"\n" for line in text.split(b"\n")]
    return [line for line in [*lines[:-1], lines[-1][:-1]] if line]


def test_a_line_of_ten_megabytes_in_pieces_is_one_line() -> None:
    line = b"x" * 10_000_000 + b"\n"
    records = b"".join(encode("stdout", AT, line[start : start + 65536]) for start in range(0, len(line), 65536))
    assert decoded(records, 100) == [line]


def test_a_line_without_end_is_given_in_pieces() -> None:
    decoder = k8s_file.Decoder()
    pieces = [line for _ in range(400) for line in decoder.feed(encode("stdout", AT, b"x" * 65536))]
    assert [len(piece) for piece in pieces] == [LONGEST]


def test_pieces_of_two_streams_do_not_mix() -> None:
    records = encode("stdout", AT, b"out") + encode("stderr", AT, b"err\n") + encode("stdout", AT, b"put\n")
    assert decoded(records) == [b"err\n", b"output\n"]


def test_what_is_no_record_is_passed_over() -> None:
    assert decoded(b"2026-11-\n" + encode("stdout", AT, b"kept\n") + b"\n2026") == [b"kept\n"]


def test_a_new_run_does_not_go_on_with_the_line_of_the_last_one(tmp_path: Path) -> None:
    for _ in range(2):
        writer = opened(tmp_path / "ctr.log")
        writer.write("stdout", AT, b"a\nprompt")
        writer.close()
    assert everything(tmp_path / "ctr.log") == [b"a\n", b"prompt", b"a\n", b"prompt"]


def test_a_log_that_was_torn_goes_on_after_the_tear(tmp_path: Path) -> None:
    (tmp_path / "ctr.log").write_bytes(encode("stdout", AT, b"one\n") + b"2026-11-23T08")
    writer = opened(tmp_path / "ctr.log")
    writer.write("stdout", AT, b"two\n")
    writer.close()
    assert everything(tmp_path / "ctr.log") == [b"one\n", b"two\n"]


def test_a_full_disk_costs_lines_and_is_told() -> None:
    writer = opened(Path("/dev/full"))
    writer.write("stdout", AT, b"lost\n")
    assert "no space left" in writer.trouble
    writer.close()


@pytest.mark.needs("root")
@pytest.mark.parametrize("driver", log.FILES)
def test_a_log_tells_where_a_full_disk_cost_it_lines(tmp_path: Path, driver: str) -> None:
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=16k", "podlink-test", tmp_path], check=True)
    try:
        (tmp_path / "ballast").write_bytes(bytes(3 * 4096))
        writer = files.Writer(tmp_path / "ctr.log", log.FILES[driver][0]())
        writer.write("stdout", AT, b"before\nbegun")
        for _ in range(3):
            writer.write("stdout", AT, b"x" * 5000 + b"\nlost\n")
        (tmp_path / "ballast").unlink()
        writer.write("stdout", AT, b"after\n")
        writer.close()
        first, begun, *torn, told, last = everything(tmp_path / "ctr.log", driver)
        assert (first, begun[:5], last) == (b"before\n", b"begun", b"after\n") and b"lost\n" not in torn
        assert told == b"[podlink: lines of this log are missing here: no space left on device]\n"
        assert writer.trouble == "the log is not complete: no space left on device"
    finally:
        subprocess.run(["umount", tmp_path], check=True)


def test_a_log_discarded_without_a_line_is_not_there(tmp_path: Path) -> None:
    opened(tmp_path / "ctr.log").discard()
    assert not (tmp_path / "ctr.log").exists()
    (tmp_path / "ctr.log").write_bytes(encode("stdout", AT, b"kept\n"))
    opened(tmp_path / "ctr.log").discard()
    assert everything(tmp_path / "ctr.log") == [b"kept\n"]


def test_a_log_that_is_not_there_has_no_lines(tmp_path: Path) -> None:
    assert everything(tmp_path / "ctr.log") == []


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
    writer = opened(tmp_path / "ctr.log")
    for text in (b"one\n", b"two\n"):
        follower.got.clear()
        writer.write("stdout", AT, text)
        follower.wakeup.notify()
        assert follower.got.wait(patience())
    writer.write("stdout", AT, b"prompt> ")
    follower.wakeup.notify()
    assert follower.seen == [b"one\n", b"two\n"]
    follower.over.set()
    follower.wakeup.notify()
    follower.join(patience())
    writer.close()
    assert follower.seen == [b"one\n", b"two\n", b"prompt> "]


def test_what_is_written_while_the_end_is_asked_for_is_not_lost(tmp_path: Path) -> None:
    writer = opened(tmp_path / "ctr.log")

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
    follower.join(patience())
    assert not follower.is_alive() and leaving.wakes == []


@pytest.mark.parametrize("text", [b"\xff\xfe\n", "käse\n".encode(), b"\r\n", b"a b  c\n", b" \n"])
def test_bytes_stay_as_they_are(text: bytes) -> None:
    assert decoded(encode("stdout", AT, text), 7) == [text]


@given(
    st.lists(st.binary(max_size=20) | st.sampled_from([b"\n", b'\\n"', "\u20ac\n\U0001f433".encode(), b"\xe2\x82", b"\x00\n"]))
)
def test_a_record_of_json_file_is_a_line_in_json(written: list[bytes]) -> None:
    encoder, decoder = json_file.Encoder(), json_file.Decoder()
    records = b"".join(encoder.encode("stdout", AT, chunk) for chunk in written) + encoder.rest()
    text = b"".join(written).decode(errors="replace")
    found = [json.loads(record) for record in records.split(b"\n")[:-1]]
    assert "".join(each["log"] for each in found) == text
    for each in found:
        assert each["log"] and "\n" not in each["log"][:-1]
        assert (each["stream"], each["time"]) == ("stdout", "2026-11-23T08:53:52.567919676Z")
    assert decoder.feed(records) + decoder.finish() == split(text.encode())


def test_a_torn_record_of_json_file_costs_nothing_but_itself() -> None:
    first, torn, last = (json_file.Encoder().encode("stdout", AT, text) for text in (b"first\n", b'[{"torn\n', b"last\n"))
    for size in range(len(torn) - 1):
        assert json_file.Decoder().feed(first + torn[:size] + b"\n" + last) == [b"first\n", b"last\n"], torn[:size]
    for strange in (b"[" * 5000, b"null", b"1,2", b'{"log":1,"stream":"stdout"}', b'{"log":[', b"\xff"):
        assert json_file.Decoder().feed(first + strange + b"\n" + last) == [b"first\n", b"last\n"], strange


short = st.sampled_from(
    [b"", b"a", b"a\r", b"\\", b'"', b"\\n", b"\x00", b"\xff", "\u2028\u20ac".encode(), b'\\n","stream":"stdout']
)
reads = st.lists(
    st.tuples(st.sampled_from(STREAMS), st.lists(short, max_size=4), st.integers(0, 2 * FEW), st.sampled_from([b"", b"rest"]))
)


@pytest.mark.parametrize("driver", log.FILES)
@given(reads, st.integers(1, 20))
def test_many_lines_of_one_read_are_read_as_each_by_itself(
    driver: str, read: list[tuple[str, list[bytes], int, bytes]], cuts: int
) -> None:
    encoder, kind = log.FILES[driver][0](), log.FILES[driver][1]
    one_by_one = type("OneByOne", (kind,), {"_run": lambda self, records: None})
    texts = [(stream, b"".join(line + b"\n" for line in lines * times) + rest) for stream, lines, times, rest in read]
    records = b"".join(encoder.encode(stream, AT + at, text) for at, (stream, text) in enumerate(texts)) + encoder.rest()
    size = max(len(records) // cuts, 1)

    def lines(decoder: log.Decoder) -> list[bytes]:
        found = [line for start in range(0, len(records), size) for line in decoder.feed(records[start : start + size])]
        return found + decoder.finish()

    assert lines(kind()) == lines(one_by_one())


@pytest.mark.parametrize("driver", log.FILES)
@pytest.mark.parametrize("line", [b"123456\n", b'say "\\0"\r\n'])
def test_short_lines_of_one_read_are_not_read_one_by_one(driver: str, line: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    encoder, kind = log.FILES[driver][0](), log.FILES[driver][1]
    records = b"".join(encoder.encode("stdout", AT + read, b"456\n" + 1000 * line + b"123") for read in range(5))
    slow: list[bytes] = []
    monkeypatch.setattr(kind, "_pieces", lambda self, records: slow.extend(records) or iter(()))
    decoder: Decoder = kind()  # type: ignore[assignment]
    assert decoder.feed(records) == 5 * [b"456\n", *1000 * [line]]
    assert [b"123" in record for record in slow] == 5 * [True]  # what is left of each read
