"""ps(1) over emulated processes: the options that people give to `podman top` and its like.

Knows `-e -A -a -x -f -w`, `aux`, and `-o` with a list of columns (`pid,args`, `pid=,user=WHO`). Widths are those of
procps, which right-aligns numbers, and lets the last column run on.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from podlink.engine.errors import ErrorOccurred
from podlink.engine.runtime.base import ProcessInfo

RESIDENT = 512 * 1024
"""Bytes of memory that an emulated process is reckoned at."""


@dataclass(frozen=True, slots=True)
class Column:
    """width: negative is aligned to the left."""

    header: str
    width: int
    show: Callable[[ProcessInfo, float], str]


def _clock(process: ProcessInfo, now: float) -> str:
    minutes, seconds = divmod(int(process.cpu_time), 60)
    return f"{minutes // 60:02}:{minutes % 60:02}:{seconds:02}"


def _short_clock(process: ProcessInfo, now: float) -> str:
    minutes, seconds = divmod(int(process.cpu_time), 60)
    return f"{minutes}:{seconds:02}"


def _elapsed(process: ProcessInfo, now: float) -> str:
    minutes, seconds = divmod(int(max(now - process.started, 0)), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:02}:{minutes:02}:{seconds:02}" if hours else f"{minutes:02}:{seconds:02}"


def _started(process: ProcessInfo, now: float) -> str:
    return time.strftime("%H:%M" if now - process.started < 86_400 else "%b%d", time.localtime(process.started))


def _share(process: ProcessInfo, now: float) -> float:
    return min(process.cpu_time * 100 / max(now - process.started, 1), 99.9)


def _program(process: ProcessInfo, now: float) -> str:
    return process.command.partition(" ")[0].rpartition("/")[2][:15]


COLUMNS = {
    "pid": Column("PID", 5, lambda process, _: str(process.pid)),
    "ppid": Column("PPID", 5, lambda process, _: str(process.ppid)),
    "uid": Column("UID", 5, lambda process, _: str(process.uid)),
    "user": Column("USER", -8, lambda process, _: process.user),
    "args": Column("COMMAND", -27, lambda process, _: process.command),
    "cmd": Column("CMD", -27, lambda process, _: process.command),
    "comm": Column("COMMAND", -15, _program),
    "tty": Column("TT", -8, lambda process, _: process.tty),
    "tname": Column("TTY", -8, lambda process, _: process.tty),
    "time": Column("TIME", 8, _clock),
    "etime": Column("ELAPSED", 11, _elapsed),
    "stime": Column("STIME", -5, _started),
    "c": Column("C", 2, lambda process, now: str(int(_share(process, now)))),
    "stat": Column("STAT", -4, lambda process, _: "S"),
    "rss": Column("RSS", 5, lambda process, _: str(RESIDENT // 1024)),
    "vsz": Column("VSZ", 6, lambda process, _: str(RESIDENT // 256)),
    "pmem": Column("%MEM", 4, lambda process, _: "0.0"),
    "bsdtime": Column("TIME", 6, _short_clock),
    "pcpu": Column("%CPU", 4, lambda process, now: f"{_share(process, now):.1f}"),
}
ALIASES = {
    "command": "args",
    "cputime": "time",
    "euser": "user",
    "euid": "uid",
    "%cpu": "pcpu",
    "ucmd": "comm",
    "start_time": "stime",
    "tt": "tty",
}
Choice = tuple[str, str | None]
"""A column, and the header that was asked for it; None is its own."""
FULL: list[Choice] = [("user", "UID"), *((name, None) for name in ("pid", "ppid", "c", "stime", "tname", "time", "cmd"))]
BSD: list[Choice] = [
    *((name, None) for name in ("user", "pid", "pcpu", "pmem", "vsz", "rss")),
    *(("tname", "TTY"), ("stat", None), ("stime", "START"), ("bsdtime", None), ("args", None)),
]
SHORT: list[Choice] = [("pid", None), ("tname", None), ("time", None), ("comm", "CMD")]


def ps(processes: Sequence[ProcessInfo], options: Sequence[str], now: float) -> list[str]:
    """The header, then a line each. Raises ErrorOccurred for an option or a column that is not known."""
    chosen = _columns(options)
    if "pid" not in (name for name, _ in chosen):
        raise ErrorOccurred(f"ps: {' '.join(options)}: the PID is not among the columns, and by it the processes are found")
    columns = [COLUMNS[name] for name, _ in chosen]
    headers = [column.header if header is None else header for column, (_, header) in zip(columns, chosen, strict=True)]
    rows = [[column.show(process, now) for column in columns] for process in processes]
    return [_line(columns, headers, row) for row in (headers, *rows)]


def _line(columns: Sequence[Column], headers: Sequence[str], cells: Sequence[str]) -> str:
    shown = []
    for number, (column, header, cell) in enumerate(zip(columns, headers, cells, strict=True)):
        width = max(abs(column.width), len(header))
        if column.width > 0:
            shown.append(cell.rjust(width))
        else:
            shown.append(cell if number == len(columns) - 1 else cell.ljust(width))
    return " ".join(shown)


def _columns(options: Sequence[str]) -> list[Choice]:
    """The columns that the options ask for, with a header of their own or None."""
    chosen: list[Choice] = []
    layout = SHORT
    words = [word for option in options for word in option.split()]
    while words:
        word = words.pop(0)
        if word in ("-o", "o", "-O", "--format") and words:
            chosen += _list(words.pop(0))
        elif word.startswith(("-o", "--format=")):
            chosen += _list(word.removeprefix("-o").removeprefix("--format="))
        elif word.startswith("-") and set(word[1:]) <= set("eAaxfw") and len(word) > 1:
            layout = FULL if "f" in word else layout
        elif set(word) <= set("auxw"):
            layout = BSD if "u" in word else layout
        elif word.startswith("--"):
            raise ErrorOccurred(f"ps {' '.join(options)}: error: unknown gnu long option")
        else:
            raise ErrorOccurred(f"ps: {word!r} is not an option that is known here; it takes -ef, aux, or -o with columns")
    return chosen or layout


def _list(text: str) -> list[Choice]:
    """`pid,user=WHO`: what stands behind `=`, commas too, is the header of the last column."""
    before, equals, header = text.partition("=")
    names = [ALIASES.get(name, name) for name in before.split(",")]
    for name in names:
        if name not in COLUMNS:
            raise ErrorOccurred(f"ps: unknown column {name!r}; the columns are {', '.join(sorted(COLUMNS))}")
    return [*((name, None) for name in names[:-1]), (names[-1], header if equals else None)]
