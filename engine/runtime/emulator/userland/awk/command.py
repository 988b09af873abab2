"""awk [-F SEPARATOR] [-v NAME=VALUE] [-f FILE | -e TEXT | TEXT] [NAME=VALUE | FILE]…"""

import os
import re

from podlink.engine.runtime.emulator.process import Exited, Process
from podlink.engine.runtime.emulator.userland.awk.machine import ASSIGNMENT, Machine
from podlink.engine.runtime.emulator.userland.awk.parser import parse
from podlink.engine.runtime.emulator.userland.awk.values import Input
from podlink.engine.runtime.emulator.userland.awk.words import Fault, unescaped
from podlink.engine.runtime.emulator.userland.command import complain, reason

USAGE = "Usage: awk [OPTIONS] [AWK_PROGRAM] [FILE]...\n"
VALUED = "Fvfe"


def awk(process: Process) -> int:
    found, words = _options(process)
    texts = [_read(process, value) if letter == "f" else value for letter, value in found if letter in "fe"]
    if not texts:
        if not words:
            process.write(2, USAGE)
            return 1
        texts = [words.pop(0)]
    try:
        machine = Machine(process, parse("\n".join(map(_bytewise, texts))), list(map(_bytewise, words)))
        for letter, value in found:
            _set(process, machine, letter, _bytewise(value))
        return machine.run()
    except Fault as fault:
        return complain(process, f"cmd. line:{fault.line}: {fault}")
    except re.error as error:
        return complain(process, f"bad regex: {error}")
    except OSError as error:
        return complain(process, f"{error.filename}: {reason(error)}")


def _options(process: Process) -> tuple[list[tuple[str, str]], list[str]]:
    """Letters with their values in the order in which they stand, and the operands, which the first word begins that is none."""
    words, found = list(process.argv[1:]), list[tuple[str, str]]()
    while words and words[0].startswith("-") and words[0] != "-":
        word = words.pop(0)
        if word == "--":
            break
        if word[1] not in VALUED:
            raise Exited(complain(process, f"invalid option -- '{word[1]}'"))
        if not word[2:] and not words:
            raise Exited(complain(process, f"option requires an argument -- '{word[1]}'"))
        found.append((word[1], word[2:] or words.pop(0)))
    return found, words


def _set(process: Process, machine: Machine, letter: str, value: str) -> None:
    if letter == "F":
        machine.put("FS", unescaped(value))
    elif letter == "v":
        assigned = ASSIGNMENT.fullmatch(value)
        if not assigned:
            raise Exited(complain(process, f"can't assign '{value}': it is not NAME=VALUE"))
        machine.put(assigned[1], Input(unescaped(assigned[2])))


def _read(process: Process, path: str) -> str:
    try:
        descriptor = 0 if path == "-" else process.open(path)
    except OSError as error:
        raise Exited(complain(process, f"{path}: {reason(error)}")) from None
    text = b"".join(process.lines(descriptor))
    process.close(descriptor)
    return os.fsdecode(text)


def _bytewise(word: str) -> str:
    """An argument with a character for each byte."""
    return os.fsencode(word).decode("latin-1")
