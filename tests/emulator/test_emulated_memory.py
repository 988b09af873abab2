"""Memory that is counted, and the kernel's killer when there is none left; bytes that went through files and the network."""

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from patience import patience

from podlink.engine.app import Engine
from podlink.engine.config import Config
from podlink.engine.containers.request import ResourceRequest
from podlink.engine.errors import EngineUnavailable, InvalidState
from podlink.engine.handles import Container
from podlink.engine.runtime.emulator.process import Process
from podlink.engine.runtime.emulator.usage import RESIDENT

LIMIT = 16 * 2**20


@pytest.fixture
def engine() -> Iterator[Engine]:
    with Engine.emulated() as engine:
        engine.images.build_from({}, name="small", userland=True)
        yield engine


def run(engine: Engine, *command: str, **fields: Any) -> Container:
    limits = ResourceRequest(memory=LIMIT, memory_swap=LIMIT)
    container = engine.containers.create(image="small", command=command, **({"resources": limits} | fields))
    container.start()
    return container


def ending(container: Container) -> tuple[int, bool]:
    container.wait()
    state = container.inspect()["State"]
    return state["ExitCode"], state["OOMKilled"]


def test_a_program_that_allocates_more_than_the_limit_is_killed(engine: Engine) -> None:
    beyond = []

    def greedy(process: Process) -> None:
        process.allocate(LIMIT - RESIDENT)
        process.free(LIMIT // 2)
        process.allocate(LIMIT // 2)
        with pytest.raises(ValueError, match="can't be freed"):
            process.free(LIMIT)
        process.allocate(1)
        beyond.append(True)

    engine.programs["/bin/greedy"] = greedy
    assert ending(run(engine, "greedy")) == (137, True) and beyond == []
    assert ending(run(engine, "greedy", resources=ResourceRequest())) == (0, False)
    engine.programs["/bin/greedy"] = lambda process: process.allocate(2**40)
    assert ending(run(engine, "greedy", resources=ResourceRequest())) == (137, True), "no machine has that much"


def test_of_several_processes_the_largest_ends_and_the_container_remembers(engine: Engine) -> None:
    def greedy(process: Process) -> None:
        process.allocate(2 * LIMIT)

    engine.programs["/bin/greedy"] = greedy
    container = run(engine, "sh", "-c", "greedy; echo $?; exit 3")
    assert ending(container) == (3, True) and container.logs() == ["Killed\n", "137\n"]


@pytest.mark.parametrize("script", ["x=a; while :; do x=$x$x; done", "x=$(cat /dev/zero)", "tail /dev/zero"])
@pytest.mark.parametrize("resources", [{}, {"resources": ResourceRequest()}], ids=["limit", "no limit"])
def test_a_shell_that_keeps_ever_more_is_killed(engine: Engine, script: str, resources: dict[str, Any]) -> None:
    assert ending(run(engine, "sh", "-c", script, **resources)) == (137, True)


def test_what_is_let_go_does_not_count(engine: Engine) -> None:
    keeps = "x=$(head -c 1000000 /dev/zero | tr '\\\\0' a); x=; i=$((i+1))"
    script = f"i=0; while [ $i -lt 20 ]; do {keeps}; done; head -c 30000000 /dev/zero | wc -c"
    assert ending(run(engine, "sh", "-c", script)) == (0, False)


def test_memory_runs_out_on_demand(engine: Engine) -> None:
    container = run(engine, "sh", "-c", "sleep 1000", resources=ResourceRequest())
    engine.faults.out_of_memory(container.id)
    assert ending(container) == (137, True)
    with pytest.raises(InvalidState, match="does not run"):
        engine.faults.out_of_memory(container.id)


@pytest.mark.needs("root", "runc", "overlay")
def test_a_real_hosts_memory_is_left_alone(tmp_path: Path, cgroup_parent: str) -> None:
    config = Config(root=tmp_path / "root", runroot=tmp_path / "run", cgroup_parent=cgroup_parent)
    with Engine.open(config) as engine, pytest.raises(EngineUnavailable, match="use the emulator"):
        engine.faults.out_of_memory("web")


def test_figures_are_the_sums_of_what_was_done(engine: Engine) -> None:
    done = threading.Event()

    def busy(process: Process) -> None:
        process.allocate(3_000_000)
        process.sent(700)
        process.received(90)
        process.received(1)
        done.set()
        process.pause()

    engine.programs["/bin/busy"] = busy
    script = "head -c 5000 /dev/zero > f; cat f f > g; busy"
    container = run(engine, "sh", "-c", script)
    assert done.wait(patience())
    figures = container.stats().sample
    assert (figures.net_output, figures.net_input) == (700, 91)
    assert (figures.block_output, figures.block_input) == (15_000, 10_000)
    assert figures.mem_usage == 3_000_000 + figures.pids * RESIDENT and figures.mem_limit == LIMIT
