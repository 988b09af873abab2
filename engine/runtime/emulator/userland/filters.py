"""Commands that pass text on: tac tee uniq; and xargs, which makes commands of it."""

import os

from podlink.engine.runtime.emulator.process import Process
from podlink.engine.runtime.emulator.userland.command import Inputs, complain, count, options, refused
from podlink.engine.runtime.emulator.userland.system import become

AT_ONCE = 4096
"""Words that xargs(1) gives to one command at most."""


def tee(process: Process) -> int:
    """tee [-a] FILE…"""
    found, paths = options(process, "ai")
    flags = os.O_WRONLY | os.O_CREAT | (os.O_APPEND if "a" in found else os.O_TRUNC)
    outputs, status = [1], 0
    for path in paths:
        try:
            outputs.append(process.open(path, flags))
        except OSError as error:
            status = refused(process, path, error)
    while data := process.read(0):
        for output in outputs:
            process.write(output, data)
    return status


def tac(process: Process) -> int:
    inputs = Inputs(process, options(process, "")[1], "{}")
    for _, descriptor in inputs:
        process.write(1, b"".join(reversed(list(process.lines(descriptor)))))
    return inputs.status


def uniq(process: Process) -> int:
    """uniq [-cdui] [FILE]"""
    found, paths = options(process, "cdui")
    inputs = Inputs(process, paths[:1])

    def tell(line: bytes, times: int) -> None:
        if not (("d" in found and times == 1) or ("u" in found and times > 1)):
            process.write(1, (f"{times:7} ".encode() if "c" in found else b"") + line + b"\n")

    last, times = b"", 0
    for line in inputs.lines():
        same = line.lower() == last.lower() if "i" in found else line == last
        if times and not same:
            tell(last, times)
            times = 0
        last = line if not times else last
        times += 1
    if times:
        tell(last, times)
    return inputs.status


def xargs(process: Process) -> int:
    """xargs [-r] [-n COUNT] [COMMAND [ARGUMENT]…]; 123 where one of them failed."""
    words = process.argv[1:]
    most, is_silent = AT_ONCE, False
    while words and words[0].startswith("-"):
        word = words.pop(0)
        if word == "-r":
            is_silent = True
        elif word.startswith("-n") and (word[2:] or words):
            most = max(count(process, word[2:] or words.pop(0)), 1)
        else:
            return complain(process, f"invalid option -- '{word[1:2]}'")
    given = [word.decode(errors="surrogateescape") for line in process.lines(0) for word in line.split()]
    status = 0
    for start in range(0, len(given), most) if given else () if is_silent else (0,):
        argv = [*(words or ["echo"]), *given[start : start + most]]
        child = process.fork(lambda child, argv=argv: become(child, argv, process.env, "{}"), process.argv)  # type: ignore[misc]
        code = process.wait(child).status
        if code in (126, 127):
            return code
        status = 123 if code else status
    return status
