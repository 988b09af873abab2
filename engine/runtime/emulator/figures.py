"""What is told of an emulated run: its processes, its use of the machine, its namespaces. Made up where there is nothing to
measure, but always so that it adds up, and the same on every machine."""

import re
import zlib
from collections.abc import Callable, Mapping
from typing import Any

from podlink.engine.runtime.base import ProcessInfo
from podlink.engine.runtime.emulator.process import Process
from podlink.engine.runtime.emulator.run import Run
from podlink.engine.stats.sample import Sample

NAMESPACES = {"cgroup": "cgroup", "ipc": "ipc", "mnt": "mount", "net": "network", "pid": "pid", "user": "user", "uts": "uts"}
"""By the name in /proc/PID/ns, the one that the runtime-spec has."""
HOSTS = 4_026_531_835
"""The inode number of the emulated host's first namespace. The kernel too numbers these from 0xEFFFFFFB down and up."""
PARENT = 1
"""Whose child an init is, as the host counts."""


def processes(run: Run) -> list[ProcessInfo]:
    """By PID."""
    with run.changed:
        return [_info(run, process) for process in sorted(run.processes.values(), key=lambda each: each.host_pid)]


def _info(run: Run, process: Process) -> ProcessInfo:
    return ProcessInfo(
        pid=process.host_pid,
        ppid=process.parent.host_pid if process.parent else PARENT,
        uid=run.uid,
        cpu_time=(process.user_time + process.system_time) / 1e9,
        started=process.started / 1e9,
        tty="?",
        command=" ".join(process.argv),
    )


def spent(run: Run) -> tuple[int, int]:
    """Nanoseconds of user and kernel time; processes that have ended count with theirs."""
    with run.changed:
        user, system = run.spent
        living = run.processes.values()
        return user + sum(each.user_time for each in living), system + sum(each.system_time for each in living)


def sample(run: Run) -> Sample:
    """What the run has used so far."""
    with run.changed:
        user, system = spent(run)
        memory, living = run.memory, len(run.processes)
    return Sample(
        at=run.clock.now(),
        cpu_nano=user + system,
        system_nano=system,
        mem_usage=memory,
        mem_limit=run.room,
        net_input=run.usage.received,
        net_output=run.usage.sent,
        block_input=run.usage.read,
        block_output=run.usage.written,
        pids=living,
    )


def listed(spec: Mapping[str, Any]) -> dict[str, str]:
    """The namespaces that the spec lists, by its name for their kind: the path of one to join, else nothing."""
    return {each["type"]: each.get("path", "") for each in spec.get("linux", {}).get("namespaces", ())}


def owner(path: str, find: Callable[[int], Run | None]) -> Run | None:
    """The run that a path such as `/proc/4097/ns/ipc` speaks of. find: a run by the number of its init."""
    match = re.fullmatch(r"/proc/(\d+)/ns/\w+", path)
    return find(int(match[1])) if match else None


def namespaces(run: Run, find: Callable[[int], Run | None]) -> dict[str, str]:
    """The inode number of each: the host's for what the spec does not list; for a joined one that of its owner; else its own."""
    joined = listed(run.launch.spec)
    found = {}
    for number, (name, kind) in enumerate(NAMESPACES.items()):
        path = joined.get(kind)
        if path and (other := owner(path, find)):
            found[name] = namespaces(other, find)[name]
        elif path is None:
            found[name] = str(HOSTS + number)
        else:
            stranger = zlib.crc32(path.encode()) if path else run.number
            found[name] = str(HOSTS + len(NAMESPACES) * stranger + number)
    return found
