"""Commands that find processes by what they are called: killall pgrep pidof pkill."""

import re

from podlink.engine.runtime.emulator import signals
from podlink.engine.runtime.emulator.process import Exited, Process
from podlink.engine.runtime.emulator.userland.command import Options, complain, options, reason
from podlink.engine.runtime.emulator.userland.expressions import extended

LONGEST = 15
"""Characters of a process's name that the kernel keeps: proc_pid_comm(5)."""
Found = list[tuple[int, str, str]]
"""Number, name and command line of processes, the oldest first."""


def pidof(process: Process) -> int:
    """pidof NAME…: the processes that are called so, the youngest first."""
    names = process.argv[1:]
    pids = [pid for pid, name, _ in reversed(_all(process)) if name in names]
    if pids:
        process.write(1, " ".join(map(str, pids)) + "\n")
    return int(not pids)


def killall(process: Process) -> int:
    """killall [-q] [-SIGNAL] NAME…; itself it spares."""
    number, words = _signal(process)
    is_quiet = words[:1] == ["-q"]
    names = words[1:] if is_quiet else words
    if not names:
        return complain(process, "you need to specify whom to kill")
    status = 0
    for name in names:
        pids = [pid for pid, called, _ in _all(process) if called == name and pid != process.pid]
        if not pids and not is_quiet:
            complain(process, f"{name}: no process killed")
        status = max(status, _send(process, pids, number), int(not pids))
    return status


def pgrep(process: Process) -> int:
    """pgrep [-flanovx] [-P PARENT] [PATTERN]: those whose name, or (`-f`) command line, it fits; 1 where there are none."""
    found, words = options(process, "flanovx", "P")
    chosen = _chosen(process, found, words)
    for pid, name, line in chosen:
        process.write(1, f"{pid} {line}\n" if "a" in found else f"{pid} {name}\n" if "l" in found else f"{pid}\n")
    return int(not chosen)


def pkill(process: Process) -> int:
    """pkill [-SIGNAL] [-fnovx] [-P PARENT] [PATTERN]"""
    number, rest = _signal(process)
    process.argv = [process.argv[0], *rest]
    found, words = options(process, "fnovx", "P")
    chosen = _chosen(process, found, words)
    return max(_send(process, [pid for pid, _, _ in chosen], number), int(not chosen))


def _all(process: Process) -> Found:
    def told() -> Found:
        return [(pid, each.argv[0].rpartition("/")[2], " ".join(each.argv)) for pid, each in process.run.processes.items()]

    return sorted(process.call(told))


def _signal(process: Process) -> tuple[int, list[str]]:
    """What `-SIGNAL` in front means, and the words behind it. One that is none ends the command, unless it is another option."""
    words = process.argv[1:]
    if words and re.fullmatch(r"-(\d+|[A-Z][A-Z0-9+-]+)", words[0]):
        if (number := signals.number_of(words[0][1:])) is None:
            raise Exited(complain(process, f"bad signal name '{words[0][1:]}'"))
        return number, words[1:]
    return signals.TERM, words


def _send(process: Process, pids: list[int], number: int) -> int:
    """1 where one could not be told."""
    status = 0
    for pid in pids:
        try:
            process.kill(pid, number)
        except ProcessLookupError:  # it has just ended
            continue
        except OSError as error:
            status = complain(process, f"can't kill pid {pid}: {reason(error)}")
    return status


def _chosen(process: Process, found: Options, words: list[str]) -> Found:
    """Those that the options of pgrep and pkill mean; never itself."""
    if len(words) != 1 and not ("P" in found and not words):
        process.write(2, f"Usage: {process.argv[0]} [-flanovx] [-P PPID|PATTERN]\n")
        raise Exited(1)
    try:
        pattern = re.compile(extended(words[0]) if words else "")
    except re.error as error:
        raise Exited(complain(process, f"bad regex '{words[0]}': {error}")) from None
    fits = pattern.fullmatch if "x" in found else pattern.search
    parents = process.call(lambda: {pid: each.parent.pid if each.parent else 0 for pid, each in process.run.processes.items()})
    chosen = [
        (pid, name, line)
        for pid, name, line in _all(process)
        if pid != process.pid
        and ("P" not in found or str(parents.get(pid)) == found["P"])
        and bool(fits(line if "f" in found else name[:LONGEST])) is not ("v" in found)
    ]
    return chosen[-1:] if "n" in found else chosen[:1] if "o" in found else chosen
