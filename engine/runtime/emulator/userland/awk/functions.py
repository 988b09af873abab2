"""The functions that every program has."""

import math
import re
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from podlink.engine.runtime.emulator.userland.awk.expressions import Constant, Expression, Field, Target, Variable, pattern_of
from podlink.engine.runtime.emulator.userland.awk.record import compiled, split
from podlink.engine.runtime.emulator.userland.awk.values import Input, Value, formatted, number
from podlink.engine.runtime.emulator.userland.awk.words import Fault

if TYPE_CHECKING:
    from podlink.engine.runtime.emulator.userland.awk.machine import Machine

Arguments = tuple[Expression, ...]
Function = Callable[["Machine", Arguments], Value]
PIECE = re.compile(r"\\\\&|\\&|\\\\|&")
"""What is special in the text that sub and gsub put in place."""
UPPER = {number: number - 32 for number in range(ord("a"), ord("z") + 1)}
LOWER = {number - 32: number for number in UPPER}


def _text(machine: "Machine", arguments: Arguments, place: int) -> str:
    return machine.text(arguments[place].value(machine)) if place < len(arguments) else ""


def _number(machine: "Machine", arguments: Arguments, place: int) -> float:
    return number(arguments[place].value(machine)) if place < len(arguments) else 0.0


def _whole(machine: "Machine", arguments: Arguments, place: int) -> int:
    value = _number(machine, arguments, place)
    return int(value) if math.isfinite(value) else 0


def length(machine: "Machine", arguments: Arguments) -> Value:
    """Of a text, of `$0`, or of an array."""
    if arguments and isinstance(arguments[0], Variable) and machine.is_array(arguments[0].name):
        return float(len(machine.array(arguments[0].name)))
    return float(len(_text(machine, arguments, 0) if arguments else machine.line()))


def substr(machine: "Machine", arguments: Arguments) -> Value:
    """What lies before the text has no length, as busybox has it."""
    text, start = _text(machine, arguments, 0), max(_whole(machine, arguments, 1) - 1, 0)
    size = max(_whole(machine, arguments, 2), 0) if len(arguments) > 2 else len(text)
    return text[start : start + size]


def index(machine: "Machine", arguments: Arguments) -> Value:
    wanted = _text(machine, arguments, 1)
    return float(_text(machine, arguments, 0).find(wanted) + 1) if wanted else 0.0


def match(machine: "Machine", arguments: Arguments) -> Value:
    found = compiled(pattern_of(machine, arguments[1])).search(_text(machine, arguments, 0))
    start, size = (found.start() + 1, found.end() - found.start()) if found else (0, -1)
    machine.put("RSTART", float(start))
    machine.put("RLENGTH", float(size))
    return float(start)


def split_(machine: "Machine", arguments: Arguments) -> Value:
    text = _text(machine, arguments, 0)
    separator = pattern_of(machine, arguments[2]) if len(arguments) > 2 else machine.text(machine.get("FS"))
    parts, target = split(text, separator), arguments[1]
    assert isinstance(target, Variable)
    array = machine.array(target.name)
    array.clear()
    array.update((str(number), Input(part)) for number, part in enumerate(parts, start=1))
    return float(len(parts))


def substituted(count: int) -> Function:
    """sub (count 1) and gsub (0, which is all): how often something was put in place."""

    def run(machine: "Machine", arguments: Arguments) -> Value:
        pattern, new = compiled(pattern_of(machine, arguments[0])), _text(machine, arguments, 1)
        target = arguments[2] if len(arguments) > 2 else WHOLE
        before = machine.text(target.value(machine))
        after, times = pattern.subn(lambda found: _put(new, found[0]), before, count)
        if times and isinstance(target, Target):
            target.assign(machine, after)
        return float(times)

    return run


def _put(new: str, found: str) -> str:
    """`&` is what was found, `\\&` an ampersand."""
    pieces = {"&": found, "\\&": "&", "\\\\": "\\", "\\\\&": "\\" + found}
    return PIECE.sub(lambda piece: pieces[piece[0]], new)


def sprintf(machine: "Machine", arguments: Arguments) -> Value:
    try:
        return formatted(_text(machine, arguments, 0), [each.value(machine) for each in arguments[1:]])
    except ValueError as error:
        raise Fault(str(error), machine.at) from None


def calculation(function: Callable[..., float]) -> Function:
    """Of numbers; what has no answer is nan."""

    def run(machine: "Machine", arguments: Arguments) -> Value:
        try:
            return float(function(*(number(each.value(machine)) for each in arguments)))
        except (ValueError, OverflowError):
            return math.nan

    return run


def bits(function: Callable[[int, int], int]) -> Function:
    return lambda machine, given: float(function(_whole(machine, given, 0), _whole(machine, given, 1)))


def rand(machine: "Machine", arguments: Arguments) -> Value:
    return machine.chance.random()


def srand(machine: "Machine", arguments: Arguments) -> Value:
    before, machine.seed = machine.seed, _number(machine, arguments, 0) if arguments else float(_now(machine))
    machine.chance.seed(machine.seed)
    return before


def _now(machine: "Machine") -> int:
    return machine.process.run.clock.now() // 10**9


def strftime(machine: "Machine", arguments: Arguments) -> Value:
    """strftime([FORMAT [, SECONDS]]), in UTC."""
    seconds = _number(machine, arguments, 1) if len(arguments) > 1 else _now(machine)
    return time.strftime(_text(machine, arguments, 0) or "%a %b %e %H:%M:%S UTC %Y", time.gmtime(seconds))


WHOLE = Field(Constant(0.0))
FUNCTIONS: dict[str, tuple[int, int, Function]] = {
    "length": (0, 1, length),
    "substr": (2, 3, substr),
    "index": (2, 2, index),
    "match": (2, 2, match),
    "split": (2, 3, split_),
    "sub": (2, 3, substituted(1)),
    "gsub": (2, 3, substituted(0)),
    "sprintf": (1, 100, sprintf),
    "tolower": (1, 1, lambda machine, given: _text(machine, given, 0).translate(LOWER)),
    "toupper": (1, 1, lambda machine, given: _text(machine, given, 0).translate(UPPER)),
    "int": (1, 1, calculation(math.trunc)),
    "sin": (1, 1, calculation(math.sin)),
    "cos": (1, 1, calculation(math.cos)),
    "exp": (1, 1, calculation(math.exp)),
    "log": (1, 1, calculation(math.log)),
    "sqrt": (1, 1, calculation(math.sqrt)),
    "atan2": (2, 2, calculation(math.atan2)),
    "rand": (0, 0, rand),
    "srand": (0, 1, srand),
    "and": (2, 2, bits(lambda one, other: one & other)),
    "or": (2, 2, bits(lambda one, other: one | other)),
    "xor": (2, 2, bits(lambda one, other: one ^ other)),
    "lshift": (2, 2, bits(lambda one, other: one << other)),
    "rshift": (2, 2, bits(lambda one, other: one >> other)),
    "compl": (1, 1, bits(lambda one, other: ~one & 0xFFFFFFFF)),
    "systime": (0, 0, lambda machine, given: float(_now(machine))),
    "strftime": (0, 2, strftime),
    "system": (1, 1, lambda machine, given: float(machine.streams.system(_text(machine, given, 0)))),
    "close": (1, 2, lambda machine, given: float(machine.streams.close(_text(machine, given, 0)))),
    "fflush": (0, 1, lambda machine, given: 0.0),
}
"""By name: how many arguments it takes, at least and at most."""
ARRAYS = {"split": 1}
"""Which argument is to be the name of an array."""
