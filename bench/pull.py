#!/usr/bin/env python3
"""Time a pull of a large image beside GNU tar unpacking the same layers, and weigh the service while it pulls.

    make bench-pull

The image has three layers of this machine's own /usr, served by docker-registry on loopback, in a network namespace of our own.
Where podman or docker is installed, it pulls in the same rounds. Everything is on disk below TMPDIR; `TMPDIR=/dev/shm make
bench-pull` takes the disk out. The clock means something on an idle machine only; the time of processors nearly everywhere.
"""

import gzip
import hashlib
import io
import json
import os
import shutil
import statistics
import subprocess
import sys
import tarfile
import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "demo"))

from floors import Milliseconds, timed
from peers import Peer, running

from podlink.api.varlink.client import Client
from podlink.engine.linux import syscalls
from service import choose, serving

PODMAN = "io.projectatomic.podman"
ROUNDS = 5
LAYERS = (("/usr/lib/python3", "/usr/include"), ("/usr/share/doc", "/usr/share/zoneinfo"), ("/usr/share/perl", "/usr/share/man"))
MOST = 60 * 2**20
"""Bytes of files in a layer."""
OCI = "application/vnd.oci.image"
OURS, TAR = "PullImage", "GNU tar of the same layers"
EACH = 0.01
"""Seconds between two weighings."""


class Layout:
    """An OCI image layout (OCI image-spec, image-layout.md) with one image in it. layers: its blobs, base first."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.layers: list[Path] = []
        self.entries = 0
        (folder / "blobs/sha256").mkdir(parents=True)

    def write(self) -> None:
        plain = [self._tar(roots) for roots in LAYERS]
        layers = [self._blob(f"{OCI}.layer.v1.tar+gzip", gzip.compress(content, 1, mtime=0)) for content in plain]
        self.layers = [self._path(layer["digest"]) for layer in layers]
        diff_ids = [f"sha256:{hashlib.sha256(content).hexdigest()}" for content in plain]
        config = {"architecture": "amd64", "os": "linux", "rootfs": {"type": "layers", "diff_ids": diff_ids}}
        described = self._blob(f"{OCI}.config.v1+json", json.dumps(config).encode())
        manifest = json.dumps({"schemaVersion": 2, "config": described, "layers": layers}).encode()
        named = {**self._blob(f"{OCI}.manifest.v1+json", manifest), "annotations": {"org.opencontainers.image.ref.name": "tree"}}
        (self.folder / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": [named]}))
        (self.folder / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')

    def _tar(self, roots: Sequence[str]) -> bytes:
        target, left = io.BytesIO(), MOST
        with tarfile.open(fileobj=target, mode="w", format=tarfile.PAX_FORMAT) as tar:
            for path in (path for root in roots for path in sorted(Path(root).rglob("*"))):
                size = path.stat().st_size if path.is_file() and not path.is_symlink() else 0
                if size <= left:
                    tar.add(path, str(path).lstrip("/"), recursive=False)
                    left -= size
                    self.entries += 1
        return target.getvalue()

    def _blob(self, media_type: str, content: bytes) -> dict[str, Any]:
        digest = f"sha256:{hashlib.sha256(content).hexdigest()}"
        self._path(digest).write_bytes(content)
        return {"mediaType": media_type, "digest": digest, "size": len(content)}

    def _path(self, digest: str) -> Path:
        return self.folder / "blobs" / digest.replace(":", "/")


@contextmanager
def registry(folder: Path) -> Iterator[str]:
    """docker-registry for as long as the block lasts: its address."""
    (folder / "registry.yml").write_text(
        f"version: 0.1\nlog: {{level: info}}\nstorage: {{filesystem: {{rootdirectory: {folder}/registry}}}}\n"
        "http: {addr: 127.0.0.1:0}\n"
    )
    command = ["docker-registry", "serve", str(folder / "registry.yml")]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as server:
        assert server.stderr
        line = next(line for line in server.stderr if "listening on " in line)
        reader = threading.Thread(target=lambda: [None for _ in server.stderr or ()], daemon=True)
        reader.start()
        try:
            yield line.partition("listening on ")[2].split()[0].strip('",')
        finally:
            server.terminate()


def tar(layers: Sequence[Path], folder: Path) -> None:
    """The floor: nothing is fetched, checked, hashed or synced."""
    for layer in layers:
        (folder / layer.name).mkdir(parents=True)
        subprocess.run(["tar", "-xzf", layer, "-C", folder / layer.name], check=True)


def processor(pid: int) -> float:
    """Seconds that a process has worked, and those of its children that have ended: proc_pid_stat(5), fields 14 to 17."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK")


def memory(pid: int) -> float:
    """PSS of a process and all that it has started, in MiB: proc_pid_smaps(5)."""
    own = 0.0
    with suppress(OSError, StopIteration):  # it ended just now
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
        own = int(next(line.split()[1] for line in lines if line.startswith("Pss:"))) / 1024
    return own + sum(memory(child) for child in children(pid))


def children(pid: int) -> list[int]:
    found: list[int] = []
    for path in Path(f"/proc/{pid}/task").glob("*/children"):
        with suppress(OSError):
            found += map(int, path.read_text().split())
    return found


@contextmanager
def weighing(pid: int) -> Iterator[list[float]]:
    """What `memory` says, again and again while the block lasts."""
    weights, over = [memory(pid)], threading.Event()

    def weigh() -> None:
        while not over.wait(EACH):
            weights.append(memory(pid))

    scale = threading.Thread(target=weigh)
    scale.start()
    try:
        yield weights
    finally:
        over.set()
        scale.join()


def main() -> int:
    choice = choose()
    missing = [program for program in ("docker-registry", "skopeo", "tar", "ip") if shutil.which(program) is None]
    if choice.why or missing:
        print(f"This benchmark needs more than there is here: {choice.why or ', '.join(missing)}.", file=sys.stderr)
        return 1
    syscalls.unshare(syscalls.CLONE_NEWNET)
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    with tempfile.TemporaryDirectory(prefix="podlink-bench-") as name, registry(Path(name)) as address:
        folder = Path(name)
        layout = Layout(folder / "layout")
        layout.write()
        copy = ["skopeo", "--insecure-policy", "copy", "--quiet", "--dest-tls-verify=false"]
        subprocess.run([*copy, f"oci:{layout.folder}:tree", f"docker://{address}/tree:latest"], check=True)
        (folder / "registries.conf").write_text(f'[[registry]]\nlocation = "{address}"\ninsecure = true\n')
        os.environ["CONTAINERS_REGISTRIES_CONF"] = str(folder / "registries.conf")
        with (
            serving(choice) as service,
            Client.connect(service.address, timeout=600) as client,
            running(folder, None, service.cgroup_parent) as peers,
        ):
            Rounds(layout, client, service.process.pid, f"{address}/tree:latest", peers).run()
    return 0


@dataclass(frozen=True, slots=True)
class Figure:
    """Of one time: on the clock, and of processors."""

    clock: Milliseconds
    busy: Milliseconds


class Rounds:
    """figures: by who took them, one a round; all take their turn, so that a slow moment hits all of them."""

    def __init__(self, layout: Layout, client: Client, service: int, image: str, peers: Sequence[Peer]) -> None:
        self.layout, self.client, self.service, self.image, self.peers = layout, client, service, image, peers
        self.figures: dict[str, list[Figure]] = {}

    def run(self) -> None:
        self.pull()
        self.drop()
        with weighing(self.service) as weights:  # not timed: to be looked at costs time
            self.pull()
        self.drop()
        for _ in range(ROUNDS):
            self.unpack()
            self.note(OURS, self.service, self.pull)
            self.drop()
            for peer in self.peers:
                self.note(peer.name, peer.pid, peer.pull, self.image)
                peer.drop(self.image)
        show(self.layout, self.figures, weights)

    def unpack(self) -> None:
        scratch = self.layout.folder / "scratch"
        self.note(TAR, os.getpid(), tar, self.layout.layers, scratch)
        shutil.rmtree(scratch)

    def pull(self) -> None:
        self.client.call(f"{PODMAN}.PullImage", name=self.image)

    def drop(self) -> None:
        self.client.call(f"{PODMAN}.RemoveImage", name=self.image, force=True)

    def note(self, who: str, pid: int, act: Callable[..., object], *arguments: object) -> None:
        before = processor(pid)
        clock = timed(act, *arguments)
        self.figures.setdefault(who, []).append(Figure(clock, (processor(pid) - before) * 1000))


def show(layout: Layout, figures: dict[str, list[Figure]], weights: list[float]) -> None:
    size = sum(layer.stat().st_size for layer in layout.layers) / 2**20
    print(f"{layout.entries} entries in {len(layout.layers)} layers, {size:.0f} MiB compressed; {os.cpu_count()} processors\n")
    print(f"  {'medians, and times GNU tar round by round':44} {'on the clock':32} of processors")
    for who, taken in figures.items():
        clock = beside([each.clock for each in taken], [each.clock for each in figures[TAR]])
        busy = beside([each.busy for each in taken], [each.busy for each in figures[TAR]])
        print(f"  {who:44} {clock:32} {busy}")
    print(f"  {'memory of service and jails, PSS':44} {weights[0]:.0f} MiB at rest, {max(weights):.0f} at most while it pulls")


def beside(taken: list[Milliseconds], floor: list[Milliseconds]) -> str:
    ratios = [one / other for one, other in zip(taken, floor, strict=True)]
    return f"{statistics.median(taken):6.0f} ms  {statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})"


if __name__ == "__main__":
    sys.exit(main())
