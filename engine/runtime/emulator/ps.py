"""ps(1) over emulated processes: the options that people give to `podman top` and its like.

Knows `-e -A -f -w`, `aux`, `-p -C -u` for some of the processes, `-o` with a list of columns (`pid,args`, `pid=,user=WHO`), and
`--no-headers`. Widths are those of procps, which right-aligns numbers, and lets the last column run on.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from podlink.engine.errors import ErrorOccurred
from podlink.engine.runtime.base import Accounts, ProcessInfo
from podlink.engine.runtime.emulator.usage import RESIDENT
from podlink.engine.runtime.ps_options import parse


@dataclass(frozen=True, slots=True)
class Seen:
    """One process at one moment, and what its user is called."""

    process: ProcessInfo
    now: float
    user: str


@dataclass(frozen=True, slots=True)
class Column:
    """width: negative is aligned to the left."""

    header: str
    width: int
    show: Callable[[Seen], str]


def _clock(seen: Seen) -> str:
    minutes, seconds = divmod(int(seen.process.cpu_time), 60)
    return f"{minutes // 60:02}:{minutes % 60:02}:{seconds:02}"


def _short_clock(seen: Seen) -> str:
    minutes, seconds = divmod(int(seen.process.cpu_time), 60)
    return f"{minutes}:{seconds:02}"


def _elapsed(seen: Seen) -> str:
    minutes, seconds = divmod(int(max(seen.now - seen.process.started, 0)), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:02}:{minutes:02}:{seconds:02}" if hours else f"{minutes:02}:{seconds:02}"


def _started(seen: Seen) -> str:
    return time.strftime("%H:%M" if seen.now - seen.process.started < 86_400 else "%b%d", time.localtime(seen.process.started))


def _share(seen: Seen) -> float:
    return min(seen.process.cpu_time * 100 / max(seen.now - seen.process.started, 1), 99.9)


def _program(seen: Seen) -> str:
    return seen.process.command.partition(" ")[0].rpartition("/")[2][:15]


COLUMNS = {
    "pid": Column("PID", 5, lambda seen: str(seen.process.pid)),
    "ppid": Column("PPID", 5, lambda seen: str(seen.process.ppid)),
    "uid": Column("UID", 5, lambda seen: str(seen.process.uid)),
    "user": Column("USER", -8, lambda seen: seen.user),
    "args": Column("COMMAND", -27, lambda seen: seen.process.command),
    "cmd": Column("CMD", -27, lambda seen: seen.process.command),
    "comm": Column("COMMAND", -15, _program),
    "tty": Column("TT", -8, lambda seen: seen.process.tty),
    "tname": Column("TTY", -8, lambda seen: seen.process.tty),
    "time": Column("TIME", 8, _clock),
    "etime": Column("ELAPSED", 11, _elapsed),
    "stime": Column("STIME", -5, _started),
    "c": Column("C", 2, lambda seen: str(int(_share(seen)))),
    "stat": Column("STAT", -4, lambda seen: "S"),
    "rss": Column("RSS", 5, lambda seen: str(RESIDENT // 1024)),
    "vsz": Column("VSZ", 6, lambda seen: str(RESIDENT // 256)),
    "pmem": Column("%MEM", 4, lambda seen: "0.0"),
    "bsdtime": Column("TIME", 6, _short_clock),
    "pcpu": Column("%CPU", 4, lambda seen: f"{_share(seen):.1f}"),
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


BY = {"p": "pid", "q": "pid", "C": "comm", "u": "user", "U": "user"}
"""By which column an option chooses processes. A user may be meant by number, too."""
LONG = {"--pid": "p", "--quick-pid": "q", "--user": "u", "--User": "U"}


def ps(processes: Sequence[ProcessInfo], options: Sequence[str], now: float, accounts: Accounts) -> list[str]:
    """A line each, mostly below a header. Raises ErrorOccurred for an option or a column that is not known."""
    asked = parse(options)
    chosen, headed = _columns(asked.shown, options)
    columns = [COLUMNS[name] for name, _ in chosen]
    headers = [column.header if header is None else header for column, (_, header) in zip(columns, chosen, strict=True)]
    seen = [Seen(process, now, accounts.user(process.uid)) for process in processes]
    rows = [[column.show(each) for column in columns] for each in _chosen(seen, asked.choice, options)]
    return [_line(columns, headers, row) for row in ([headers] if headed and any(headers) else []) + rows]


def _chosen(seen: Sequence[Seen], choice: Sequence[str], options: Sequence[str]) -> list[Seen]:
    """Those that any of the options means; no option is all."""
    if not choice:
        return list(seen)
    found: list[Seen] = []
    words = iter(choice)
    for word in words:
        name, _, value = word.partition("=")
        if (column := BY.get(LONG.get(name, name.lstrip("-")), "")) == "":
            raise ErrorOccurred(f"ps {' '.join(options)}: {word} is not known here; processes are chosen by -p, -C or -u")
        wanted = set((value or next(words)).replace(",", " ").split())
        found += [each for each in seen if {COLUMNS[column].show(each), *_number(each, column)} & wanted]
    return [each for each in seen if each in found]


def _number(seen: Seen, column: str) -> list[str]:
    return [str(seen.process.uid)] if column == "user" else []


def _line(columns: Sequence[Column], headers: Sequence[str], cells: Sequence[str]) -> str:
    shown = []
    for number, (column, header, cell) in enumerate(zip(columns, headers, cells, strict=True)):
        width = max(abs(column.width), len(header))
        if column.width > 0:
            shown.append(cell.rjust(width))
        else:
            shown.append(cell if number == len(columns) - 1 else cell.ljust(width))
    return " ".join(shown)


def _columns(shown: Sequence[str], options: Sequence[str]) -> tuple[list[Choice], bool]:
    """The columns that the options ask for, with a header of their own or None; and whether there is to be one at all."""
    chosen: list[Choice] = []
    layout, headed = SHORT, True
    words = iter(shown)
    for word in words:
        if word in ("-o", "o", "-O", "O", "--format"):
            chosen += _list(next(words), options)
        elif word.startswith("--format="):
            chosen += _list(word.removeprefix("--format="), options)
        elif word in ("--no-headers", "--no-heading", "--no-headings", "h"):
            headed = False
        elif word.startswith("--"):
            raise ErrorOccurred(f"ps {' '.join(options)}: error: unknown gnu long option")
        elif word.startswith("-") and set(word[1:]) <= set("fw"):
            layout = FULL if "f" in word else layout
        elif set(word) <= set("uwh"):
            layout, headed = (BSD if "u" in word else layout), headed and "h" not in word
        else:
            raise ErrorOccurred(f"ps: {word!r} is not an option that is known here; it takes -ef, aux, or -o with columns")
    if chosen and layout is BSD:
        raise ErrorOccurred(f"ps {' '.join(options)}: error: conflicting format options")
    return chosen or layout, headed


def _list(text: str, options: Sequence[str]) -> list[Choice]:
    """`pid,user=WHO`: what stands behind `=`, commas too, is the header of the column; but `pid=,user=` has two empty ones."""
    found: list[Choice] = []
    while text:
        item, _, text = text.partition(",")
        name, equals, header = item.partition("=")
        if header:
            header, text = ",".join(filter(None, (header, text))), ""
        column = ALIASES.get(name, name)
        if column not in COLUMNS:
            raise ErrorOccurred(f'ps {" ".join(options)}: error: unknown user-defined format specifier "{name}"')
        found.append((column, header if equals else None))
    return found
