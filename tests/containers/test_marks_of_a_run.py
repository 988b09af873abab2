"""What a run leaves for others to find: the monitor's PID, and the mark by which programs see that they are in a container."""

import os
from pathlib import Path
from typing import Any

import pytest

from podlink.engine.errors import InvalidRequest, RuntimeFailed

LOOP = ("/bin/sh", "-c", "while :; do sleep 0.1; done")


def test_the_monitor_leaves_its_pid_where_it_was_asked_to(bench: Any, tmp_path: Path) -> None:
    path = tmp_path / "monitor.pid"
    path.write_text("4194304\n")
    container = bench.run(*LOOP, conmon_pidfile=str(path))
    monitor, init = int(path.read_text()), container.summary().container.pid
    if bench.runtime == "emulator":
        assert monitor == os.getpid()
    else:
        assert f"PPid:\t{monitor}\n" in Path(f"/proc/{init}/status").read_text()
    container.kill(9)
    container.wait()
    container.remove()
    assert path.read_text() == str(monitor)
    assert [each.name for each in tmp_path.glob("*monitor.pid*")] == ["monitor.pid"]


@pytest.mark.parametrize("path", ["relative", "/nowhere/at/all", "/tmp", "/tmp/a\0b"])
def test_a_file_for_the_pid_that_can_not_be_is_refused(bench: Any, path: str) -> None:
    with pytest.raises(InvalidRequest, match="conmon_pidfile: "):
        bench.create("true", conmon_pidfile=path)


def test_a_start_whose_pid_can_not_be_written_leaves_nothing(bench: Any, tmp_path: Path) -> None:
    folder = tmp_path / "gone"
    folder.mkdir()
    container = bench.create(*LOOP, conmon_pidfile=str(folder / "pid"))
    folder.rmdir()
    with pytest.raises(RuntimeFailed, match=r"conmon_pidfile: .*can't be written"):
        container.start()
    assert container.summary().container.status == "configured"
    folder.mkdir()
    container.start()
    assert (folder / "pid").exists()


@pytest.mark.parametrize("kept", ["root:x:0:0:root:/root:/bin/sh\n", "7 dwarfs", "1" * 17])
def test_a_file_that_holds_no_pid_is_not_written_over(bench: Any, tmp_path: Path, kept: str) -> None:
    path = tmp_path / "precious"
    path.write_text(kept)
    container = bench.create(*LOOP, conmon_pidfile=str(path))
    with pytest.raises(RuntimeFailed, match="what is there is no pid; move it away"):
        container.start()
    assert path.read_text() == kept and container.summary().container.status == "configured"
    path.write_text("")
    container.start()
    assert int(path.read_text()) > 0


def test_a_link_or_a_device_is_not_replaced_by_a_pid(bench: Any, tmp_path: Path) -> None:
    (link := tmp_path / "link").symlink_to(os.devnull)
    os.mkfifo(pipe := tmp_path / "pipe")
    for path in (link, pipe):
        with pytest.raises(RuntimeFailed, match="what is there is no pid"):
            bench.create(*LOOP, conmon_pidfile=str(path)).start()
    assert link.is_symlink() and pipe.is_fifo()


def test_programs_see_that_they_are_in_a_container(bench: Any) -> None:
    script = "test -f /run/.containerenv && cat /run/.containerenv"
    assert bench.output("/bin/sh", "-c", f"{script} && echo there") == "there\n"
    container = bench.run("/bin/sh", "-c", script, name="known", privileged=True)
    container.wait()
    lines = "".join(container.logs()).splitlines()
    assert lines[0].startswith('engine="podlink-') and lines[1:3] == ['name="known"', f'id="{container.id}"']
    assert lines[3] == 'image="small"' and lines[5] == "rootless=0"


def test_the_mark_is_no_change_of_the_containers(bench: Any) -> None:
    container = bench.run("true", tmpfs=[])
    container.wait()
    assert [change.path for change in container.changes()] == []


@pytest.mark.needs("root", "runc", "overlay", "idmapped")
def test_the_mark_is_there_where_run_is_in_memory_and_belongs_to_root(real: Any) -> None:
    script = "stat -c '%u %a' /run/.containerenv"
    assert real.output("/bin/sh", "-c", script, tmpfs=["/run"]) == "0 644\n"
    assert real.output("/bin/sh", "-c", script, uidmap=["0:100000:65536"]) == "0 644\n"
    assert real.output("/bin/sh", "-c", script, readonly_rootfs=True) == "0 644\n"
