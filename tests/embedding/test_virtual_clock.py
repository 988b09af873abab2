"""Time that a test moves: what sleeps, times out and is dated in an emulated engine goes by it, and nothing else does."""

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from patience import patience

from podlink import Engine, VirtualClock
from podlink.api.podman.containers import list_data
from podlink.engine.handles import Container
from podlink.engine.runtime.emulator.process import Process

START = "2020-01-01T00:00:00Z"
STUBBORN = "trap '' TERM; echo ready; while :; do sleep 1; done"


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock()


@pytest.fixture
def engine(clock: VirtualClock) -> Iterator[Engine]:
    with Engine.emulated(seed=1, clock=clock) as made:
        yield made


def started(engine: Engine, script: str, **fields: Any) -> Container:
    image = engine.images.build_from({}, userland=True)
    container = engine.containers.create(image=image, command=["sh", "-c", script], **fields)
    container.start()
    return container


@pytest.fixture
def background() -> Iterator[Callable[[Callable[[], object]], threading.Thread]]:
    """Starts a call in a thread of its own, which has ended when the test has."""
    threads: list[threading.Thread] = []

    def start(call: Callable[[], object]) -> threading.Thread:
        threads.append(threading.Thread(target=call))
        threads[-1].start()
        return threads[-1]

    yield start
    for thread in threads:
        thread.join(patience())
        assert not thread.is_alive()


def test_an_hour_passes_when_the_clock_says_so(engine: Engine, clock: VirtualClock) -> None:
    container = started(engine, "date +%T; sleep 3600; date +%T; exit 4")
    clock.advance(3599)
    assert container.summary().container.status == "running"
    clock.advance(1)
    assert container.summary().container.status == "exited"  # advance returns when all that it led to has happened
    assert (container.wait(), container.logs()) == (4, ["00:00:00\n", "01:00:00\n"])


def test_each_moment_comes_after_what_the_one_before_led_to(engine: Engine, clock: VirtualClock) -> None:
    """One long step is many short ones: who is woken up at the first second is not shown the last one."""
    ticking = started(engine, "for i in 1 2 3; do sleep 1; date +%S; done")
    late = started(engine, "sleep 2.5; date +%S.%N")
    clock.advance(100)
    assert ticking.logs() == ["01\n", "02\n", "03\n"] and late.logs() == ["02.500000000\n"]
    assert late.inspect()["State"]["FinishedAt"] == "2020-01-01T00:00:02.5Z"


def test_all_dates_are_the_clocks(engine: Engine, clock: VirtualClock) -> None:
    container = started(engine, "echo early; sleep 1; echo late; sleep 100")
    clock.advance(61)
    document = container.inspect()
    assert document["Created"] == document["State"]["StartedAt"] == START
    assert engine.images.inspect(container.summary().container.image)["Created"] == START
    assert list_data(engine.host, container.summary())["runningfor"] == "1m1s"
    assert container.stats().sample.at == clock.now() == (1_577_836_800 + 61) * 10**9
    assert container.processes(["-o", "pid,etime"])[1].split()[1] == "01:01"
    with Path(document["LogPath"]).open() as log:
        assert [line.split()[0] for line in log] == ["2020-01-01T00:00:00.000000000Z", "2020-01-01T00:00:01.000000000Z"]
    assert {event.at for event in engine.host.state.events.read()} == {1_577_836_800 * 10**9}


def test_a_stop_takes_the_clocks_time_and_none_of_the_tests(
    engine: Engine, clock: VirtualClock, background: Callable[[Callable[[], object]], threading.Thread]
) -> None:
    container = started(engine, STUBBORN)
    stopping = background(lambda: container.stop(10))
    clock.await_caller()
    clock.advance(9.5)
    assert stopping.is_alive() and container.summary().container.status == "running"
    clock.advance(100)
    stopping.join(patience())
    state = container.inspect()["State"]
    assert (state["ExitCode"], state["FinishedAt"]) == (137, "2020-01-01T00:00:10Z")


def test_a_clock_that_moves_by_itself_moves_while_somebody_waits() -> None:
    clock = VirtualClock(auto=True)
    with Engine.emulated(clock=clock) as engine:
        container = started(engine, "sleep 3600; exit 5")
        assert clock.monotonic() == 0.0 and container.summary().container.status == "running"
        assert (container.wait(), clock.monotonic()) == (5, 3600.0)
        stubborn = started(engine, STUBBORN)
        stubborn.stop(10)
        assert (stubborn.wait(), clock.monotonic()) == (137, 3610.0)
        assert engine.containers.run(container.summary().container.image, ["sleep", "86400"]).exit_code == 0
        following = started(engine, "for i in 1 2 3; do echo $i; sleep 60; done")
        assert [line for batch in following.follow() for line in batch] == ["1\n", "2\n", "3\n"]


def test_what_is_frozen_wakes_when_it_is_thawed(engine: Engine, clock: VirtualClock) -> None:
    container = started(engine, "sleep 10; date +%S")
    container.pause()
    clock.advance(30)
    assert container.logs() == []
    container.unpause()
    assert (container.wait(), container.logs()) == (0, ["30\n"])


def test_a_step_goes_to_the_next_moment_that_anybody_waits_for(engine: Engine, clock: VirtualClock) -> None:
    started(engine, "sleep 7; sleep 20")
    started(engine, "sleep 2.25")
    started(engine, "sleep inf")
    assert [clock.step() for _ in range(3)] == [2.25, 4.75, 20.0]
    with pytest.raises(LookupError, match="nobody waits"):
        clock.step()


def test_two_engines_may_share_a_clock(clock: VirtualClock) -> None:
    with Engine.emulated(clock=clock) as one, Engine.emulated(clock=clock) as other:
        first, second = started(one, "sleep 5"), started(other, "sleep 6")
        clock.advance(5)
        states = [each.summary().container.status for each in (first, second)]
        assert states == ["exited", "running"]


def test_what_would_wait_for_itself_or_run_backwards_is_refused(engine: Engine, clock: VirtualClock) -> None:
    def mover(process: Process) -> int:
        with pytest.raises(RuntimeError, match="from outside"):
            clock.advance(1)
        return 7

    engine.programs["/bin/mover"] = mover
    assert engine.containers.run(engine.images.build_from({"/x": b""}), ["/bin/mover"]).exit_code == 7
    wrongs: list[Any] = [-1, float("nan"), float("inf"), "60", None]
    for wrong in wrongs:
        with pytest.raises(ValueError, match=f"time can't be moved by {wrong!r} seconds"):
            clock.advance(wrong)


def test_a_program_that_waits_beside_the_clock_is_named(
    engine: Engine, clock: VirtualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("podlink.engine.clock.PATIENCE", 0.1)
    release = threading.Event()

    def outside(process: Process) -> int:
        release.wait(patience())
        return 0

    engine.programs["/bin/outside"] = outside
    container = engine.containers.create(image=engine.images.build_from({"/x": b""}), command=["/bin/outside"])
    container.start()
    with pytest.raises(TimeoutError, match=f"still do: {container.id[:12]}/1"):
        clock.advance(1)
    release.set()
    assert container.wait() == 0


def test_await_caller_has_an_end(clock: VirtualClock) -> None:
    with pytest.raises(TimeoutError, match=r"0 callers wait after 0\.01 s, not 1"):
        clock.await_caller(timeout=0.01)
