#!/usr/bin/env python3
"""Time a pull of a large image beside GNU tar unpacking the same layers, and weigh the service while it pulls.

    make bench-pull

The image has three layers of this machine's own /usr, served by docker-registry on loopback, in a network namespace of our own.
Where podman or docker is installed, it pulls in the same rounds. Everything is on disk below TMPDIR; `TMPDIR=/dev/shm make
bench-pull` takes the disk out.
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
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
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


def reset_peak(pid: int) -> None:
    """Begin to measure the peak anew: proc_pid_clear_refs(5)."""
    Path(f"/proc/{pid}/clear_refs").write_text("5")


def memory(pid: int, field: str) -> float:
    """VmRSS or VmHWM, the peak, of a process, in MiB: proc_pid_status(5)."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return int(next(line.split()[1] for line in lines if line.startswith(field))) / 1024


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


class Rounds:
    """figures: milliseconds by who took them, one a round; all take their turn, so that a slow moment hits all of them."""

    def __init__(self, layout: Layout, client: Client, service: int, image: str, peers: Sequence[Peer]) -> None:
        self.layout, self.client, self.service, self.image, self.peers = layout, client, service, image, peers
        self.figures: dict[str, list[Milliseconds]] = {}
        self.peaks: list[float] = []

    def run(self) -> None:
        self.client.call(f"{PODMAN}.Ping")
        rest = memory(self.service, "VmRSS")
        for _ in range(ROUNDS):
            self.unpack()
            self.pull()
            for peer in self.peers:
                self.note(peer.name, timed(peer.pull, self.image))
                peer.drop(self.image)
        show(self.layout, self.figures, rest, max(self.peaks))

    def unpack(self) -> None:
        scratch = self.layout.folder / "scratch"
        self.note(TAR, timed(tar, self.layout.layers, scratch))
        shutil.rmtree(scratch)

    def pull(self) -> None:
        reset_peak(self.service)
        self.note(OURS, timed(self.client.call, f"{PODMAN}.PullImage", name=self.image))
        self.peaks.append(memory(self.service, "VmHWM"))
        self.client.call(f"{PODMAN}.RemoveImage", name=self.image, force=True)

    def note(self, who: str, figure: Milliseconds) -> None:
        self.figures.setdefault(who, []).append(figure)


def show(layout: Layout, figures: dict[str, list[Milliseconds]], rest: float, peak: float) -> None:
    size = sum(layer.stat().st_size for layer in layout.layers) / 2**20
    print(f"{layout.entries} entries in {len(layout.layers)} layers, {size:.0f} MiB compressed; {os.cpu_count()} processors\n")
    for who, taken in figures.items():
        ratios = [one / other for one, other in zip(taken, figures[TAR], strict=True)]
        print(
            f"  {who:28} {statistics.median(taken):7.0f} ms   {min(taken):.0f} to {max(taken):.0f}"
            f"   {statistics.median(ratios):.2f} times GNU tar, round by round {min(ratios):.2f} to {max(ratios):.2f}"
        )
    print(f"  {'memory of the service':28} {rest:7.0f} MiB at rest, {peak:.0f} MiB at most while it pulls")


if __name__ == "__main__":
    sys.exit(main())
