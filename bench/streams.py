#!/usr/bin/env python3
"""Measure a container's streams: what goes through its log to one who follows it at the service, and how long attach takes.

    make bench-streams              200 MB each; .venv/bin/python bench/streams.py 1000 for more

Each flood is followed over the socket while it is written, into files of 20 MB that turn. Lost is what did not arrive.
"""

import json
import os
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "demo"))

from floors import timed

import image
from podlink.api.serving import serve
from podlink.api.varlink.client import Client
from podlink.engine.app import Engine
from podlink.engine.config import Config
from podlink.engine.handles import Container
from podlink.engine.linux import cgroups
from podlink.engine.streams.attachment import Attachment

PODMAN = "io.projectatomic.podman"
ROUNDS = 500
FLOODS = {
    "lines of 100 bytes": f"yes {'x' * 99} | head -c {{size}}",
    "lines of 1000 bytes": f"yes {'x' * 999} | head -c {{size}}",
    "numbers, 7 bytes a line": "yes 123456 | head -c {size}",
    "NUL bytes without an end of line": "head -c {size} /dev/zero",
}


def resident(pid: int) -> int:
    """KiB, now."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return int(next((line.split()[1] for line in lines if line.startswith("VmRSS")), "0"))


class Flood:
    """A container that begins to write when it is told to, and what became of its output."""

    def __init__(self, engine: Engine, runroot: Path, script: str, driver: str, size: int) -> None:
        trapped = f"trap '{script.format(size=size)}; exit 0' USR1; echo ready; while :; do sleep 0.01; done"
        options = ["max-size=20m"]
        self.container = engine.containers.create(
            image="bench", command=["/bin/sh", "-c", trapped], net_mode="none", log_driver=driver, log_driver_opt=options
        )
        self.container.start()
        records = runroot / "containers" / self.container.id / "process.json"
        self.monitor = int(json.loads(records.read_text())["monitor"])
        self.received, self.seconds, self.monitor_grew = 0, 0.0, 0

    def follow(self, client: Client) -> None:
        replies = client.stream(f"{PODMAN}.GetContainerLogs", name=self.container.id)
        assert next(replies) == {"container": ["ready\n"]}
        self.container.kill(10)
        began, before = time.perf_counter(), resident(self.monitor)
        for reply in replies:
            self.received += sum(len(line) for line in reply["container"] if not line.startswith("[podlink: "))
            if Path(f"/proc/{self.monitor}").exists():
                self.monitor_grew = max(self.monitor_grew, resident(self.monitor) - before)
        self.seconds = time.perf_counter() - began
        self.container.remove(force=True)


def round_trips(container: Container) -> Iterator[float]:
    """Milliseconds from a line that is typed to the same line as `cat` gives it back."""
    with container.attach() as attachment:
        container.start()
        for _ in range(ROUNDS):
            yield timed(there_and_back, attachment)
        attachment.end()


def there_and_back(attachment: Attachment) -> None:
    attachment.send(b"line\n")
    received = b""
    while not received.endswith(b"\n"):
        packet = attachment.receive(10)
        assert packet, "the container ended"
        received += packet[1]


def report(engine: Engine, config: Config, client: Client, megabytes: int) -> None:
    size = megabytes * 1000 * 1000
    print(f"{'log, followed at the service':48} {'MB':>6} {'MB/s':>7} {'lost':>6} {'monitor grew by':>16}")
    for driver in ("k8s-file", "json-file"):
        for what, script in FLOODS.items():
            flood = Flood(engine, config.runroot, script, driver, size)
            flood.follow(client)
            lost = size - flood.received
            rate = flood.received / 1e6 / flood.seconds
            print(f"{driver + ': ' + what:48} {megabytes:6} {rate:7.1f} {lost:6} {flood.monitor_grew:12} KiB", flush=True)
    cat = engine.containers.create(image="bench", command=["cat"], net_mode="none", interactive=True)
    low, middle, high = statistics.quantiles(round_trips(cat), n=4)
    cat.wait()
    cat.remove()
    print(f"attach, a line through cat and back: {middle:.2f} ms   {low:.2f} to {high:.2f}")


def main() -> int:
    if os.geteuid() != 0 or not shutil.which("runc"):
        print("The benchmark needs root and runc.", file=sys.stderr)
        return 1
    megabytes = int(sys.argv[1]) if len(sys.argv) > 1 else 200
    with tempfile.TemporaryDirectory(prefix="podlink-bench-") as name:
        folder = Path(name)
        config = Config(root=folder / "root", runroot=folder / "run", cgroup_parent=f"podlink-bench-{os.getpid()}")
        with Engine.open(config) as engine, serve(engine) as address, Client.connect(address) as client:
            engine.images.import_image(str(image.write(folder / "busybox.tar")), "bench")
            report(engine, config, client, megabytes)
        cgroups.remove(f"/{config.cgroup_parent}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
