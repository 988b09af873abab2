"""ListContainerProcesses: ps(1) over one container."""

import time
from collections.abc import Sequence

from podlink.engine.containers.lifecycle import require, truth
from podlink.engine.errors import InvalidState
from podlink.engine.host import Host
from podlink.engine.runtime.base import ProcessInfo
from podlink.engine.state.containers import Container

HEADER = "  UID   PID  PPID  C STIME TTY          TIME CMD"
"""`ps -o uid,pid,ppid,c,stime,tname,time,cmd`, the columns where no options are given."""


def processes(host: Host, name: str, options: Sequence[str] = ()) -> list[str]:
    """The header, then a line for each process. options: of ps(1), as one would give them to it.

    Raises ContainerNotFound; InvalidState where nothing runs; ErrorOccurred for options that ps does not know or that
    leave the PID out.
    """
    container = truth(host, host.state.containers.find(name))
    require(container, "list the processes of")
    rows = host.runtime.ps(container.id, options) if options else [HEADER, *map(_row, host.runtime.processes(container.id))]
    if len(rows) < 2:
        raise _ended(container)
    return rows


def _ended(container: Container) -> InvalidState:
    """What a list that came out empty means: a container that runs has an init."""
    return InvalidState(f"cannot list the processes of container {container.name} ({container.id[:12]}): it ended just now")


def _row(process: ProcessInfo) -> str:
    """One line below HEADER, in ps's widths."""
    lived = max(time.time() - process.started, 1)
    share = min(int(process.cpu_time * 100 / lived), 99)
    started = time.strftime("%H:%M" if lived < 86400 else "%b%d", time.localtime(process.started))
    hours, seconds = divmod(int(process.cpu_time), 3600)
    clock = f"{hours:02}:{seconds // 60:02}:{seconds % 60:02}"
    return f"{process.uid:5} {process.pid:5} {process.ppid:5} {share:2} {started:5} {process.tty:8} {clock} {process.command}"
