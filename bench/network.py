#!/usr/bin/env python3
"""Time what a network of its own adds to a container's start and stop, and what its wiring takes beside the same, bare.

    make bench-network

Everything is in a network namespace that this process makes for itself: nothing of the host's network is touched. Where podman
or docker is installed, its start is timed in the same rounds. docs/benchmarks.md says how to read the tables.
"""

import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable
from datetime import date
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "demo"))

from bare_network import BareNetwork
from floors import Milliseconds, timed
from lifecycle import show, spread
from peers import IMAGE, Peer, running

import image
from podlink.engine.app import Engine
from podlink.engine.config import Config
from podlink.engine.handles import Container
from podlink.engine.linux import syscalls
from podlink.engine.network.driver import Wish
from service import cgroups

ROUNDS, MANY, EDGE = 20, 250, 25
KINDS = {"none": ("none", ()), "bridge": ("bridge", ()), "bridge, a port": ("bridge", ("80",))}
ID = "be" * 32
USES = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)


class Bench:
    """figures: milliseconds by what was timed, one for each round."""

    def __init__(self, engine: Engine, bare: BareNetwork, peers: list[Peer]) -> None:
        self.engine, self.bare, self.peers = engine, bare, peers
        self.figures: dict[str, list[Milliseconds]] = defaultdict(list)

    def time(self, what: str, act: Callable[..., object], *arguments: object) -> None:
        self.figures[what].append(timed(act, *arguments))

    def create(self, mode: str, *ports: str) -> Container:
        return self.engine.containers.create(image=IMAGE, command=["sleep", "1000"], net_mode=mode, publish=ports, stop_signal=9)

    def wires(self) -> None:
        """Attach and detach alone, and bare, the one first that came last in the round before."""
        turns = [("", self.attach, self.detach), ("bare ", self.bare.attach, self.bare.detach)]
        for number in range(ROUNDS):
            for whose, attach, detach in turns if number % 2 else reversed(turns):
                for what, act in ((f"{whose}attach", attach), (f"{whose}detach", detach)):
                    before = processor_time()
                    self.time(what, act)
                    self.figures[f"{what}, processor"].append(processor_time() - before)

    def attach(self) -> None:
        self.engine.host.network.attach(ID, Wish(mode="bridge")).close()

    def detach(self) -> None:
        self.engine.host.network.detach(ID)

    def lives(self) -> None:
        """The kinds and the peers in turn, so that a slow moment of the machine hits all of them."""
        for number in range(ROUNDS):
            for what in list(KINDS)[:: 1 if number % 2 else -1]:
                mode, ports = KINDS[what]
                container = self.create(mode, *ports)
                self.time(f"start, {what}", container.start)
                self.time(f"stop, {what}", container.stop)
                container.remove()
            for peer in self.peers:
                for mode in ("none", "bridge"):
                    name = peer.create(mode)
                    self.time(f"{peer.name}, {mode}", peer.start, name)
                    peer.remove(name)

    def many(self) -> None:
        """So many on one bridge: the first and the last of them."""
        made = [self.create("bridge") for _ in range(MANY)]
        for number, container in enumerate(made):
            place = "first" if number < EDGE else "last" if number >= MANY - EDGE else "among"
            self.time(f"start, {place} of {MANY}", container.start)
        self.time("troubles", self.engine.networks.troubles)
        assert not self.engine.networks.troubles()
        for container in made:
            container.stop()
            container.remove()

    # showing

    def show(self) -> None:
        figures = self.figures
        head = ["", "ms", "quartiles", "floor ms", "quartiles", "times", "least", "of floor", "busy", "of floor"]
        rows = [self.beside(verb) for verb in ("attach", "detach")]
        show("The wiring alone, beside the same netlink messages, bare", head, rows)
        lives = [(f"{verb}, {kind}", f"{verb}, none") for verb in ("start", "stop") for kind in KINDS]
        lives += [(f"{peer.name}, {mode}", f"{peer.name}, none") for peer in self.peers for mode in ("none", "bridge")]
        head = ["", "ms", "quartiles", "least", "more than without", "of the least"]
        show("A start and a stop, and what the network adds", head, [self.more(what, without) for what, without in lives])
        rows = [[what, *spread(figures[what])] for what in (f"start, first of {MANY}", f"start, last of {MANY}")]
        show(f"{MANY} containers on one bridge", ["", "ms", "quartiles"], rows)

    def beside(self, verb: str) -> list[str]:
        ours, floor = self.figures[verb], self.figures[f"bare {verb}"]
        times = statistics.median(one / other for one, other in zip(ours, floor, strict=True))
        busy = [f"{statistics.mean(self.figures[f'{whose}{verb}, processor']):.2f}" for whose in ("", "bare ")]
        return [verb, *spread(ours), *spread(floor), f"{times:.2f}", f"{min(ours):.2f}", f"{min(floor):.2f}", *busy]

    def more(self, what: str, without: str) -> list[str]:
        ours, others = self.figures[what], self.figures[without]
        median = statistics.median(one - other for one, other in zip(ours, others, strict=True))
        return [what, *spread(ours), f"{min(ours):.2f}", f"{median:.2f}", f"{min(ours) - min(others):.2f}"]


def processor_time() -> Milliseconds:
    """Of this process and of those that it waited for: what doesn't grow with the other work of the machine."""
    return sum(each.ru_utime + each.ru_stime for each in map(resource.getrusage, USES)) * 1000


def measure(folder: Path, cgroup: str) -> Bench:
    config = Config(root=folder / "root", runroot=folder / "run", cgroup_parent=cgroup)
    with Engine.open(config) as engine:
        engine.images.import_image(str(image.write(folder / "busybox.tar")), IMAGE)
        engine.images.export(IMAGE, f"docker-archive:{folder}/image.tar", tags=[IMAGE])
        with running(folder, folder / "image.tar", cgroup) as peers:
            bench = Bench(engine, BareNetwork("floor0", folder), peers)
            keeper = bench.create("bridge")  # the bridge stays up; the first container of all pays for it
            keeper.start()
            bench.wires()
            bench.lives()
        bench.many()
        keeper.remove(force=True)
    return bench


def main() -> int:
    if os.geteuid() != 0 or not shutil.which("runc"):
        print("The benchmark needs root and runc.", file=sys.stderr)
        return 1
    began, cgroup = time.monotonic(), f"podlink-bench-{os.getpid()}"
    syscalls.unshare(syscalls.CLONE_NEWNET)
    for words in ("link set lo up", "link add floor0 type bridge", "link set floor0 up", "addr add 198.18.0.1/16 dev floor0"):
        subprocess.run(["ip", *words.split()], check=True)
    with tempfile.TemporaryDirectory(prefix="podlink-bench-") as name:
        bench = measure(Path(name), cgroup)
    for path in cgroups(cgroup):
        path.rmdir()
    bench.show()
    load = ", ".join(f"{each:.1f}" for each in os.getloadavg())
    print(
        f"\n{date.today()}, {os.cpu_count()} processors, {ROUNDS} rounds, {time.monotonic() - began:.0f} s; load average {load}."
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
