"""ListContainerProcesses: ps(1) over one container."""

import logging
import time
from collections.abc import Sequence
from dataclasses import replace

from podlink.engine.containers.lifecycle import require, truth
from podlink.engine.containers.users import accounts, in_storage
from podlink.engine.errors import EngineError, ErrorOccurred, InvalidState
from podlink.engine.host import Host
from podlink.engine.oci.spec.values import IDRange
from podlink.engine.runtime.base import Accounts, ProcessInfo
from podlink.engine.state.values import Container

log = logging.getLogger(__name__)

HEADER = "  UID   PID  PPID  C STIME TTY          TIME CMD"
"""`ps -o uid,pid,ppid,c,stime,tname,time,cmd`, the columns where no options are given."""
OVERFLOW = 65534
"""Whom the kernel shows for an ID that is not mapped: /proc/sys/kernel/overflowuid."""


def processes(host: Host, name: str, options: Sequence[str] = ()) -> list[str]:
    """The header, then a line for each process. options: of ps(1), as one would give them to it; they may choose some of the
    container's processes, and leave the header out. Users have IDs and names as inside, processes the host's PIDs.

    Raises ContainerNotFound; InvalidState where nothing runs; ErrorOccurred for what ps refuses.
    """
    container = truth(host, host.state.containers.find(name))
    require(container, "list the processes of")
    if any("\0" in option for option in options):
        raise ErrorOccurred("opts: a word holds a NUL, which no argument of a program can")
    rows = host.runtime.ps(container.id, options, _accounts(host, container)) if options else _usual(host, container)
    if len(rows) < 2 and not host.runtime.processes(container.id):
        raise _ended(container)
    return rows


def _accounts(host: Host, container: Container) -> Accounts:
    try:
        return accounts(in_storage(host, container.id))
    except (EngineError, OSError) as trouble:  # its files are hostile: it then has numbers for names
        log.warning("the users of container %s (%s): %s", container.name, container.id[:12], trouble)
        return Accounts()


def _usual(host: Host, container: Container) -> list[str]:
    ranges = container.config.uid_map
    found = host.runtime.processes(container.id)
    now = host.clock.now() / 1e9
    return [HEADER, *(_row(replace(each, uid=_inside(ranges, each.uid)), now) for each in found)]


def _inside(ranges: tuple[IDRange, ...], uid: int) -> int:
    """The container's number of one of the host's, as the kernel tells it inside: user_namespaces(7)."""
    if not ranges:
        return uid
    fitting = (each for each in ranges if each.outside <= uid < each.outside + each.size)
    return next((each.inside + uid - each.outside for each in fitting), OVERFLOW)


def _ended(container: Container) -> InvalidState:
    """What a list that came out empty means: a container that runs has an init."""
    return InvalidState(f"cannot list the processes of container {container.name} ({container.id[:12]}): it ended just now")


def _row(process: ProcessInfo, now: float) -> str:
    """One line below HEADER, in ps's widths. now: seconds since the epoch."""
    lived = max(now - process.started, 1)
    share = min(int(process.cpu_time * 100 / lived), 99)
    started = time.strftime("%H:%M" if lived < 86400 else "%b%d", time.localtime(process.started))
    hours, seconds = divmod(int(process.cpu_time), 3600)
    clock = f"{hours:02}:{seconds // 60:02}:{seconds % 60:02}"
    return f"{process.uid:5} {process.pid:5} {process.ppid:5} {share:2} {started:5} {process.tty:8} {clock} {process.command}"
