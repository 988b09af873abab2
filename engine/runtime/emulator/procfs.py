"""What of proc(5) can be read: a process by its number or as `self`, and a little of the machine. No folder can be listed."""

import posixpath
import re
from typing import TYPE_CHECKING

from podlink.engine.runtime.emulator import machine
from podlink.engine.runtime.emulator.channels import Channel
from podlink.engine.runtime.emulator.usage import RESIDENT

if TYPE_CHECKING:
    from podlink.engine.runtime.emulator.process import Process

PLACE = re.compile(r"/proc/(?:(self|\d+)/)?(cmdline|comm|stat|status|mounts|uptime|meminfo)")
LONGEST = 15
"""Characters of a process's name that the kernel keeps: TASK_COMM_LEN."""
STATES = {"R": "R (running)", "S": "S (sleeping)", "T": "T (stopped)"}


class Text(Channel):
    """A text as it was when the file was opened."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self._left = text.encode(errors="surrogateescape")

    def read(self, size: int) -> bytes:
        taken, self._left = self._left[:size], self._left[size:]
        return taken


def text(process: "Process", path: str) -> str | None:
    """What a process reads there; the lock is held. None: nothing that is told here."""
    if not (found := PLACE.fullmatch(path)):
        return None
    number, name = found.groups()
    if name in ("uptime", "meminfo"):
        return None if number else _machine(process, name)
    if name == "mounts":
        return _mounts(process) if number in (None, "self") else None
    target = process if number == "self" else process.run.processes.get(int(number or 0))
    return _told(target, name, is_reader=target is process) if target else None


def _told(process: "Process", name: str, *, is_reader: bool) -> str:
    state = "T" if process.stopped else "R" if is_reader else "S"
    comm = posixpath.basename(process.argv[0])[:LONGEST]
    parent = process.parent.pid if process.parent else 0
    run = process.run
    match name:
        case "cmdline":
            return "".join(f"{word}\0" for word in process.argv)
        case "comm":
            return f"{comm}\n"
        case "stat":
            return f"{process.pid} ({comm}) {state} {parent} {process.group} " + " ".join(["0"] * 47) + "\n"
    lines = {
        "Name": comm,
        "State": STATES[state],
        "Tgid": process.pid,
        "Pid": process.pid,
        "PPid": parent,
        "Uid": "\t".join([str(run.uid)] * 4),
        "Gid": "\t".join([str(run.gid)] * 4),
        "VmRSS": f"{(RESIDENT + process.memory) // 1024:8} kB",
        "Threads": 1,
    }
    return "".join(f"{key}:\t{value}\n" for key, value in lines.items())


def _machine(process: "Process", name: str) -> str:
    run = process.run
    if name == "uptime":
        return f"{run.clock.monotonic():.2f} 0.00\n"
    free = machine.MEMORY - run.memory
    figures = {"MemTotal": machine.MEMORY, "MemFree": free, "MemAvailable": free, "SwapTotal": 0, "SwapFree": 0}
    return "".join(f"{key + ':':15} {size // 1024:8} kB\n" for key, size in figures.items())


def _mounts(process: "Process") -> str:
    spec = process.run.launch.spec
    access = "ro" if spec["root"].get("readonly") else "rw"
    lines = [f"overlay / overlay {access},relatime 0 0\n"]
    for each in spec.get("mounts", ()):
        access = "ro" if "ro" in each.get("options", ()) else "rw"
        lines.append(f"{each['source']} {each['destination']} {each['type']} {access},relatime 0 0\n")
    return "".join(lines)
