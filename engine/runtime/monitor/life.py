"""A monitor's life, from its first line to its last."""

import json
import os
import signal
import socket
import time
from pathlib import Path

from podlink.engine.linux import process
from podlink.engine.runtime.monitor import finish, records
from podlink.engine.runtime.monitor.children import Children
from podlink.engine.runtime.monitor.pump import Pump
from podlink.engine.runtime.monitor.start import StartFailed, start
from podlink.engine.streams.log import Keeping, Log, writer

DEAF = (signal.SIGHUP, signal.SIGINT, signal.SIGTERM)
"""What a host that shuts down sends to everybody. The container gets it too, and somebody has to see how it ends."""
PARTING = 1.0
"""Seconds for those who are attached to read the last words, once the exit is written down."""
AT_ONCE = 200
"""Descriptors that one message carries; the kernel's limit is 253 (SCM_MAX_FD, unix(7))."""
LARGEST = 4096
"""Bytes of a path: PATH_MAX."""


def live(engine: socket.socket) -> None:
    """Wait for the run directory of a container; start it, say so, watch over it until it ends.

    engine: at its other end the engine sends the path, with `monitor.lock`, held by its descriptor, and gets one answer. runc
    inherits both: should the monitor be killed meanwhile, neither is free before runc has left.
    """
    process.become_subreaper()
    children = Children()
    path, descriptors, _, _ = socket.recv_fds(engine, LARGEST, 1)
    if not path:
        return  # the engine has closed, and nothing was begun
    for number in DEAF:
        signal.signal(number, signal.SIG_IGN)
    bundle, lock = Path(os.fsdecode(path)), descriptors[0]
    held = _received(engine)
    try:
        orders, pump, started = _begin(bundle, children)
    except Exception as failure:  # of whatever kind: the engine must hear of it
        os.close(lock)  # before the answer: whoever reads that undoes the start
        _answer(engine, error=str(failure))
        return
    _answer(engine, pid=started.pid, start=started.start, boot=started.boot)
    code = _watch_over(started.pid, pump, children)
    at = time.time_ns()
    for descriptor in held:  # before the exit record: whoever sees that may start the container again, with its ports
        os.close(descriptor)
    try:
        finish.conclude(orders, code, at, pump)
    except Exception as trouble:  # a disk that takes no exit record: the engine will say that the end was not seen
        finish.report(trouble)
    pump.close()  # an open log would keep the removal of its directory from being told to those who watch it
    os.close(lock)
    pump.part(PARTING)
    finish.see_to_cleanup(bundle, orders)


def _received(engine: socket.socket) -> list[int]:
    """What the engine has us hold, until it says that this was all, or is gone."""
    held: list[int] = []
    while True:
        word, descriptors, _, _ = socket.recv_fds(engine, 1, AT_ONCE, socket.MSG_CMSG_CLOEXEC)
        held += descriptors
        if not word:
            return held


def _begin(bundle: Path, children: Children) -> tuple[records.Orders, Pump, records.Started]:
    """All that can fail, undone where it does, save what runc left behind: that is the engine's to undo."""
    orders = records.read_orders(bundle)
    if orders is None:
        raise StartFailed(f"{bundle}: the start was given up before its monitor came")
    if orders.pid_file:
        _tell_pid(Path(orders.pid_file))
    directory = Path(orders.directory)
    log = _open_log(orders.log, directory)
    (stdout, stdout_end), (stderr, stderr_end) = os.pipe2(os.O_CLOEXEC), os.pipe2(os.O_CLOEXEC)
    pump = Pump(log, (stdout, stderr), bundle)
    try:
        started = start(bundle, orders, pump, children, (stdout_end, stderr_end))
    except BaseException:
        pump.close()
        raise
    pump.open_log()
    os.utime(directory)  # wakes those who watch the directory: there is somebody to watch now
    return orders, pump, started


def _open_log(keeping: Keeping, directory: Path) -> Log:
    try:
        return writer(keeping, directory)
    except OSError as error:
        place = error.filename or keeping.path or directory
        raise StartFailed(f"the log can't be opened: {place}: {(error.strerror or str(error)).lower()}") from error


def _tell_pid(path: Path) -> None:
    try:
        records.write_pid(path)
    except OSError as error:
        raise StartFailed(f"conmon_pidfile: {path} can't be written: {(error.strerror or str(error)).lower()}") from error


def _watch_over(init: int, pump: Pump, children: Children) -> int:
    """init's exit code, once it has one."""
    while (code := children.ended_of_all(init)) is None:
        pump.wait(children.descriptor)
        children.answer()
    return code


def _answer(engine: socket.socket, **values: object) -> None:
    """Tell the engine, if it is still there: who is found to run by the next one."""
    with engine:
        try:
            engine.sendall(json.dumps(values).encode())
        except OSError as trouble:
            finish.report(trouble)
