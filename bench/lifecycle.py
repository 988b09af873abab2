#!/usr/bin/env python3
"""Time what a container's life costs over the socket, each verb beside its floor from the same run.

    make bench

Everything is on disk below TMPDIR. docs/benchmarks.md says how to read the tables. It takes well under a minute.
"""

import os
import signal
import statistics
import sys
import time
from collections import defaultdict
from collections.abc import Callable
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "demo"))

import floors
from floors import BareRunc, Milliseconds, timed

import image
from podlink.api.varlink.client import Client
from service import Service, choose, serving

PODMAN = "io.projectatomic.podman"
ROUNDS, PINGS, MANY = 20, 500, 100
LOOP = ["/bin/sh", "-c", "trap 'exit 0' TERM; while :; do sleep 1 & wait; done"]

FLOORS = {
    "ping": "an echo on a socket",
    "create": "a durable SQLite commit",
    "list 100": "an echo of the same reply, parsed",
    "start": "runc run --detach of the same bundle",
    "stop": "SIGTERM to exit of a bare runc container",
    "remove": "a durable SQLite commit",
}
"""The verbs in the order in which they are shown."""


class Bench:
    """A service and its floors, and the milliseconds that each took, pair by pair."""

    def __init__(self, service: Service, client: Client, tar: Path) -> None:
        self.service = service
        self.client = client
        self.tar = tar
        self.verbs: dict[str, list[Milliseconds]] = defaultdict(list)
        self.floors: dict[str, list[Milliseconds]] = defaultdict(list)

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        return self.client.call(f"{PODMAN}.{method}", **parameters)

    def create(self, name: str) -> None:
        self.call("CreateContainer", create={"image": "bench", "name": name, "command": LOOP, "net_mode": "none"})

    def pair(self, name: str, verb: Callable[[], object], floor: Callable[[], object]) -> None:
        """Time both, the one first that came last in the pair before."""
        turns = [(self.verbs, verb), (self.floors, floor)]
        for figures, act in turns if len(self.verbs[name]) % 2 else reversed(turns):
            figures[name].append(timed(act))

    # ping, create, list and remove: calls that start nothing

    def pings(self) -> None:
        with closing(floors.Echo({"parameters": {"ping": {"message": "OK"}}})) as echo:
            for _ in range(PINGS):
                self.pair("ping", partial(self.call, "Ping"), echo)

    def rows(self) -> None:
        """A hundred containers that never run."""
        names = [f"row{number}" for number in range(MANY)]
        with closing(floors.Commit(self.service.folder)) as commit:
            for name in names:
                self.pair("create", partial(self.create, name), commit)
            with closing(floors.Echo({"parameters": self.call("ListContainers")})) as echo:
                for _ in range(ROUNDS):
                    self.pair("list 100", partial(self.call, "ListContainers"), echo)
            for name in names:
                self.pair("remove", partial(self.call, "RemoveContainer", name=name), commit)

    # start and stop: a container of podlink's and one of bare runc's side by side

    def lives(self, bare: BareRunc) -> None:
        for number in range(ROUNDS):
            name = f"life{number}"
            self.create(name)
            bare.prepare(name)
            self.pair("start", partial(self.call, "StartContainer", name=name), partial(bare.run, name))
            for pid in (self.pid(name), bare.pid(name)):
                floors.wait_for_trap(pid)
            with floors.process(bare.pid(name)) as process:
                self.pair("stop", partial(self.call, "StopContainer", name=name, timeout=10), process.end)
            bare.delete(name)
            self.call("RemoveContainer", name=name)

    def pid(self, name: str) -> int:
        return int(self.call("GetContainer", name=name)["container"]["namespaces"]["pid"])

    def first(self) -> tuple[Path, list[str]]:
        """A container before those that count. Its bundle is what bare runc gets, and its monitor is what we weigh."""
        self.create("first")
        self.call("StartContainer", name="first")
        floors.wait_for_trap(self.pid("first"))
        (specification,) = (self.service.folder / "run").glob("containers/*/**/config.json")
        monitor = int(Path(f"/proc/{self.pid('first')}/stat").read_text().rpartition(")")[2].split()[1])
        return specification, memory("monitor of a container", [monitor])


# showing


def memory(what: str, pids: list[int]) -> list[str]:
    """PSS and RSS of these processes together, in MiB (proc_pid_smaps(5))."""
    sums = {"Pss": 0, "Rss": 0}
    for pid in pids:
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:]:
            name, kibibytes = line.split()[:2]
            if name.rstrip(":") in sums:
                sums[name.rstrip(":")] += int(kibibytes)
    return [what, *(f"{kibibytes / 1024:.1f}" for kibibytes in sums.values())]


def descendants(pid: int) -> list[int]:
    children = [int(child) for path in Path(f"/proc/{pid}/task").glob("*/children") for child in path.read_text().split()]
    return [each for child in children for each in (child, *descendants(child))]


def row(name: str, verb: list[Milliseconds], floor: list[Milliseconds]) -> list[str]:
    low, ratio, high = statistics.quantiles([one / other for one, other in zip(verb, floor, strict=True)], n=4)
    return [name, *spread(verb), *spread(floor), f"{ratio:.2f}", f"{low:.2f} to {high:.2f}", FLOORS[name]]


def spread(figures: list[Milliseconds]) -> list[str]:
    low, middle, high = statistics.quantiles(figures, n=4)
    return [f"{middle:.2f}", f"{low:.2f} to {high:.2f}"]


def show(title: str, head: list[str], rows: list[list[str]]) -> None:
    """A table: the first column and the last to the left, figures to the right."""
    widths = [max(len(line[column]) for line in [head, *rows]) for column in range(len(head))]
    print(f"\n{title}\n")
    for line in [head, ["-" * width for width in widths], *rows]:
        cells = [cell.rjust(width) for cell, width in zip(line, widths, strict=True)]
        cells[0], cells[-1] = line[0].ljust(widths[0]), line[-1].ljust(widths[-1]) if not line[-1][0].isdigit() else cells[-1]
        print("  " + "   ".join(cells).rstrip())


def main() -> int:
    choice = choose()
    if choice.why:
        print(f"The benchmark compares with bare runc, and here it can't: {choice.why}.", file=sys.stderr)
        return 1
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    began = time.monotonic()
    with serving(choice) as service, Client.connect(service.address) as client:
        bench = Bench(service, client, image.write(service.folder / "busybox.tar"))
        bench.pings()
        at_rest = memory("service at rest, with spawner and spare", [service.process.pid, *descendants(service.process.pid)])
        bench.call("ImportImage", source=str(bench.tar), reference="bench")
        bench.rows()
        specification, monitor = bench.first()
        with closing(BareRunc(service.folder, specification, bench.tar, service.cgroup_parent)) as bare:
            bench.lives(bare)
        bench.call("StopContainer", name="first", timeout=10)
        bench.call("RemoveContainer", name="first")
    head = ["", "ms", "quartiles", "floor ms", "quartiles", "times", "quartiles", "the floor is"]
    show("Each verb beside its floor", head, [row(name, bench.verbs[name], bench.floors[name]) for name in FLOORS])
    show("Memory in MiB", ["", "PSS", "RSS"], [at_rest, monitor])
    print(f"\n{os.cpu_count()} processors, {time.monotonic() - began:.0f} s in all.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
