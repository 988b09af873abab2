#!/usr/bin/env python3
"""Time what a network of its own adds to a container's start and stop, beside the same netlink messages, bare.

    make bench-network

Everything is in a network namespace that this process makes for itself: nothing of the host's network is touched.
"""

import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "demo"))

from floors import Milliseconds, timed

import image
from podlink.engine.app import Engine
from podlink.engine.config import Config
from podlink.engine.handles import Container
from podlink.engine.linux import syscalls
from podlink.engine.network.links import netlink

ROUNDS, MANY = 20, 250


def bare() -> None:
    """A pair of devices, one of them in a new namespace, both with what an address needs; and all of it taken back."""
    with netlink() as route:
        bridge = route.link_lookup(ifname="floor0")[0]
        route.link("add", ifname="floor1", kind="veth", peer={"ifname": "floor2"}, master=bridge, flags=1, change=1)
        index = route.link_lookup(ifname="floor2")[0]
        route.addr("add", index=index, address="198.18.0.2", prefixlen=16)
        route.link("set", index=index, state="up")


def bare_end() -> None:
    with netlink() as route:
        route.link("del", index=route.link_lookup(ifname="floor1")[0])


class Bench:
    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.figures: dict[str, list[Milliseconds]] = defaultdict(list)

    def time(self, what: str, act: Callable[[], object]) -> None:
        self.figures[what].append(timed(act))

    def create(self, mode: str, *ports: str) -> Container:
        return self.engine.containers.create(
            image="bench", command=["sleep", "1000"], net_mode=mode, publish=ports, stop_signal=9
        )

    def lives(self) -> None:
        """The kinds in turn, so that a slow moment of the machine hits all of them. One container keeps the bridge up."""
        self.create("bridge").start()
        for _ in range(ROUNDS):
            for what, mode, ports in (("none", "none", ()), ("bridge", "bridge", ()), ("bridge, a port", "bridge", ("80",))):
                container = self.create(mode, *ports)
                self.time(f"start, {what}", container.start)
                self.time(f"stop, {what}", container.stop)
                container.remove()
            self.time("veth pair with an address, bare", bare)
            self.time("veth pair taken back, bare", bare_end)

    def many(self) -> None:
        """So many on one bridge: the first and the last of them, and their end."""
        made = [self.create("bridge") for _ in range(MANY)]
        for number, container in enumerate(made):
            place = "first" if number < ROUNDS else "last" if number >= MANY - ROUNDS else "among the"
            self.time(f"start, {place} of {MANY}", container.start)
        assert not self.engine.networks.troubles()
        for container in made:
            container.stop()
            container.remove()


def main() -> int:
    if os.geteuid() != 0 or not shutil.which("runc"):
        print("The benchmark needs root and runc.", file=sys.stderr)
        return 1
    syscalls.unshare(syscalls.CLONE_NEWNET)
    for words in ("link set lo up", "link add floor0 type bridge", "link set floor0 up"):
        subprocess.run(["ip", *words.split()], check=True)
    with tempfile.TemporaryDirectory(prefix="podlink-bench-") as name:
        folder = Path(name)
        config = Config(root=folder / "root", runroot=folder / "run", cgroup_parent=f"podlink-bench-{os.getpid()}")
        with Engine.open(config) as engine:
            engine.images.import_image(str(image.write(folder / "busybox.tar")), "bench")
            bench = Bench(engine)
            bench.lives()
            bench.many()
            for each in engine.containers.list():
                engine.containers.get(each.container.id).remove(force=True)
    for what, figures in bench.figures.items():
        low, middle, high = statistics.quantiles(figures, n=4)
        print(f"{what:34} {middle:7.1f} ms   {low:.1f} to {high:.1f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
