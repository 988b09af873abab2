"""The end of a run: what is left of the container dies, its last words are saved, its exit is written down, and somebody
is found who cleans up.
"""

import os
import signal
import socket
import sys
import traceback
from pathlib import Path

from podlink.engine.linux import cgroups
from podlink.engine.runtime import exits
from podlink.engine.runtime.monitor import records
from podlink.engine.runtime.monitor.pump import Pump
from podlink.engine.runtime.monitor.start import ENVIRONMENT, RESET
from podlink.engine.runtime.record import Damaged

DRAINING = 2.0
"""Seconds for a writer outside the container that has its pipe and does not stop writing."""
CLEANING = 60.0
"""Seconds for an engine to clean up. It may have to wait for the container's lock first."""
DONE = b"done\n"


def conclude(orders: records.Orders, code: int, at: int, pump: Pump) -> None:
    """Write down how the run ended. When this returns the record is on the disk, and the log is whole."""
    trouble = ""
    try:
        cgroups.kill_all(orders.cgroup)  # the children of an init in the host's PID namespace live on and keep the pipes open
    except OSError as error:
        trouble = f"not all of the container's processes ended: {error}"
    oom_killed = cgroups.oom_killed(orders.cgroup)
    pump.drain(DRAINING)
    trouble = "; ".join(filter(None, (trouble, pump.trouble)))
    exits.write(Path(orders.directory), exits.Exit(number=orders.number, code=code, at=at, oom_killed=oom_killed, error=trouble))


def see_to_cleanup(bundle: Path, orders: records.Orders) -> None:
    """Ask the engine that listens; where none answers, become the process that cleans up. May not return."""
    if is_current(bundle, orders) and not ask(orders) and orders.cleanup and is_current(bundle, orders):
        for number in RESET - {signal.SIGPIPE}:
            signal.signal(number, signal.SIG_DFL)
        os.execve(orders.cleanup[0], orders.cleanup, ENVIRONMENT)


def is_current(bundle: Path, orders: records.Orders) -> bool:
    """Whether the run directory is still this run's: else somebody who saw the exit record has cleaned up already."""
    try:
        now = records.read_orders(bundle)
    except Damaged:
        return True  # nobody has cleaned up: there would be nothing to be read
    return now is not None and now.number == orders.number


def ask(orders: records.Orders) -> bool:
    """Have the engine that listens in the run directory clean up; whether one did."""
    try:
        directory = os.open(orders.runroot, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.settimeout(CLEANING)
            connection.connect(f"/proc/self/fd/{directory}/{records.SOCKET}")  # short, however long the path is: unix(7)
            connection.sendall(orders.container.encode() + b"\n")
            return connection.recv(len(DONE), socket.MSG_WAITALL) == DONE
    except OSError:
        return False
    finally:
        os.close(directory)


def report(trouble: BaseException) -> None:
    """A monitor's own trouble, for `runroot/monitor.log`, which is its stderr."""
    print(f"monitor {os.getpid()}:", *traceback.format_exception(trouble), file=sys.stderr, flush=True)
