"""`podlink serve` as a child, on a socket in a temporary folder, and proof that it left nothing behind.

Everything that the service makes on the host is either below the folder (files, mounts, the socket) or below a cgroup
of its own (containers, monitors). So what is left can be found, and in the worst case removed, without asking it.
"""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

CGROUPS = Path("/sys/fs/cgroup")


@dataclass(frozen=True)
class Choice:
    """What the containers run on here. why: what is missing for the real thing; empty where nothing is."""

    runtime: str
    storage_driver: str
    why: str = ""


def choose() -> Choice:
    """runc where this host can, else the emulator: tried, not guessed, because a root without its rights may not mount."""
    if os.geteuid() != 0:
        return Choice("emulator", "vfs", "this is not root")
    if shutil.which("runc") is None:
        return Choice("emulator", "vfs", "runc is not installed")
    if subprocess.run(["unshare", "--mount", "true"], capture_output=True).returncode != 0:
        return Choice("emulator", "vfs", "root may not make namespaces here")
    return Choice("runc", "overlay")


class ServiceFailed(Exception):
    """The service could not be started; the message has its own words."""


class Service:
    """A running service. address: where it listens."""

    def __init__(self, folder: Path, choice: Choice, cgroup_parent: str, options: Sequence[str] = ()) -> None:
        self.folder = folder
        self.cgroup_parent = cgroup_parent
        self.log = folder / "service.log"
        self.address = f"unix:{folder}/podlink.sock"
        with self.log.open("w") as log:
            self.process = subprocess.Popen(
                [*self._command(choice), *options, self.address],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                start_new_session=True,  # Ctrl-C is for us: we end the service when we have cleaned up with its help
            )

    def _command(self, choice: Choice) -> list[str]:
        places = ["--root", f"{self.folder}/root", "--runroot", f"{self.folder}/run", "--cgroup-parent", self.cgroup_parent]
        parts = ["--runtime", choice.runtime, "--storage-driver", choice.storage_driver]
        return [sys.executable, "-m", "podlink", "serve", *places, *parts]

    def wait_until_it_listens(self) -> None:
        """It says so in one line; a service that can't start ends instead, and its log says why."""
        assert self.process.stdout is not None
        if not self.process.stdout.readline().startswith("listening on "):
            raise ServiceFailed(f"the service ended with status {self.process.wait()} and said:\n{self.log.read_text()}")

    def end(self) -> int:
        """SIGTERM, and its exit status; SIGKILL where that takes more than ten seconds."""
        with suppress(ProcessLookupError):
            self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            return self.process.wait()
        finally:
            if self.process.stdout:
                self.process.stdout.close()

    def leftovers(self) -> list[str]:
        """What there still is of it on the host, each as a person would name it. Folders without content don't count."""
        mounts = [f"mount {path}" for path in mounts_below(self.folder)]
        processes = [f"process {pid}" for pid in processes_below(self.cgroup_parent) | processes_naming(self.folder)]
        containers = [f"cgroup {path}" for path in cgroups(self.cgroup_parent) if len(path.name) == 64]
        return mounts + sorted(processes) + containers

    def sweep(self) -> None:
        """Remove by force what is left: only what lies below the folder and the cgroup, which are this service's alone."""
        deadline = time.monotonic() + 5
        while (left := processes_below(self.cgroup_parent)) and time.monotonic() < deadline:
            for pid in left:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            time.sleep(0.02)
        for place in reversed(mounts_below(self.folder)):
            subprocess.run(["umount", "--lazy", place], check=False)
        for path in cgroups(self.cgroup_parent):
            with suppress(OSError):
                path.rmdir()


@contextmanager
def serving(choice: Choice, *options: str) -> Iterator[Service]:
    """A service for as long as the block lasts; however the block ends, nothing of the service stays."""
    folder = Path(tempfile.mkdtemp(prefix="podlink-"))
    service = Service(folder, choice, f"podlink-{folder.name.removeprefix('podlink-')}", options)
    try:
        service.wait_until_it_listens()
        yield service
    finally:
        service.end()
        service.sweep()
        shutil.rmtree(folder)


def mounts_below(folder: Path) -> list[str]:
    """The mount points below a folder, in the order in which they were mounted (proc_pid_mountinfo(5), field 5)."""
    points = [line.split()[4] for line in Path("/proc/self/mountinfo").read_text().splitlines()]
    return [point for point in points if point.startswith(f"{folder}/")]


def cgroups(parent: str) -> list[Path]:
    """The cgroup and all below it, deepest first, in every hierarchy: one on cgroup v2, one a controller on v1."""
    tops = [path for path in (CGROUPS / parent, *CGROUPS.glob(f"*/{parent}")) if path.is_dir()]
    return [path for top in tops for path in sorted((top, *top.rglob("*/")), reverse=True)]


def processes_below(parent: str) -> set[int]:
    """The processes in a cgroup and all below it."""
    found: set[int] = set()
    for path in cgroups(parent):
        with suppress(OSError):  # the cgroup went while we looked
            found |= {int(pid) for pid in (path / "cgroup.procs").read_text().split()}
    return found


def processes_naming(folder: Path) -> set[int]:
    """The processes whose command line names the folder."""
    found = set()
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):
            if f"{folder}/".encode() in path.read_bytes():
                found.add(int(path.parent.name))
    return found
