"""The run directory of a container: `runroot/containers/ID`, gone with the run. It is the OCI bundle, too.

    config.json     by the engine: the runtime-spec configuration, for runc
    orders.json     by the engine: what the monitor is to do (`Orders`)
    monitor.lock    flock(2) from before the monitor is forked until the exit record is there, or the start has failed
    runc.log        by runc: a JSON object a line
    init.pid        by runc
    process.json    by the monitor, once init runs: who it is (`Started`)
    attach, ctl     by the monitor: where clients attach (`podlink.engine.streams.attach`)
    console.sock    by the monitor: where runc hands over the terminal, if there is one
    shm             a tmpfs, the container's /dev/shm

The lock is taken by the engine and handed to the monitor with its descriptor, so there is no moment at which a start is
under way and nobody holds it. While it is held, an exit record may still come; once it is free, none will.
"""

import errno
import json
import os
import stat
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from podlink.engine.runtime import record
from podlink.engine.streams.log import Keeping

ORDERS, LOCK, RUNC_LOG, PID_FILE, STARTED = "orders.json", "monitor.lock", "runc.log", "init.pid", "process.json"
SHM = "shm"
SOCKET = "engine.sock"
LONGEST_PID = 16
"""Bytes of a file with a PID, whoever wrote it; the highest has seven digits (PID_MAX_LIMIT, proc(5))."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Orders:
    """number: of the start. runc: argv. directory: for the log and the exit record. runroot: where `engine.sock` is, if any.

    cleanup: argv of what undoes the run's traces on the host where no engine listens.
    pid_file: where the monitor leaves its PID; empty is nowhere. tty, interactive: what init's stdin is (stdio.py).
    """

    container: str
    number: int
    runc: list[str]
    cgroup: str
    directory: str
    runroot: str
    cleanup: list[str]
    pid_file: str = ""
    tty: bool = False
    interactive: bool = False
    log: Keeping = field(default_factory=Keeping)


@dataclass(frozen=True, slots=True, kw_only=True)
class Started:
    """A run: its number, its init and its monitor, each with its start time so that nobody else is taken for them."""

    number: int
    pid: int
    start: int
    boot: str
    monitor: int
    monitor_start: int


def write_orders(bundle: Path, orders: Orders) -> None:
    """Leave the orders. Not synced: the run directory means nothing after a reboot."""
    _replace(bundle / ORDERS, asdict(orders))


def read_orders(bundle: Path) -> Orders | None:
    """The orders; None where there are none. Raises Damaged."""
    return record.read(Orders, bundle / ORDERS)


def write_started(bundle: Path, started: Started) -> None:
    """Leave word of who runs."""
    _replace(bundle / STARTED, asdict(started))


def read_started(bundle: Path) -> Started | None:
    """Who runs, or ran; None where no init was ever seen. Raises Damaged."""
    return record.read(Started, bundle / STARTED)


def write_pid(path: Path) -> None:
    """Leave the PID of this process, for whoever asked to be told. It stays when the process ends.

    Raises OSError, and FileExistsError where there is something else than a PID: whoever mistook the path keeps what is there.
    """
    if not _is_free_for_pid(path):
        raise FileExistsError(errno.EEXIST, "what is there is no PID; move it away, or choose another place", str(path))
    _put(path, str(os.getpid()))


def _is_free_for_pid(path: Path) -> bool:
    """Whether there is nothing, an empty file, or the PID of an earlier run."""
    try:
        status = path.lstat()
    except FileNotFoundError:
        return True
    if not stat.S_ISREG(status.st_mode) or status.st_size > LONGEST_PID:
        return False
    return status.st_size == 0 or path.read_bytes().strip().isdigit()


def _replace(path: Path, values: dict[str, Any]) -> None:
    _put(path, json.dumps(values))


def _put(path: Path, text: str) -> None:
    """By rename: who reads finds all of it or nothing."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        draft.write_text(text)
        draft.replace(path)
    except OSError:
        draft.unlink(missing_ok=True)
        raise
