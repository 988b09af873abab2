"""Commands over the bytes of files, whatever they mean: cmp dd sync truncate."""

import os
import re
from dataclasses import dataclass

from podlink.engine.runtime.emulator.process import Exited, Process
from podlink.engine.runtime.emulator.userland.command import Inputs, complain, options, refused
from podlink.engine.runtime.emulator.userland.files import target

UNITS = {"c": 1, "w": 2, "b": 512, "k": 1 << 10, "K": 1 << 10, "kB": 1000, "M": 1 << 20, "MB": 10**6, "G": 1 << 30, "GB": 10**9}


def size_of(process: Process, text: str) -> int:
    """A number of bytes with its unit: `512`, `4k`, `2M`. What is none ends the command."""
    found = re.fullmatch(r"(\d+)([a-zA-Z]*)", text)
    if not found or found[2] not in ("", *UNITS):
        raise Exited(complain(process, f"invalid number '{text}'"))
    return int(found[1]) * UNITS.get(found[2], 1)


@dataclass
class _Copied:
    """Blocks read and written, filled or not."""

    whole_in: int = 0
    part_in: int = 0
    whole_out: int = 0
    part_out: int = 0


def dd(process: Process) -> int:
    """dd [if=FILE] [of=FILE] [bs=N] [ibs=N] [obs=N] [count=N] [skip=N] [seek=N] [conv=notrunc,fsync,sync] [status=none|noxfer]"""
    asked = _operands(process)
    block = size_of(process, asked.get("bs") or asked.get("ibs", "512"))
    if not block or not size_of(process, asked.get("obs", "1")):
        return complain(process, "number 0 is not in 1..2147483647 range")
    conversions = asked.get("conv", "").split(",")
    reader, writer = _opened(process, asked, conversions)
    if skipped := size_of(process, asked.get("skip", "0")) * block:
        _skip(process, reader, skipped)
    if placed := size_of(process, asked.get("seek", "0")) * size_of(process, asked.get("bs") or asked.get("obs", "512")):
        process.seek(writer, placed)
    limit = size_of(process, asked["count"]) if "count" in asked else None
    copied, status = _Copied(), 0
    try:
        _copy(process, reader, writer, block, limit, "sync" in conversions, copied)
    except OSError as error:
        status = refused(process, "error writing" if copied.whole_in + copied.part_in else "error reading", error)
    if asked.get("status") != "none":
        process.write(2, f"{copied.whole_in}+{copied.part_in} records in\n{copied.whole_out}+{copied.part_out} records out\n")
    return status


def _operands(process: Process) -> dict[str, str]:
    asked: dict[str, str] = {}
    for word in process.argv[1:]:
        name, equals, value = word.partition("=")
        if not equals or name not in ("if", "of", "bs", "ibs", "obs", "count", "skip", "seek", "conv", "status"):
            raise Exited(complain(process, f"invalid argument '{word}'"))
        asked[name] = value
    if unknown := set(filter(None, asked.get("conv", "").split(","))) - {"notrunc", "fsync", "sync", "noerror"}:
        raise Exited(complain(process, f"invalid argument '{min(unknown)}' to 'conv'"))
    if asked.get("status", "none") not in ("none", "noxfer"):
        raise Exited(complain(process, f"invalid argument '{asked['status']}' to 'status'"))
    return asked


def _opened(process: Process, asked: dict[str, str], conversions: list[str]) -> tuple[int, int]:
    kept = os.O_TRUNC if "notrunc" not in conversions and not size_of(process, asked.get("seek", "0")) else 0
    ends = [0, 1]
    for end, name, flags in ((0, "if", os.O_RDONLY), (1, "of", os.O_WRONLY | os.O_CREAT | kept)):
        try:
            ends[end] = process.open(asked[name], flags) if name in asked else end
        except OSError as error:
            raise Exited(refused(process, f"can't open '{asked[name]}'", error)) from None
    return ends[0], ends[1]


def _skip(process: Process, reader: int, left: int) -> None:
    while left and (data := process.read(reader, min(left, 1 << 16))):
        left -= len(data)


def _copy(process: Process, reader: int, writer: int, block: int, limit: int | None, filled: bool, copied: _Copied) -> None:
    while limit is None or copied.whole_in + copied.part_in < limit:
        data = process.read(reader, block)
        if not data:
            return
        copied.whole_in += len(data) == block
        copied.part_in += len(data) < block
        if filled:
            data = data.ljust(block, b"\0")
        process.write(writer, data)
        copied.whole_out += len(data) == block
        copied.part_out += len(data) < block


def cmp(process: Process) -> int:
    """cmp [-s] FILE FILE; 1 where they differ, 2 after an error."""
    found, paths = options(process, "sl")
    if len(paths) != 2:
        process.write(2, "Usage: cmp [-ls] [-n NUM] FILE1 [FILE2]\n")
        return 2
    inputs = Inputs(process, paths, "{}")
    first, *others = [b"".join(iter(lambda end=end: process.read(end), b"")) for _, end in inputs]  # type: ignore[misc]
    if not others:
        return 2
    second = others[0]
    place = next((at for at, (a, b) in enumerate(zip(first, second, strict=False)) if a != b), None)
    if place is not None:
        if "s" not in found:
            process.write(1, f"{paths[0]} {paths[1]} differ: char {place + 1}, line {first[:place].count(10) + 1}\n")
        return 1
    if len(first) != len(second):
        if "s" not in found:
            process.write(2, f"cmp: EOF on {paths[0] if len(first) < len(second) else paths[1]}\n")
        return 1
    return 0


def sync(process: Process) -> int:
    """Everything written is where others see it already."""
    return 0


def truncate(process: Process) -> int:
    """truncate [-c] -s SIZE FILE…"""
    found, paths = options(process, "c", "s")
    if "s" not in found or not paths:
        process.write(2, "Usage: truncate [-c] -s SIZE FILE...\n")
        return 1
    size, status = size_of(process, found["s"]), 0

    def cut(path: str) -> None:
        host = target(process, path, follow=True)
        if host.exists() or "c" not in found:
            with host.open("ab") as file:
                file.truncate(size)

    for path in paths:
        try:
            process.call(lambda path=path: cut(path))  # type: ignore[misc]
        except OSError as error:
            status = refused(process, path, error)
    return status
