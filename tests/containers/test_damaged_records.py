"""A record of a run that is not what was written costs what it told, and nothing more: no verb, no list, no other container."""

import json
import os
import select
import signal
from pathlib import Path
from typing import Any

import pytest

from podlink.engine.containers.lifecycle import UNSEEN
from podlink.engine.errors import RuntimeFailed
from podlink.engine.runtime import record
from podlink.engine.runtime.exits import Exit
from podlink.engine.runtime.monitor.records import Orders

real_host = pytest.mark.needs("root", "runc", "overlay")
SLEEP = ("sleep", "1000")
DAMAGES = {"empty": b"", "garbage": b"\x00\xff{", "list": b"[]", "object": b"{}"}


def place(real: Any, container: str, name: str) -> Path:
    folder = real.config.root if name == "exit.json" else real.config.runroot
    return Path(folder / "containers" / container / name)


def statuses(engine: Any) -> set[str]:
    """As the list, GetContainer and InspectContainer have it, of `web` and of its neighbour."""
    seen = {each.container.name: str(each.container.status) for each in engine.containers.list()}
    web = engine.containers.get("web")
    assert seen["neighbour"] == "configured"
    return {seen["web"], str(web.summary().container.status), str(web.inspect()["State"]["Status"])}


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("name", ["exit.json", "process.json", "orders.json"])
@real_host
def test_a_damaged_record_stands_in_no_verbs_way(real: Any, name: str, damage: str) -> None:
    real.create("true", name="neighbour", net_mode="none")
    web = real.run(*SLEEP, name="web", net_mode="none", stop_signal=9, cgroup_parent=f"{real.config.cgroup_parent}/own")
    file = place(real, web.id, name)
    file.write_bytes(DAMAGES[damage])
    with real.open() as other:
        assert statuses(other) == statuses(real.engine) == {"running"}
        web.stop(0)
        assert web.wait() == other.containers.get("web").wait() == 137
    if name == "exit.json":
        file.write_bytes(DAMAGES[damage])
    with real.open() as other:
        assert statuses(other) == {"exited"} and other.containers.get("web").wait() == 137
        other.containers.get("web").start()
        file.write_bytes(DAMAGES[damage])
        assert statuses(other) == {"running"}
    web.remove(force=True)
    assert [each.container.name for each in real.engine.containers.list()] == ["neighbour"]
    assert real.engine.host.runtime.known() == []
    for folder in Path("/sys/fs/cgroup").glob(f"*/{real.config.cgroup_parent}/own"):
        folder.rmdir()  # refused where the container's own is still in it


@pytest.mark.parametrize("damage", DAMAGES)
@real_host
def test_an_end_whose_record_is_damaged_was_not_seen(real: Any, damage: str) -> None:
    real.create("true", name="neighbour", net_mode="none")
    web = real.run(*SLEEP, name="web", net_mode="none", stop_signal=9)
    started = json.loads(place(real, web.id, "process.json").read_text())
    real.engine.host.runtime.close()  # the record is for the next engine to find
    kill(started["monitor"])
    kill(started["pid"])
    place(real, web.id, "exit.json").write_bytes(DAMAGES[damage])
    with real.open() as engine:
        row = engine.containers.get("web").summary().container
        assert (row.status, row.exit_code) == ("exited", UNSEEN) and "its end was not seen" in row.error
        assert statuses(engine) == {"exited"} and engine.containers.get("web").wait() == UNSEEN
        engine.containers.get("web").remove(force=True)


def kill(pid: int) -> None:
    """Kill, and wait until it has ended."""
    pidfd = os.pidfd_open(pid)
    signal.pidfd_send_signal(pidfd, signal.SIGKILL)
    assert select.select([pidfd], [], [], 20)[0]
    os.close(pidfd)


@pytest.mark.parametrize("damage", DAMAGES)
@real_host
def test_a_run_without_a_record_in_the_state_is_swept_whatever_its_files_say(real: Any, damage: str) -> None:
    web = real.run(*SLEEP, name="web", net_mode="none", stop_signal=9)
    place(real, web.id, "process.json").write_bytes(DAMAGES[damage])
    pid = web.summary().container.pid
    real.engine.host.state.containers.remove(web.id)
    with real.open() as engine:
        assert engine.containers.list() == [] and engine.host.runtime.known() == []
    assert not Path(f"/proc/{pid}").exists()


@real_host
def test_what_only_the_record_could_tell_is_refused_by_its_path(real: Any) -> None:
    web = real.run(*SLEEP, name="web", net_mode="none", stop_signal=9)
    file = place(real, web.id, "process.json")
    file.write_bytes(b"[]")
    with pytest.raises(RuntimeFailed) as refusal:
        web.pause()
    assert refusal.value.reason.startswith(f"{file} can't be read: ")
    web.remove(force=True)


@pytest.mark.parametrize(
    "text",
    [
        *DAMAGES.values(),
        b"null",
        b"7",
        b'"number"',
        b"[" * 100_000,
        b'{"number": "1", "code": 0, "at": 1}',
        b'{"number": 1, "code": true, "at": 1}',
        b'{"number": 1, "code": 0, "at": 1, "error": null}',
    ],
)
def test_a_record_is_checked_before_it_is_believed(tmp_path: Path, text: bytes) -> None:
    file = tmp_path / "exit.json"
    file.write_bytes(text)
    with pytest.raises(record.Damaged, match=f"^{file} can't be read: "):
        record.read(Exit, file)


def test_a_record_that_is_there_is_read_and_one_that_is_not_is_none(tmp_path: Path) -> None:
    (tmp_path / "exit.json").write_text('{"number": 1, "code": 0, "at": 1, "of a later version": 2}')
    assert record.read(Exit, tmp_path / "exit.json") == Exit(number=1, code=0, at=1)
    assert record.read(Orders, tmp_path / "orders.json") is None
    assert record.read(Orders, tmp_path / "exit.json" / "orders.json") is None
    with pytest.raises(record.Damaged):
        record.read(Exit, tmp_path)
