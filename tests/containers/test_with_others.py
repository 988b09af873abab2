"""Who waits for a container, and who restarts it while others are at it too. On the emulator and on runc."""

import errno
import os
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any

import pytest
from patience import patience, until

from podlink.engine.containers.reconcile import reconcile
from podlink.engine.containers.start import start
from podlink.engine.containers.stop import stop
from podlink.engine.containers.wait import when_ended
from podlink.engine.errors import ContainerNotFound, InvalidState, StorageFailed
from podlink.engine.state.values import Status

LOOP = ("/bin/sh", "-c", "trap 'exit 7' TERM; echo ready; while :; do sleep 1 & wait; done")
LONG = 300
"""Seconds that nothing takes but a stop that waits for so long."""


def status(container: Any) -> Status:
    return container.summary().container.status


def looping(bench: Any) -> Any:
    container = bench.run(*LOOP)
    until(container.logs)
    return container


def test_waiting_wakes_on_the_exit_and_on_removal(bench: Any) -> None:
    container = looping(bench)
    never_ran = bench.create()
    with ThreadPoolExecutor(24) as pool:
        waiting = [pool.submit(container.wait) for _ in range(20)]
        lost = [pool.submit(never_ran.wait) for _ in range(3)]
        time.sleep(0.1)
        assert not any(each.done() for each in (*waiting, *lost))
        container.stop(LONG)
        never_ran.remove()
        assert [each.result(timeout=patience()) for each in waiting] == [7] * 20
        for each in lost:
            with pytest.raises(ContainerNotFound):
                each.result(timeout=patience())


@pytest.mark.parametrize("way", ["a thread waits", "nobody's thread waits"])
def test_who_waits_is_answered_once_the_host_is_clean(bench: Any, way: str) -> None:
    """While somebody else has the container's lock nothing can be cleaned up, and its end is known all the same."""
    host, container = bench.engine.host, looping(bench)
    answers: SimpleQueue[tuple[Any, Status]] = SimpleQueue()

    def answer(outcome: Any) -> None:
        answers.put((outcome, host.state.containers.get(container.id).status))

    with ThreadPoolExecutor(1) as pool:
        if way == "a thread waits":
            pool.submit(lambda: answer(container.wait()))
        else:
            when_ended(host, container.id, answer)
        with host.state.locks.hold(container.id):
            host.runtime.signal(container.id, host.runtime.running(container.id)[1], signal.SIGKILL)
            until(lambda: host.runtime.exit_of(host.directory(container.id)))
            with suppress(Empty):
                assert answers.get(timeout=0.2) is None, "an answer before its time"
        assert answers.get(timeout=patience()) == (137, Status.EXITED)


@pytest.mark.parametrize("runs", [True, False], ids=["runs", "has exited"])
def test_a_restart_is_content_with_a_start_by_somebody_else(bench: Any, monkeypatch: pytest.MonkeyPatch, runs: bool) -> None:
    host, container = bench.engine.host, looping(bench)
    if not runs:
        container.stop(LONG)

    def start_after_somebody_else(host: Any, name: str) -> str:
        if not started:
            started.append(start(host, name))
        return start(host, name)

    started: list[str] = []
    monkeypatch.setattr("podlink.engine.containers.stop.start", start_after_somebody_else)
    container.restart(LONG)
    assert started == [container.id] and status(container) is Status.RUNNING
    assert host.state.containers.get(container.id).start == 2
    with pytest.raises(InvalidState, match="it is running"):
        container.start()


def test_who_opens_the_root_in_the_midst_of_a_restart_takes_no_container_away(
    bench: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    container = bench.run(*LOOP, rm=True)

    def start_after_an_opening(host: Any, name: str) -> str:
        if bench.runtime == "runc":
            bench.open().close()
        else:
            reconcile(host)
        return start(host, name)

    monkeypatch.setattr("podlink.engine.containers.stop.start", start_after_an_opening)
    container.restart(0)
    assert status(container) is Status.RUNNING
    container.stop(0)
    assert not bench.engine.containers.list()


def test_of_two_who_restart_the_first_to_be_done_takes_no_container_away(bench: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    container = bench.run(*LOOP, rm=True)
    again, stopped = threading.Event(), threading.Event()

    def start_in_turn(host: Any, name: str) -> str:
        if again.is_set():  # the second one has stopped it; now the first one is done
            stopped.set()
            first.result(timeout=patience())
            return start(host, name)
        done = start(host, name)
        again.set()
        assert stopped.wait(patience())
        return done

    monkeypatch.setattr("podlink.engine.containers.stop.start", start_in_turn)
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(container.restart, 0)
        assert again.wait(patience())
        container.restart(0)
    assert status(container) is Status.RUNNING and bench.engine.host.state.containers.get(container.id).start == 3


def test_a_restart_whose_container_can_not_be_kept_stops_nothing(bench: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(place: Path) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    container = bench.run(*LOOP, rm=True)
    monkeypatch.setattr("podlink.engine.containers.kept._shared", refuse)
    with pytest.raises(StorageFailed, match="restarting"):
        container.restart(0)
    assert status(container) is Status.RUNNING


def test_a_container_that_ends_at_the_end_of_its_restart_goes(bench: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    container = bench.run(*LOOP, rm=True)

    def start_and_end(host: Any, name: str) -> str:
        done = start(host, name)
        stop(host, name, 0)
        return done

    monkeypatch.setattr("podlink.engine.containers.stop.start", start_and_end)
    container.restart(0)
    assert not bench.engine.containers.list() and not bench.left()
