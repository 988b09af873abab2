"""The disk of the root is full: what ends or removes something works, what is new is refused, and nothing is lost.

On a small file system that really is full, emulated and on runc. Each test makes room at its end, and everything goes on in the
same engine.
"""

import json
import os
import shutil
import signal
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from patience import patience, until

from podlink.engine.containers.reconcile import reconcile
from podlink.engine.errors import ContainerNotFound, StorageFull

pytestmark = pytest.mark.needs("root")

LOOP = ("/bin/sh", "-c", "trap 'exit 7' TERM; echo ready; while :; do sleep 0.05; done")
REFUSED = r"podlink\.db: no space is left on its disk; make room there"


def status(container: Any) -> str:
    return str(container.summary().container.status)


def outcome(container: Any) -> tuple[str, int, int]:
    found = container.summary().container
    return found.status, found.exit_code, found.finished_at


def heeding(bench: Any, **fields: Any) -> Any:
    """One that runs and heeds SIGTERM: before it says so, the kernel keeps that signal from a PID 1."""
    container = bench.run(*LOOP, **fields)
    until(lambda: container.logs())
    return container


def test_what_runs_is_paused_killed_stopped_waited_for_and_removed(cramped: Any, disk: Any) -> None:
    web, job, idle = heeding(cramped, name="web"), heeding(cramped, name="job"), cramped.create(*LOOP, name="idle")
    disk.fill()
    assert cramped.engine.system.info().containers == 3
    web.pause()
    assert status(web) == "paused"
    web.unpause()
    assert status(web) == "running"
    web.stop(300)
    assert outcome(web)[:2] == ("exited", 7) and web.wait() == 7
    job.kill(signal.SIGKILL)
    assert job.wait() == 137
    at = outcome(job)[2]
    assert outcome(web)[2] < at == outcome(job)[2]
    web.remove()
    assert sorted(cramped.engine.containers.delete_stopped()) == sorted([job.id, idle.id])
    assert cramped.engine.containers.list() == []
    disk.make_room()
    assert cramped.output("echo", "again") == "again\n"


def test_what_is_new_is_refused_and_leaves_nothing(cramped: Any, disk: Any, busybox_tar: Path) -> None:
    web, other = heeding(cramped, name="web"), cramped.create(*LOOP, name="other")
    disk.fill()
    verbs: dict[str, Callable[[], Any]] = {
        "start": other.start,
        "restart": lambda: web.restart(0),
        "tag": lambda: cramped.engine.images.tag("small", "more"),
        "network": lambda: cramped.engine.networks.create("backend"),
    }
    before = disk.path.stat().st_nlink, sorted(path.name for path in (disk.path / "root").iterdir())
    for name, act in verbs.items():
        with pytest.raises(StorageFull, match=REFUSED):
            act()
        assert (status(web), status(other)) == ("running", "configured"), name
    for act in (
        lambda: cramped.create(*LOOP, name="third"),
        lambda: cramped.engine.images.import_image(str(busybox_tar), "second"),
        lambda: cramped.engine.containers.get("web").commit("third"),
    ):
        with pytest.raises(Exception, match=r"(?i)no space|stay so"):
            act()
    assert before == (disk.path.stat().st_nlink, sorted(path.name for path in (disk.path / "root").iterdir()))
    assert [each.names for each in cramped.engine.host.state.images.all()] == [("docker.io/library/small:latest",)]
    assert len(cramped.engine.host.storage.known()[1]) == 2
    disk.make_room()
    other.start()
    web.restart(0)
    assert (status(web), status(other)) == ("running", "running")


def test_an_image_is_removed_and_that_is_room(cramped: Any, disk: Any) -> None:
    cramped.engine.images.tag("small", "other")
    disk.fill()
    cramped.engine.images.remove("other")
    assert cramped.engine.images.delete_unused() and not cramped.engine.images.list()
    assert cramped.engine.host.storage.known() == ([], []) and shutil.disk_usage(disk.path).free > 2**20
    cramped.engine.host.state.require_room()


def test_what_a_full_disk_keeps_from_the_log_is_told_there_and_in_the_end(cramped: Any, disk: Any) -> None:
    script = "while read n; do seq $n; echo done; done; exit 5"
    container = cramped.run("/bin/sh", "-c", script, name="web", interactive=True)
    with container.attach() as streams:

        def ask(lines: int) -> None:
            text = b""
            streams.send(b"%d\n" % lines)
            while not text.endswith(b"done\n"):
                piece = streams.receive(patience())
                assert piece
                text += piece[1]
            assert text.count(b"\n") == lines + 1

        ask(2)
        disk.fill()
        ask(20_000)
        disk.make_room()
        ask(3)
        streams.end()
        assert container.wait() == 5
    lines = container.logs()
    at = lines.index("[podlink: lines of this log are missing here: no space left on device]\n")
    assert lines[:3] == ["1\n", "2\n", "done\n"] and at < 10_000 and lines[at + 1 :] == ["1\n", "2\n", "3\n", "done\n"]
    assert container.inspect()["State"]["Error"] == "the log is not complete: no space left on device"


def test_an_end_that_found_no_room_is_told_and_written_down_by_the_next_call(cramped: Any) -> None:
    """Somebody else was faster to take what is kept."""
    container = heeding(cramped, name="web")
    with cramped.engine.faults.fail("containers.mark_exited", StorageFull("podlink.db: no space is left on its disk")):
        told = r"container web \([0-9a-f]{12}\) has ended with exit code 7; that is to be written down yet: podlink\.db: no space"
        for verb in (lambda: container.stop(300), container.remove, container.start):
            with pytest.raises(StorageFull, match=told):
                verb()
        found = outcome(container)
        assert container.wait() == 7 and found[:2] == ("exited", 7) and container.inspect()["State"]["ExitCode"] == 7
    container.stop(300)
    assert outcome(container) == found
    container.remove()


def test_an_end_that_found_no_room_is_written_down_by_itself_once_there_is_some(cramped: Any) -> None:
    """Nobody calls anything."""
    state = cramped.engine.host.state.containers
    web, gone = heeding(cramped, name="web"), heeding(cramped, name="gone", rm=True)
    full = StorageFull("podlink.db: no space is left on its disk")
    with cramped.engine.faults.fail("containers.mark_exited", full) as refused:
        for container in (web, gone):
            container.kill(signal.SIGTERM)
        refused.await_struck(6, patience())
        assert {each.status for each in state.all()} == {"running"}
    until(lambda: [(each.name, each.status, each.exit_code) for each in state.all()] == [("web", "exited", 7)])
    assert web.wait() == 7
    until(lambda: "podlink-arrears" not in {thread.name for thread in threading.enumerate()})


def test_a_removal_at_the_exit_that_found_no_room_is_tried_again(cramped: Any) -> None:
    state = cramped.engine.host.state.containers
    gone = heeding(cramped, name="gone", rm=True)
    with cramped.engine.faults.fail("containers.remove", StorageFull("podlink.db: no space is left on its disk")) as refused:
        gone.kill(signal.SIGTERM)
        refused.await_struck(3, patience())
        assert [each.status for each in state.all()] == ["exited"]
    until(lambda: state.all() == [])


@pytest.mark.needs("runc", "overlay")
def test_an_end_is_tried_again_when_an_engine_opens_without_room(cramped_runc: Any) -> None:
    web = heeding(cramped_runc, name="web")
    other = cramped_runc.open()
    with other.faults.fail("containers.mark_exited", StorageFull("podlink.db: no space is left on its disk")):
        cramped_runc.engine.host.arrears.close()
        with cramped_runc.engine.faults.fail("containers.mark_exited", StorageFull("podlink.db: no space")) as refused:
            web.kill(signal.SIGTERM)
            refused.await_struck(1, patience())
            reconcile(other.host)
    until(lambda: other.host.state.containers.get(web.id).status == "exited")
    other.close()


@pytest.mark.needs("runc", "overlay")
def test_an_end_without_an_engine_is_written_down(cramped_runc: Any, disk: Any) -> None:
    web, gone = heeding(cramped_runc, name="web"), heeding(cramped_runc, name="gone", rm=True)
    inits = [each.summary().container.pid for each in (web, gone)]
    disk.fill()
    cramped_runc.engine.close()
    for init in inits:
        os.kill(init, signal.SIGTERM)
    cramped_runc.engine = engine = cramped_runc.open()
    assert engine.containers.get("web").wait() == 7
    with suppress(ContainerNotFound):
        assert engine.containers.get("gone").wait() == 7
    until(lambda: [each.container.name for each in engine.containers.list()] == ["web"])
    engine.containers.get("web").remove()
    disk.make_room()
    assert cramped_runc.output("echo", "again") == "again\n"
    engine.close()
    until(lambda: not cramped_runc.left())  # what the monitors had started was not needed, and goes
    cramped_runc.engine = cramped_runc.open()


@pytest.mark.needs("runc", "overlay")
def test_a_monitor_that_is_killed_leaves_the_truth(cramped_runc: Any, disk: Any) -> None:
    container = heeding(cramped_runc, name="web")
    record = cramped_runc.config.runroot / "containers" / container.id / "process.json"
    who = json.loads(record.read_text())
    disk.fill()
    os.kill(who["monitor"], signal.SIGKILL)
    with suppress(ProcessLookupError):
        os.kill(who["pid"], signal.SIGKILL)
    assert container.wait() == -1
    container.stop()
    assert sorted(path.name for path in cramped_runc.engine.host.directory(container.id).glob("*exit*")) == []
    at = outcome(container)[2]
    state = container.inspect()["State"]
    assert state["Status"] == "exited" and "was not seen" in state["Error"] and outcome(container)[2] == at
    disk.make_room()
    container.start()
    until(lambda: len(container.logs()) == 2)
    container.stop(300)
    assert container.wait() == 7
