"""`podlink serve` as a process of its own, as an administrator has it."""

import itertools
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import own_cgroups
import pytest
from patience import patience, until

import podlink
from podlink.api.varlink.client import Client

counter = itertools.count()

RUNTIMES = [
    pytest.param("emulator", id="emulator"),
    pytest.param("runc", id="runc", marks=pytest.mark.needs("root", "runc", "overlay")),
]


@dataclass
class Service:
    """A service on a socket of its own; it can be ended, killed and started again on the same root."""

    folder: Path
    runtime: str
    parent: str
    process: subprocess.Popen[str] | None = None
    options: tuple[str, ...] = ()
    address: str = field(init=False)

    def __post_init__(self) -> None:
        self.address = f"unix:{self.folder}/podlink.sock"

    def command(self) -> list[str]:
        driver = "vfs" if self.runtime == "emulator" else "overlay"
        places = ["--root", f"{self.folder}/root", "--runroot", f"{self.folder}/run", "--cgroup-parent", self.parent]
        kinds = ["--runtime", self.runtime, "--storage-driver", driver]
        return [sys.executable, "-m", "podlink", "serve", *places, *kinds, *self.options, self.address]

    def environment(self) -> dict[str, str]:
        return {**os.environ, "PYTHONPATH": str(Path(podlink.__file__).absolute().parent.parent)}

    def start(self) -> None:
        with (self.folder / "service.log").open("a") as log:
            self.process = subprocess.Popen(
                self.command(), stdout=subprocess.PIPE, stderr=log, text=True, cwd="/", env=self.environment()
            )
        assert self.process.stdout
        line = self.process.stdout.readline()
        assert line.startswith("listening on "), (self.folder / "service.log").read_text()

    def end(self, number: int = signal.SIGTERM) -> int:
        assert self.process
        self.process.send_signal(number)
        code = self.process.wait(patience())
        assert self.process.stdout
        self.process.stdout.close()
        self.process = None
        return code

    def client(self) -> Client:
        return Client.connect(self.address)

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        with self.client() as client:
            return client.call(f"io.projectatomic.podman.{method}", **parameters)

    def create(self, *command: str, **fields: Any) -> str:
        return str(self.call("CreateContainer", create={"image": "small", "command": list(command), **fields})["container"])

    def threads(self) -> int:
        assert self.process
        return len(list(Path(f"/proc/{self.process.pid}/task").iterdir()))

    def rests(self) -> bool:
        """Whether no thread of it wakes up in a second."""
        before = self._awakenings()
        time.sleep(1)
        return self._awakenings() == before

    def _awakenings(self) -> dict[str, str]:
        """By thread, how often it gave the processor up by itself: proc_pid_status(5)."""
        assert self.process
        threads = Path(f"/proc/{self.process.pid}/task").iterdir()
        return {each.name: (each / "status").read_text().partition("voluntary_ctxt_switches:")[2].split()[0] for each in threads}

    def log(self) -> str:
        return (self.folder / "service.log").read_text()


@pytest.fixture(params=RUNTIMES)
def service(request: pytest.FixtureRequest, tmp_path: Path, busybox_tar: Path) -> Iterator[Service]:
    yield from serving(Service(short(tmp_path), request.param, own_cgroups.new_parent()), busybox_tar)


@pytest.fixture(scope="module", params=RUNTIMES)
def lasting(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, busybox_tar: Path) -> Iterator[Service]:
    """One for all tests of a module that change nothing: a start takes longer than they do."""
    folder = short(tmp_path_factory.mktemp("service"))
    yield from serving(Service(folder, request.param, own_cgroups.new_parent()), busybox_tar)


@pytest.fixture
def real_service(tmp_path: Path, busybox_tar: Path) -> Iterator[Service]:
    """On runc; the test is to be marked with what it needs."""
    yield from serving(Service(short(tmp_path), "runc", own_cgroups.new_parent()), busybox_tar)


def short(tmp_path: Path) -> Path:
    """The folder itself where a socket's path fits (sun_path holds 107 bytes: unix(7)), else a link to it that does."""
    if len(str(tmp_path)) < 80:
        return tmp_path
    link = Path(f"/tmp/podlink-{os.getpid()}-{next(counter)}")
    link.symlink_to(tmp_path)
    return link


def serving(service: Service, busybox_tar: Path) -> Iterator[Service]:
    try:
        service.start()
        service.call("ImportImage", source=str(busybox_tar), reference="small", message="", changes=["CMD=/bin/sh"])
        yield service
        if service.process is None:
            service.start()
        for each in service.call("ListContainers")["containers"]:
            service.call("RemoveContainer", name=each["id"], force=True)
        assert service.end() == 0
        assert [each for each in leftovers(service) if not each.startswith("process ")] == []
        until(lambda: not leftovers(service), lambda: leftovers(service))  # a monitor's last steps are nobody's to wait for
    finally:
        if service.process:
            service.end(signal.SIGKILL)
        own_cgroups.remove_cgroups(service.parent)
        if service.folder.is_symlink():
            service.folder.unlink()


def leftovers(service: Service) -> list[str]:
    """What the service left on the host: mounts below its folder, containers' cgroups, and processes that name the folder."""
    found = [
        line.split()[4]
        for line in Path("/proc/self/mountinfo").read_text().splitlines()
        if f"{service.folder.resolve()}/" in line
    ]
    found += [
        str(path) for path in Path("/sys/fs/cgroup").glob(f"*/{service.parent}/*") if path.is_dir() and path.name != "monitor"
    ]
    for entry in Path("/proc").iterdir():
        with suppress(OSError):
            if entry.name.isdecimal() and f"{service.folder}/".encode() in (entry / "cmdline").read_bytes():
                found.append(f"process {entry.name}")
    return found
