"""Commands about room: df du."""

import stat
from functools import partial

from podlink.engine.runtime.emulator.process import Process
from podlink.engine.runtime.emulator.userland.command import Options, count, options, refused
from podlink.engine.runtime.emulator.userland.files import place

SIZE, USED = 16 * 2**30, 4 * 2**30
"""Bytes of the one file system that an emulated machine has: made up, as all of it."""
LETTERS = "KMGT"
BLOCK = 512
TITLES = {
    "h": "     Size      Used Available Use%",
    "m": "1M-blocks      Used Available Use%",
    "P": "1024-blocks    Used Available Capacity",
}


def df(process: Process) -> int:
    """df [-hkmP] [PATH]…"""
    found, paths = options(process, "hkmPTa")
    unit = 2**20 if "m" in found else 2**10
    title = next((TITLES[letter] for letter in "hmP" if letter in found), "1K-blocks      Used Available Use%")
    process.write(1, f"Filesystem           {title} Mounted on\n")
    status = 0
    for path in paths or ["/"]:
        try:
            process.call(lambda path=path: place(process, path).lstat())  # type: ignore[misc]
        except OSError as error:
            status = refused(process, path, error)
            continue
        figures = [_shown(each, unit, found) for each in (SIZE, USED, SIZE - USED)]
        process.write(1, f"{'overlay':20} {figures[0]:>9} {figures[1]:>9} {figures[2]:>9} {USED * 100 // SIZE:3}% /\n")
    return status


def du(process: Process) -> int:
    """du [-ashkmc] [-d DEPTH] [PATH]…: what is on the disk, in KiB."""
    found, paths = options(process, "ashkmcxl", "d")
    status, total = 0, 0
    most = 0 if "s" in found else count(process, found["d"]) if "d" in found else 2**31
    for path in paths or ["."]:
        try:
            total += _measure(process, path, found, most, 0)
        except OSError as error:
            status = refused(process, path, error)
    if "c" in found:
        process.write(1, f"{_shown(total, 2**20 if 'm' in found else 2**10, found)}\ttotal\n")
    return status


def _measure(process: Process, path: str, found: Options, most: int, depth: int) -> int:
    """Tell of it and of what is below, the deepest first; how many bytes it has in all."""
    host = process.call(lambda: place(process, path, follow=depth == 0))
    entry = process.call(host.lstat)
    size = entry.st_blocks * BLOCK
    is_folder = stat.S_ISDIR(entry.st_mode)
    if is_folder:
        for name in process.call(lambda: sorted(each.name for each in host.iterdir())):
            size += _unless_gone(partial(_measure, process, f"{path.rstrip('/')}/{name}", found, most, depth + 1))
    if depth <= most and (is_folder or depth == 0 or "a" in found):
        process.write(1, f"{_shown(size, 2**20 if 'm' in found else 2**10, found)}\t{path}\n")
    return size


def _unless_gone(measure: "partial[int]") -> int:
    """What went meanwhile takes no room."""
    try:
        return measure()
    except FileNotFoundError:
        return 0


def _shown(size: int, unit: int, found: Options) -> str:
    if "h" not in found:
        return str(-(-size // unit))
    number, rank = size / 1024, 0
    while number >= 1024 and rank < len(LETTERS) - 1:
        number, rank = number / 1024, rank + 1
    return f"{number:.1f}{LETTERS[rank]}" if size else "0"
