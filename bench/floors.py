"""What a verb can't be faster than: the least that the kernel, the disk and runc ask for the same effect.

Each floor is timed in the same run and in turn with the verb that it stands under, so that a slow moment of the machine
hits both.
"""

import json
import os
import select
import shutil
import signal
import socket
import sqlite3
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NoReturn

Milliseconds = float


def timed(act: Callable[..., object], *arguments: Any, **named: Any) -> Milliseconds:
    began = time.perf_counter()
    act(*arguments, **named)
    return (time.perf_counter() - began) * 1000


class Commit:
    """One durable row: what creating or removing anything costs at least. WAL and FULL, as the engine's state has it."""

    def __init__(self, folder: Path) -> None:
        self.database = sqlite3.connect(folder / "floor.db", isolation_level=None)
        self.database.execute("PRAGMA journal_mode = WAL")
        self.database.execute("PRAGMA synchronous = FULL")
        self.database.execute("CREATE TABLE floor (document TEXT)")

    def __call__(self) -> None:
        self.database.execute("INSERT INTO floor VALUES (?)", ("x" * 1000,))

    def close(self) -> None:
        self.database.close()


class Echo:
    """A process that answers each message with a fixed one: a call over a socket, and nothing behind it."""

    def __init__(self, reply: dict[str, Any]) -> None:
        self.socket, theirs = socket.socketpair()
        self.child = os.fork()
        if self.child == 0:
            self.socket.close()
            answer(theirs, json.dumps(reply).encode() + b"\0")
        theirs.close()

    def __call__(self) -> Any:
        self.socket.sendall(b'{"method":"io.projectatomic.podman.Ping"}\0')
        received = bytearray()
        while not received.endswith(b"\0"):
            received += self.socket.recv(1 << 20)
        return json.loads(received[:-1])

    def close(self) -> None:
        self.socket.close()
        os.waitpid(self.child, 0)


def answer(connection: socket.socket, message: bytes) -> NoReturn:
    """The child's whole life."""
    while connection.recv(65536):
        connection.sendall(message)
    os._exit(0)


class BareRunc:
    """runc alone, on the bundle that the engine wrote for a container of the same kind, over a plain root file system."""

    def __init__(self, folder: Path, specification: Path, tar: Path, cgroup_parent: str) -> None:
        self.folder = folder
        self.bundle = folder / "bundle"
        rootfs = self.bundle / "rootfs"
        rootfs.mkdir(parents=True)
        subprocess.run(["tar", "-xf", str(tar), "-C", str(rootfs)], check=True)
        self.spec = json.loads(specification.read_text())
        self.spec["root"]["path"] = str(rootfs)
        self.cgroup_parent = cgroup_parent

    def prepare(self, name: str) -> None:
        """Not timed: give the next container its own cgroup."""
        self.spec["linux"]["cgroupsPath"] = f"/{self.cgroup_parent}/{name}"
        (self.bundle / "config.json").write_text(json.dumps(self.spec))

    def run(self, name: str) -> None:
        self._runc("run", "--detach", "--pid-file", str(self.folder / f"{name}.pid"), "--bundle", str(self.bundle), name)

    def pid(self, name: str) -> int:
        return int((self.folder / f"{name}.pid").read_text())

    def delete(self, name: str) -> None:
        self._runc("delete", "--force", name)

    def _runc(self, *words: str) -> None:
        command = ["runc", "--root", str(self.folder / "runc"), *words]
        subprocess.run(command, check=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)

    def close(self) -> None:
        """Not timed: delete what still runs, and the copy of the root file system."""
        for name in [path.name for path in (self.folder / "runc").glob("*")]:
            with suppress(subprocess.CalledProcessError):
                self.delete(name)
        shutil.rmtree(self.bundle)


class Process:
    """A process that is no child of ours, by a descriptor that can't come to mean another one (pidfd_open(2))."""

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor

    def end(self) -> None:
        """SIGTERM, and wait for the exit without polling."""
        signal.pidfd_send_signal(self.descriptor, signal.SIGTERM)
        if not select.select([self.descriptor], [], [], 30)[0]:
            raise TimeoutError("a container of bare runc took no notice of SIGTERM")


@contextmanager
def process(pid: int) -> Iterator[Process]:
    descriptor = os.pidfd_open(pid)
    try:
        yield Process(descriptor)
    finally:
        os.close(descriptor)


def wait_for_trap(pid: int) -> None:
    """Until the process catches SIGTERM: PID 1 of a namespace ignores it before (SigCgt in proc_pid_status(5))."""
    while not _caught(pid) >> (signal.SIGTERM - 1) & 1:
        time.sleep(0.001)


def _caught(pid: int) -> int:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return int(next(line.split()[1] for line in lines if line.startswith("SigCgt")), 16)
