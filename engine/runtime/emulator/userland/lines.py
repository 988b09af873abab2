"""Commands that lay lines out: fold nl paste rev shuf."""

import re

from podlink.engine.runtime.emulator.process import Process
from podlink.engine.runtime.emulator.userland.command import Inputs, count, options

WIDTH = 80


def rev(process: Process) -> int:
    inputs = Inputs(process, options(process, "")[1], "{}")
    for line in inputs.lines():
        process.write(1, line.decode(errors="surrogateescape")[::-1] + "\n")
    return inputs.status


def nl(process: Process) -> int:
    """nl [-ba] [-w WIDTH] [FILE]…: numbers the lines that are not empty, or (`-ba`) all."""
    found, paths = options(process, "", "bwsv")
    width, separator = count(process, found.get("w", "6")), found.get("s", "\t")
    inputs, number = Inputs(process, paths, "{}"), count(process, found.get("v", "1"))
    for line in inputs.lines():
        if line or found.get("b") == "a":
            process.write(1, f"{number:{width}}{separator}".encode() + line + b"\n")
            number += 1
        else:
            process.write(1, " " * (width + len(separator)) + "\n")
    return inputs.status


def paste(process: Process) -> int:
    """paste [-s] [-d LIST] [FILE]…: the lines of several files side by side, or (`-s`) those of each on one."""
    found, paths = options(process, "s", "d")
    ends = (found.get("d") or "\t").encode().decode("unicode_escape")
    inputs = Inputs(process, paths, "{}")
    columns = [[line.removesuffix(b"\n") for line in process.lines(descriptor)] for _, descriptor in inputs]
    rows = columns if "s" in found else [list(row) for row in _side_by_side(columns)]
    for row in rows:
        text = row[0] if row else b""
        for number, each in enumerate(row[1:]):
            text += ends[number % len(ends)].encode() + each
        process.write(1, text + b"\n")
    return inputs.status


def _side_by_side(columns: list[list[bytes]]) -> list[list[bytes]]:
    most = max((len(column) for column in columns), default=0)
    return [[column[number] if number < len(column) else b"" for column in columns] for number in range(most)]


def fold(process: Process) -> int:
    """fold [-s] [-w WIDTH] [FILE]…; -s: at blanks, where there are any."""
    found, paths = options(process, "bs", "w")
    width = max(count(process, found.get("w", str(WIDTH))), 1)
    inputs = Inputs(process, paths, "{}")
    for line in inputs.lines():
        while len(line) > width:
            blank = re.match(rb".*[ \t]", line[:width]) if "s" in found else None
            cut = blank.end() if blank else width
            process.write(1, line[:cut] + b"\n")
            line = line[cut:]
        process.write(1, line + b"\n")
    return inputs.status


def shuf(process: Process) -> int:
    """shuf [-n COUNT] [-e WORD… | -i FIRST-LAST | FILE]: chance is the emulator's, so a seed has the same order each time."""
    found, words = options(process, "e", "ni")
    inputs = Inputs(process, words, "{}")
    if "i" in found:
        first, _, last = found["i"].partition("-")
        lines = [str(number).encode() for number in range(count(process, first), count(process, last) + 1)]
    else:
        lines = [word.encode(errors="surrogateescape") for word in words] if "e" in found else list(inputs.lines())
    process.run.randomness.shuffle(lines)
    limit = count(process, found["n"]) if "n" in found else len(lines)
    process.write(1, b"".join(line + b"\n" for line in lines[:limit]))
    return inputs.status
