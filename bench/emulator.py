#!/usr/bin/env python3
"""Time what a test suite waits for: the import, an emulated engine for each test, whole lives of containers, a thousand at once.

    make bench-emulator

No root, no runc. Wall time and CPU time are both shown: on a machine with other work it is the second that can be compared. The
number of calls in a life is the same on every machine.
"""

import os
import resource
import statistics
import subprocess
import sys
import threading
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

from podlink import Engine

IMPORTS, FIXTURES, ROUNDS, LIVES, MANY = 5, 20, 8, 25, 1000
IMPORT = "import time; began = time.process_time(); {}; print((time.process_time() - began) * 1000)"
STATEMENTS = ("import podlink", "from podlink import Engine", "from podlink import Engine; Engine.emulated().close()")


def imports() -> None:
    """Each in a process of its own, after one that had the bytecode written."""
    for statement in STATEMENTS:
        command = [sys.executable, "-c", IMPORT.format(statement)]
        times = [float(subprocess.run(command, check=True, capture_output=True).stdout) for _ in range(IMPORTS)]
        print(f"{statement:56} {statistics.median(times[1:]):8.1f} ms of CPU")


def fixture() -> None:
    """What `podlink_engine` is to a test: opened and closed again."""
    wall = [measured(lambda: Engine.emulated().close()) for _ in range(FIXTURES)]
    show("an engine, opened and closed", wall, "ms")


Step = Callable[[str, Callable[[], Any]], Any]
"""Does one verb of a life, by its name."""


def life(engine: Engine, image: str, network: str, step: Step = lambda verb, act: act()) -> None:
    """create, start, wait, logs, remove."""
    container = step("create", lambda: engine.containers.create(image=image, command=["echo", "hello"], net_mode=network))
    step("start", container.start)
    assert step("wait", container.wait) == 0
    assert step("logs", container.logs) == ["hello\n"]
    step("remove", container.remove)


def lives(network: str) -> None:
    """One after the other."""
    with Engine.emulated(seed=1) as engine:
        image = engine.images.build_from({}, {}, userland=True)

        def round_of_lives() -> None:
            for _ in range(LIVES):
                life(engine, image, network)

        round_of_lives()
        figures = [measured(round_of_lives) for _ in range(ROUNDS)]
    rates = [(LIVES * 1000 / wall, LIVES * 1000 / cpu) for wall, cpu in figures]
    walls, cpus = zip(*rates, strict=True)
    print(
        f"{f'lives a second, net_mode {network}':56} {statistics.median(walls):8.0f} on the clock (best {max(walls):.0f}), "
        f"{statistics.median(cpus):.0f} a second of CPU (best {max(cpus):.0f})"
    )


def verbs(network: str) -> None:
    """Where the time of a life goes. A verb's time has what threads of the container do meanwhile in it; its calls have not."""
    spent: defaultdict[str, float] = defaultdict(float)
    calls: defaultdict[str, int] = defaultdict(int)
    at = ["between"]
    caller = threading.get_ident()

    def timed(verb: str, act: Callable[[], Any]) -> Any:
        began = time.process_time()
        answer = act()
        spent[verb] += time.process_time() - began
        return answer

    def named(verb: str, act: Callable[[], Any]) -> Any:
        at[0] = verb
        return act()

    def count(frame: object, event: str, argument: object) -> None:
        if event in ("call", "c_call"):
            calls[at[0] if threading.get_ident() == caller else "threads"] += 1

    with Engine.emulated(seed=1) as engine:
        image = engine.images.build_from({}, {}, userland=True)
        for _ in range(LIVES):
            life(engine, image, network)
        for _ in range(ROUNDS * LIVES):
            life(engine, image, network, timed)
        threading.setprofile(count)
        sys.setprofile(count)
        for _ in range(LIVES):
            life(engine, image, network, named)
        sys.setprofile(None)
        threading.setprofile(None)
    for verb in ("create", "start", "wait", "logs", "remove", "threads"):
        time_of = f"{spent[verb] * 1000 / (ROUNDS * LIVES):8.2f} ms of CPU" if verb in spent else " " * 18
        print(f"{f'  {verb}, net_mode {network}':56} {time_of}, {calls[verb] / LIVES:.0f} calls")


def thousand() -> None:
    """Running at once: what they take of memory, how long until the last has started, and until the engine is closed."""
    with Engine.emulated(seed=1) as engine:
        image = engine.images.build_from({}, {}, userland=True)
        before = resident()

        def start_all() -> None:
            for _ in range(MANY):
                engine.containers.create(image=image, command=["sleep", "1000"]).start()

        show(f"{MANY} containers created and started", [measured(start_all)], "ms")
        print(f"{f'{MANY} running containers':56} {resident() - before:8.1f} MiB (RSS)")
        show(f"the engine closed over {MANY} running containers", [measured(engine.close)], "ms")


def measured(act: Callable[[], object]) -> tuple[float, float]:
    """Milliseconds on the clock, and of CPU in all threads of this process."""
    wall, cpu = time.perf_counter(), time.process_time()
    act()
    return (time.perf_counter() - wall) * 1000, (time.process_time() - cpu) * 1000


def show(what: str, figures: list[tuple[float, float]], unit: str) -> None:
    wall, cpu = (statistics.median(column) for column in zip(*figures, strict=True))
    print(f"{what:56} {wall:8.1f} {unit} on the clock, {cpu:.1f} {unit} of CPU")


def resident() -> float:
    """MiB that this process has in memory: proc_pid_statm(5); where there is no /proc, the most it ever had."""
    try:
        return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20
    except FileNotFoundError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


def main() -> int:
    imports()
    fixture()
    for network in ("none", "bridge"):
        lives(network)
        verbs(network)
    thousand()
    print(f"{os.cpu_count()} processors, load {os.getloadavg()[0]:.1f}, Python {sys.version.split()[0]}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
