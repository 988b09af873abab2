"""What befalls monitors and the spawner: killed, flooded, many at once. On a real kernel with runc."""

import json
import os
import signal
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from patience import patience, until

from podlink.engine.state.values import Status

pytestmark = pytest.mark.needs("root", "runc", "overlay")

LOOP = ("/bin/sh", "-c", "trap 'exit 7' TERM; echo ready; while :; do sleep 0.1; done")


def started(bench: Any, container: Any) -> dict[str, Any]:
    """Who runs, as the monitor wrote it down."""
    values: dict[str, Any] = json.loads((bench.config.runroot / "containers" / container.id / "process.json").read_text())
    return values


def spawner_of(monitor: int, runroot: Path) -> list[int]:
    """Processes that run the spawner's program and are no monitors: those that have no session of a monitor's."""
    found = []
    for entry in Path("/proc").iterdir():
        with suppress(OSError):
            if entry.name.isdecimal() and str((entry / "fd" / "2").readlink()) == str(runroot / "monitor.log"):
                found.append(int(entry.name))
    return [pid for pid in found if pid != monitor]


def test_a_monitor_that_is_killed_leaves_the_truth(real: Any) -> None:
    container = real.run(*LOOP)
    who = started(real, container)
    os.kill(who["monitor"], signal.SIGKILL)
    until(lambda: not real.engine.host.runtime.alive(_monitor(who)))
    assert container.summary().container.status is (Status.RUNNING if Path(f"/proc/{who['pid']}").exists() else Status.EXITED)
    with suppress(ProcessLookupError):
        os.kill(who["pid"], signal.SIGKILL)
    assert container.wait() == -1
    state = container.inspect()["State"]
    assert state["Status"] == "exited" and "was not seen" in state["Error"]
    container.start()
    container.stop(300)
    assert container.wait() == 7


def _monitor(who: dict[str, Any]) -> Any:
    from podlink.engine.runtime.base import Process

    return Process(who["monitor"], who["monitor_start"], who["boot"])


def test_signals_that_end_a_host_leave_the_monitor_at_work(real: Any) -> None:
    container = real.run(*LOOP)
    monitor = started(real, container)["monitor"]
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        os.kill(monitor, number)
    container.stop(300)
    assert container.wait() == 7 and container.inspect()["State"]["Error"] == ""


def test_the_monitor_lives_in_a_session_and_a_cgroup_of_its_own(real: Any) -> None:
    container = real.run(*LOOP)
    monitor = started(real, container)["monitor"]
    assert os.getsid(monitor) == monitor
    assert f"/{real.config.cgroup_parent}/monitor" in Path(f"/proc/{monitor}/cgroup").read_text()
    assert Path(f"/proc/{monitor}/cwd").readlink() == Path("/")
    opened = {str(path.readlink()) for path in Path(f"/proc/{monitor}/fd").iterdir()}
    assert not [path for path in opened if path.endswith((".db", ".sock", "engine.lock"))]


def test_a_spawner_that_is_killed_is_replaced(real: Any) -> None:
    first = real.run(*LOOP)
    for pid in spawner_of(started(real, first)["monitor"], real.config.runroot):
        os.kill(pid, signal.SIGKILL)
    second = real.run(*LOOP)
    for container in (first, second):
        container.stop(300)
        assert container.wait() == 7


def test_a_spare_monitor_that_is_killed_is_replaced_and_one_that_waits_ends_with_the_engine(real: Any) -> None:
    first = real.run(*LOOP)
    monitors = {started(real, first)["monitor"]}
    spares: set[int] = set()
    until(lambda: spares.update(waiting(real.config.runroot, monitors)) or spares)
    for pid in spares:
        os.kill(pid, signal.SIGKILL)
    second = real.run(*LOOP)
    monitors.add(started(real, second)["monitor"])
    assert len(monitors - spares) == 2
    real.engine.close()
    until(lambda: set(spawner_of(0, real.config.runroot)) == monitors)
    real.engine = real.open()
    for container in (first, second):
        again = real.engine.containers.get(container.id)
        again.stop(5)
        assert again.wait() == 7


def test_a_monitor_that_is_killed_while_runc_is_at_work_is_replaced_when_runc_has_left(real: Any) -> None:
    host = real.engine.host
    with ThreadPoolExecutor(1) as pool:
        for _ in range(100):
            container = real.create(*LOOP)
            starting = pool.submit(container.start)
            while not (runc := stopped_runc(container.id)) and not starting.done():
                pass
            if runc:
                break
            starting.result()
            container.remove(force=True)
        assert runc, "no start was met under way"
        try:
            monitor = parent(runc)
            os.kill(monitor, signal.SIGKILL)
            until(lambda: parent(runc) != monitor)
            assert not host.runtime.settled(container.id) and not starting.done(), "runc may still bring something to life"
        finally:
            os.kill(runc, signal.SIGCONT)
        starting.result(timeout=patience())
    assert container.summary().container.status is Status.RUNNING
    container.stop(5)
    assert container.wait() == 7 and container.inspect()["State"]["Error"] == ""


def stopped_runc(container: str) -> int:
    """The runc that starts this container, stopped where it is; 0 while there is none."""
    for entry in Path("/proc").iterdir():
        with suppress(OSError):
            words = (entry / "cmdline").read_bytes().split(b"\0") if entry.name.isdecimal() else [b""]
            if words[0].endswith(b"/runc") and words[-2] == container.encode():
                os.kill(int(entry.name), signal.SIGSTOP)
                return int(entry.name)
    return 0


def parent(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


def waiting(runroot: Path, monitors: set[int]) -> set[int]:
    """The processes that have a session of their own, as the spawner has, and are nobody's monitor yet."""
    others = {pid for pid in spawner_of(0, runroot) if os.getsid(pid) == pid} - monitors
    return {pid for pid in others if parent(pid) in others}


def test_a_flood_of_output_is_all_there(real: Any) -> None:
    container = real.run("/bin/sh", "-c", "seq 1 300000; seq 1 100000 >&2")
    followed = [line for batch in container.follow() for line in batch]
    assert container.wait() == 0
    assert sorted(map(int, followed)) == sorted([*range(1, 300_001), *range(1, 100_001)])
    assert sorted(container.logs()) == sorted(followed)


def test_a_child_that_keeps_the_pipe_dies_with_the_container(real: Any) -> None:
    container = real.run("/bin/sh", "-c", "trap '' HUP; sleep 100000 & echo gone")
    until(lambda: container.summary().container.status is Status.EXITED)
    assert container.wait() == 0
    assert container.logs() == ["gone\n"]


def test_thirty_started_at_once_are_all_there(real: Any) -> None:
    containers = [real.create(*LOOP) for _ in range(30)]
    with ThreadPoolExecutor(30) as pool:
        list(pool.map(lambda each: each.start(), containers))
        assert [each.container.status for each in real.engine.containers.list()] == [Status.RUNNING] * 30
        list(pool.map(lambda each: each.stop(300), containers))
    assert {each.container.exit_code for each in real.engine.containers.list()} == {7}


def test_memory_that_runs_out_is_told(real: Any) -> None:
    from podlink.engine.containers.request import ResourceRequest

    hungry = "i=x; while :; do i=$i$i; done"
    container = real.run("/bin/sh", "-c", hungry, resources=ResourceRequest(memory=16 * 2**20))
    assert container.wait() == 137
    assert container.inspect()["State"]["OOMKilled"] is True
