"""Logs of containers, by whatever keeps them: what was written is read back, once and as it comes, while files turn."""

import json
import os
import signal
import socket
import struct
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from patience import patience

from podlink import Engine
from podlink.engine.errors import ErrorOccurred, InvalidRequest, NotHonoured, RuntimeFailed
from podlink.engine.runtime.emulator.process import Process
from podlink.engine.streams import files, journal

DRIVERS = ["k8s-file", "json-file"]
ON_DEMAND = "trap '{}; exit 0' USR1; echo ready; while :; do sleep 0.05; done"
"""A script that begins with its work when it is told to, so that nobody follows too late."""
real_host = pytest.mark.needs("root", "runc", "overlay")


def followed(container: Any) -> list[str]:
    return [line for batch in container.follow() for line in batch]


@pytest.mark.parametrize("driver", DRIVERS)
def test_a_log_with_a_limit_keeps_its_newest_part(bench: Any, driver: str) -> None:
    script = "for i in 1 2 3 4 5 6 7 8 9; do seq $((i * 1000)) $((i * 1000 + 999)); done"
    options = ["max-size=20k", "max-file=3"]
    container = bench.create("/bin/sh", "-c", script, log_driver=driver, log_driver_opt=options)
    container.start()
    assert container.wait() == 0
    kept = [int(line) for line in container.logs()]
    assert kept == list(range(kept[0], 10_000)) and kept[0] > 1000
    directory = bench.engine.host.directory(container.id)
    assert len(list(directory.glob("ctr.log*"))) == 3
    assert container.inspect()["HostConfig"]["LogConfig"] == {"Type": driver, "Config": {"max-size": "20480", "max-file": "3"}}


def test_a_json_file_is_in_the_format_of_docker(bench: Any) -> None:
    container = bench.run("/bin/sh", "-c", 'echo "say \\"hello\\""; echo bad >&2; printf end', log_driver="json-file")
    container.wait()
    path = Path(container.inspect()["LogPath"])
    records = [json.loads(line) for line in path.read_text().splitlines()]
    assert {(each["stream"], each["log"]) for each in records} == {
        ("stdout", 'say "hello"\n'),
        ("stderr", "bad\n"),
        ("stdout", "end"),
    }
    assert all(each.keys() == {"log", "stream", "time"} and each["time"].endswith("Z") for each in records)
    container.start()
    container.wait()
    assert sorted(container.logs()) == sorted(['say "hello"\n', "bad\n", "end"] * 2), "a new run goes on with no line of the last"


def test_a_log_is_kept_where_it_was_asked_for(bench: Any, tmp_path: Path) -> None:
    place = tmp_path / "elsewhere.log"
    container = bench.create("/bin/sh", "-c", "echo one; sleep 0.2; echo two", log_driver_opt=[f"path={place}"])
    container.start()
    assert followed(container) == ["one\n", "two\n"] and container.wait() == 0
    assert container.inspect()["LogPath"] == str(place) and b"stdout F one\n" in place.read_bytes()
    container.remove()
    assert place.exists(), "whoever named the place keeps the file"


@pytest.mark.parametrize("driver", ["k8s-file", "json-file"])
@pytest.mark.parametrize("kept", ["root:x:0:0:root:/root:/bin/sh\n", "2026", '{"log"', '{"auths":{}}'])
def test_a_file_that_is_no_log_is_left_alone(bench: Any, tmp_path: Path, driver: str, kept: str) -> None:
    place = tmp_path / "precious"
    place.write_text(kept)
    container = bench.create("echo", "one", log_driver=driver, log_driver_opt=[f"path={place}", "max-size=1"])
    torn = {"k8s-file": "2026", "json-file": '{"log"'}[driver]
    if kept == torn:
        container.start()
        assert container.wait() == 0 and container.logs() == ["one\n"], "what a full disk left of a record is a log's"
        return
    with pytest.raises(RuntimeFailed, match=r"the log can't be opened: .*precious: what is there is no log of this driver"):
        container.start()
    assert place.read_text() == kept and [each.name for each in tmp_path.glob("precious*")] == ["precious"]
    assert container.summary().container.status == "configured"


def test_a_log_is_never_a_pipe_or_a_device(bench: Any, tmp_path: Path) -> None:
    os.mkfifo(pipe := tmp_path / "pipe")
    for path in (str(pipe), "/dev/null"):
        with pytest.raises(InvalidRequest, match="an absolute path of a file in a folder that is there"):
            bench.create("true", log_driver_opt=[f"path={path}"])
    container = bench.create("true", log_driver_opt=[f"path={tmp_path}/later"])
    os.mkfifo(tmp_path / "later")
    with pytest.raises(RuntimeFailed, match="what is there is no log of this driver"):
        container.start()


@pytest.mark.parametrize(
    ("driver", "option", "message"),
    [
        ("", "max-size=big", "log_driver_opt: 'max-size=big' is not of the form max-size=10m"),
        ("", "max-size=0", "max-size=0"),
        ("", "max-file=3", "max-file counts the files that max-size makes"),
        ("", "path=relative", "path=relative"),
        ("", "path=/nowhere/at/all.log", "a folder that is there"),
        ("", "tag=x", "'tag' is no option of a log by k8s-file; known are max-size, max-file, path"),
        ("json-file", "labels=x", "'labels' is no option of a log by json-file"),
        ("none", "max-size=1m", "'max-size' is no option of a log by none; there are none"),
    ],
)
def test_what_is_no_option_of_a_log_is_refused(bench: Any, driver: str, option: str, message: str) -> None:
    with pytest.raises(ErrorOccurred, match="log_driver_opt: ") as refused:
        bench.create("true", log_driver=driver, log_driver_opt=[option])
    assert message in str(refused.value)
    with pytest.raises(InvalidRequest, match="is not a number from 2"):
        bench.create("true", log_driver_opt=["max-size=1m", "max-file=1"])
    assert bench.engine.containers.list() == []


@pytest.fixture
def journal_socket(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[socket.socket]:
    """What stands in for the journal: it listens where the journal is looked for, and understands nothing."""
    monkeypatch.setattr(journal, "SOCKET", tmp_path / "journal")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(str(tmp_path / "journal"))
        listener.settimeout(patience())
        yield listener


def entry(datagram: bytes) -> dict[str, str]:
    """An entry of the native protocol: fields of both forms."""
    found = {}
    while datagram:
        name, _, datagram = datagram.partition(b"\n")
        if b"=" in name:
            name, _, value = name.partition(b"=")
        else:
            (length,) = struct.unpack_from("<Q", datagram)
            value, datagram = datagram[8 : 8 + length], datagram[9 + length :]
        found[name.decode()] = value.decode()
    return found


def test_the_journal_gets_an_entry_for_each_line(bench: Any, journal_socket: socket.socket) -> None:
    script = "echo one; echo two >&2; printf half; read go; echo ' and half'"
    options = {"log_driver": "journald", "log_driver_opt": ["tag=shop"]}
    container = bench.run("/bin/sh", "-c", script, name="web", interactive=True, **options)
    entries = [entry(journal_socket.recv(65536)) for _ in range(3)]
    with container.attach() as streams:
        streams.send(b"go\n")
        entries.append(entry(journal_socket.recv(65536)))
    assert container.wait() == 0
    assert {(each["MESSAGE"], each["PRIORITY"]) for each in entries} == {
        ("one", "6"),
        ("two", "3"),
        ("half", "6"),
        (" and half", "6"),
    }
    assert [each["MESSAGE"] for each in entries if each.get("CONTAINER_PARTIAL_MESSAGE") == "true"] == ["half"]
    for each in entries:
        assert each["CONTAINER_ID_FULL"] == container.id and each["CONTAINER_ID"] == container.id[:12]
        assert (each["CONTAINER_NAME"], each["CONTAINER_TAG"], each["SYSLOG_IDENTIFIER"]) == ("web", "shop", "shop")
    for ask in (container.logs, lambda: next(container.follow())):
        with pytest.raises(ErrorOccurred, match=f"read it there: journalctl CONTAINER_ID_FULL={container.id}"):
            ask()
    assert container.inspect()["LogPath"] == ""
    assert container.inspect()["HostConfig"]["LogConfig"] == {"Type": "journald", "Config": {"tag": "shop"}}
    with pytest.raises(NotHonoured, match="is a template"):
        bench.create("true", log_driver="journald", log_driver_opt=["tag={{.Name}}"])


def test_no_journal_is_said_and_one_that_goes_costs_lines_only(bench: Any, journal_socket: socket.socket) -> None:
    container = bench.create("echo", "unheard", log_driver="journald")
    journal_socket.close()
    journal.SOCKET.unlink()
    container.start()
    assert container.wait() == 0
    assert "the journal has not got all of the log: no such file" in container.inspect()["State"]["Error"]
    with pytest.raises(NotHonoured, match=r"log_driver: journald .* no journal listens at .*; start systemd-journald"):
        bench.create("true", log_driver="journald")


@real_host
@pytest.mark.parametrize("driver", DRIVERS)
def test_a_line_of_ten_megabytes_and_bytes_of_every_kind(real: Any, driver: str) -> None:
    script = "head -c 10000000 /dev/zero | tr '\\0' x; echo; head -c 3000000 /dev/urandom; echo; echo end"
    container = real.run("/bin/sh", "-c", script, log_driver=driver)
    lines = followed(container)
    assert container.wait() == 0
    assert lines[0] == "x" * 10_000_000 + "\n" and lines[-1] == "end\n"
    assert lines == container.logs()
    if driver == "k8s-file":
        stored = Path(container.inspect()["LogPath"]).read_bytes()
        assert len(stored) > 13_000_000 and b"\xff" in stored, "as they came"


@pytest.mark.parametrize("tty", [False, True])
def test_an_emulated_container_is_held_up_for_who_follows_slowly(monkeypatch: pytest.MonkeyPatch, tty: bool) -> None:
    """What is kept for the follower is bounded, and nothing of it is missing: the program waited."""
    monkeypatch.setattr(files, "HELD", 10_000)
    with Engine.emulated() as engine:
        written: list[int] = []
        followed_now = threading.Event()

        def chatter(process: Process) -> None:
            process.write(1, "ready\n")
            followed_now.wait(patience())
            for number in range(120):
                process.write(1, f"{number:0998}\n")
                written.append(number)

        engine.programs["chatter"] = chatter
        image = engine.images.build_from({}, userland=True)
        options = ["max-size=1k", "max-file=2"]
        container = engine.containers.create(image=image, command=["chatter"], tty=tty, log_driver_opt=options)
        container.start()
        batches = container.follow()
        assert [line.strip() for line in next(batches)] == ["ready"]
        followed_now.set()
        got: list[str] = []
        for batch in batches:
            got += batch
            assert len(written) - len(got) < 30
        assert [int(line) for line in got] == list(range(120)) and container.wait() == 0


@real_host
@pytest.mark.parametrize(("driver", "last"), [("k8s-file", 600_000), ("json-file", 100_000)])
def test_a_follower_misses_nothing_while_files_turn(real: Any, driver: str, last: int) -> None:
    container = real.run("/bin/sh", "-c", ON_DEMAND.format(f"seq 1 {last}"), log_driver=driver, log_driver_opt=["max-size=500k"])
    batches = container.follow()
    assert next(batches) == ["ready\n"]
    container.kill(signal.SIGUSR1)
    assert [int(line) for batch in batches for line in batch] == list(range(1, last + 1))
    assert container.wait() == 0
    directory = real.engine.host.directory(container.id)
    assert sum(path.stat().st_size for path in directory.glob("ctr.log*")) < files.HELD + 3 * 500 * 1024
