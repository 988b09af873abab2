"""Docker and podman, each under a root of its own in a temporary folder, spoken to through the Docker Engine API."""

import http.client
import json
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

IMAGE = "docker.io/library/bench:latest"
PATIENCE = 30
CONTAINERS_CONF = """[network]
network_backend = "cni"
network_config_dir = "{folder}/net.d"
default_subnet = "10.91.0.0/16"
"""


class Peer:
    """An engine behind the Docker Engine API, a process. cgroup: the parent of its containers'."""

    def __init__(self, name: str, address: Path, cgroup: str, pid: int) -> None:
        self.name, self.address, self.cgroup, self.pid = name, address, cgroup, pid

    def call(self, method: str, path: str, body: bytes = b"", kind: str = "application/json") -> bytes:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.connect(str(self.address))
            http_connection = http.client.HTTPConnection("localhost")
            http_connection.sock = connection
            http_connection.request(method, path, body, {"Content-Type": kind})
            reply = http_connection.getresponse()
            content = reply.read()
        if reply.status >= 400:
            raise RuntimeError(f"{self.name}: {method} {path}: {reply.status} {content[:300]!r}")
        return content

    def load(self, archive: Path) -> None:
        self.call("POST", "/images/load", archive.read_bytes(), "application/x-tar")

    def pull(self, image: str) -> None:
        """The status is 200 whatever happens; an error is in the progress."""
        progress = self.call("POST", f"/images/create?fromImage={image}")
        if b'"error"' in progress:
            raise RuntimeError(f"{self.name}: {progress[-300:]!r}")

    def drop(self, image: str) -> None:
        self.call("DELETE", f"/images/{image}?force=true")

    def create(self, mode: str) -> str:
        limits = [{"Name": name, "Soft": 1024, "Hard": 1024} for name in ("nofile", "nproc")]
        settings: dict[str, Any] = {
            "Image": IMAGE,
            "Cmd": ["sleep", "1000"],
            "HostConfig": {"NetworkMode": mode, "Ulimits": limits, "CgroupParent": self.cgroup},
        }
        return str(json.loads(self.call("POST", "/containers/create", json.dumps(settings).encode()))["Id"])

    def start(self, container: str) -> None:
        self.call("POST", f"/containers/{container}/start")

    def remove(self, container: str) -> None:
        self.call("DELETE", f"/containers/{container}?force=true")


@contextmanager
def running(folder: Path, archive: Path | None, cgroup: str) -> Iterator[list[Peer]]:
    """Those that are installed, with the image of the archive, if there is one. Nothing of them stays."""
    with ExitStack() as stack:
        yield [
            stack.enter_context(_running(name, folder / name, archive, f"/{cgroup}/{name}"))
            for name in COMMANDS
            if installed(name)
        ]


def installed(name: str) -> bool:
    return all(shutil.which(program) for program in NEEDED[name])


@contextmanager
def _running(name: str, folder: Path, archive: Path | None, cgroup: str) -> Iterator[Peer]:
    """In a mount namespace of its own: what it mounts goes with it."""
    folder.mkdir()
    (folder / "containers.conf").write_text(CONTAINERS_CONF.format(folder=folder))
    command = ["unshare", "--mount", "sh", "-ec", f'{PRIVATE}exec "$@"', "sh", *COMMANDS[name](folder)]
    environment = os.environ | {"CONTAINERS_CONF": str(folder / "containers.conf")}
    with (folder / "log").open("w") as log, subprocess.Popen(command, stdout=log, stderr=log, env=environment) as process:
        peer = Peer(name, folder / "socket", cgroup, process.pid)
        try:
            _wait_until_it_answers(peer, process)
            if archive:
                peer.load(archive)
            yield peer
        finally:
            process.terminate()


PRIVATE = "mount -t tmpfs tmpfs /run; mount -t tmpfs tmpfs /var/lib; "
"""What they keep outside of their roots: sockets, the leases of podman's plug-ins."""


def _dockerd(folder: Path) -> Sequence[str]:
    places = ["--data-root", f"{folder}/data", "--exec-root", f"{folder}/exec", "--pidfile", f"{folder}/pid"]
    return ["dockerd", *places, "--host", f"unix://{folder}/socket", "--bip", "10.90.0.1/16", "--storage-driver", "overlay2"]


def _podman(folder: Path) -> Sequence[str]:
    places = ["--root", f"{folder}/root", "--runroot", f"{folder}/run", "--tmpdir", f"{folder}/tmp"]
    kinds = ["--cgroup-manager", "cgroupfs", "--events-backend", "file", "--runtime", "runc"]
    return ["podman", *places, *kinds, "system", "service", "--time", "0", f"unix://{folder}/socket"]


COMMANDS = {"podman": _podman, "docker": _dockerd}
NEEDED = {"podman": ("podman", "conmon", "iptables"), "docker": ("dockerd", "containerd", "iptables")}


def _wait_until_it_answers(peer: Peer, process: "subprocess.Popen[bytes]") -> None:
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline and process.poll() is None:
        with suppress(OSError, RuntimeError):
            peer.call("GET", "/_ping")
            return
        time.sleep(0.1)
    raise RuntimeError(f"{peer.name} did not come up: {(peer.address.parent / 'log').read_text()[-600:]}")
