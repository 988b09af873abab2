"""What has a value. Each expression finds it in a program that runs, the `Machine`."""

import math
import operator
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from podlink.engine.runtime.emulator.userland.awk.record import compiled
from podlink.engine.runtime.emulator.userland.awk.values import UNSET, Input, Value, compare, number, truth
from podlink.engine.runtime.emulator.userland.awk.words import Fault

if TYPE_CHECKING:
    from podlink.engine.runtime.emulator.userland.awk.machine import Machine


class Expression(Protocol):
    def value(self, machine: "Machine") -> Value: ...


@runtime_checkable
class Target(Expression, Protocol):
    """What can be assigned to."""

    def assign(self, machine: "Machine", value: Value) -> None: ...


@dataclass(frozen=True, slots=True)
class Constant:
    what: Value

    def value(self, machine: "Machine") -> Value:
        return self.what


@dataclass(frozen=True, slots=True)
class Grouped:
    """In parentheses: nothing can be assigned to it."""

    inner: Expression

    def value(self, machine: "Machine") -> Value:
        return self.inner.value(machine)


@dataclass(frozen=True, slots=True)
class Regex:
    """Alone it asks whether `$0` matches."""

    pattern: str

    def value(self, machine: "Machine") -> Value:
        return float(compiled(self.pattern).search(machine.line()) is not None)


@dataclass(frozen=True, slots=True)
class Variable:
    name: str

    def value(self, machine: "Machine") -> Value:
        return machine.get(self.name)

    def assign(self, machine: "Machine", value: Value) -> None:
        machine.put(self.name, value)


@dataclass(frozen=True, slots=True)
class Field:
    """`$1`"""

    place: Expression

    def value(self, machine: "Machine") -> Value:
        place = self._place(machine)
        return machine.record.field(place) if place else machine.line()

    def assign(self, machine: "Machine", value: Value) -> None:
        if place := self._place(machine):
            machine.record.change(place, value)
        else:
            machine.read_record(machine.text(value))

    def _place(self, machine: "Machine") -> int:
        place = int(number(self.place.value(machine)))
        if place < 0:
            raise Fault("Access to negative field", machine.at)
        return place


@dataclass(frozen=True, slots=True)
class Element:
    """`a[1, 2]`"""

    array: str
    keys: tuple[Expression, ...]

    def key(self, machine: "Machine") -> str:
        return machine.text(machine.get("SUBSEP")).join(machine.text(each.value(machine)) for each in self.keys)

    def value(self, machine: "Machine") -> Value:
        return machine.array(self.array).setdefault(self.key(machine), UNSET)

    def assign(self, machine: "Machine", value: Value) -> None:
        machine.array(self.array)[self.key(machine)] = value


@dataclass(frozen=True, slots=True)
class Member:
    """`(1, 2) in a`"""

    element: Element

    def value(self, machine: "Machine") -> Value:
        return float(self.element.key(machine) in machine.array(self.element.array))


@dataclass(frozen=True, slots=True)
class Choice:
    condition: Expression
    yes: Expression
    no: Expression

    def value(self, machine: "Machine") -> Value:
        return (self.yes if truth(self.condition.value(machine)) else self.no).value(machine)


@dataclass(frozen=True, slots=True)
class Logical:
    """`&&` and `||`: the second is asked where the first leaves it open."""

    is_and: bool
    left: Expression
    right: Expression

    def value(self, machine: "Machine") -> Value:
        if truth(self.left.value(machine)) is not self.is_and:
            return float(not self.is_and)
        return float(truth(self.right.value(machine)))


@dataclass(frozen=True, slots=True)
class Not:
    operand: Expression

    def value(self, machine: "Machine") -> Value:
        return float(not truth(self.operand.value(machine)))


@dataclass(frozen=True, slots=True)
class Sign:
    sign: int
    operand: Expression

    def value(self, machine: "Machine") -> Value:
        return self.sign * number(self.operand.value(machine))


@dataclass(frozen=True, slots=True)
class Match:
    left: Expression
    right: Expression
    wanted: bool

    def value(self, machine: "Machine") -> Value:
        found = compiled(pattern_of(machine, self.right)).search(machine.text(self.left.value(machine)))
        return float((found is not None) is self.wanted)


def pattern_of(machine: "Machine", expression: Expression) -> str:
    """The regular expression that is meant: one that is written out, or a text that is taken as one."""
    return expression.pattern if isinstance(expression, Regex) else machine.text(expression.value(machine))


ORDERS: dict[str, Callable[[int, int], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    "==": operator.eq,
    "!=": operator.ne,
    ">": operator.gt,
    ">=": operator.ge,
}


@dataclass(frozen=True, slots=True)
class Comparison:
    sign: str
    left: Expression
    right: Expression

    def value(self, machine: "Machine") -> Value:
        left, right = self.left.value(machine), self.right.value(machine)
        return float(ORDERS[self.sign](compare(left, right, machine.text(machine.get("CONVFMT"))), 0))


@dataclass(frozen=True, slots=True)
class Concatenation:
    left: Expression
    right: Expression

    def value(self, machine: "Machine") -> Value:
        return machine.text(self.left.value(machine)) + machine.text(self.right.value(machine))


@dataclass(frozen=True, slots=True)
class Arithmetic:
    sign: str
    left: Expression
    right: Expression

    def value(self, machine: "Machine") -> Value:
        left = number(self.left.value(machine))
        return calculated(self.sign, left, number(self.right.value(machine)), machine.at)


def calculated(sign: str, left: float, right: float, line: int) -> float:
    """Raises Fault for a division by zero."""
    if sign in "/%" and right == 0:
        raise Fault("Division by zero", line)
    try:
        return SUMS[sign](left, right)
    except (OverflowError, ValueError, ZeroDivisionError):
        return math.inf if sign == "^" else math.nan


SUMS: dict[str, Callable[[float, float], float]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.truediv,
    "%": math.fmod,
    "^": math.pow,
}


@dataclass(frozen=True, slots=True)
class Assignment:
    """sign: of `+=` and its like; empty is `=`."""

    target: Target
    sign: str
    right: Expression

    def value(self, machine: "Machine") -> Value:
        value = self.right.value(machine)
        if self.sign:
            value = calculated(self.sign, number(self.target.value(machine)), number(value), machine.at)
        self.target.assign(machine, value)
        return value


@dataclass(frozen=True, slots=True)
class Step:
    """`x++`, `--x`"""

    target: Target
    step: int
    before: bool

    def value(self, machine: "Machine") -> Value:
        was = number(self.target.value(machine))
        self.target.assign(machine, was + self.step)
        return was + self.step if self.before else was


@dataclass(frozen=True, slots=True)
class Call:
    """A function of the program's own."""

    name: str
    arguments: tuple[Expression, ...]
    line: int

    def value(self, machine: "Machine") -> Value:
        return machine.call(self.name, self.arguments, self.line)


@dataclass(frozen=True, slots=True)
class Builtin:
    run: Callable[["Machine", tuple[Expression, ...]], Value]
    arguments: tuple[Expression, ...]

    def value(self, machine: "Machine") -> Value:
        return self.run(machine, self.arguments)


@dataclass(frozen=True, slots=True)
class Getline:
    """source: of a file, or of a command; None is what the program reads anyway. target: None is `$0`."""

    source: Expression | None
    is_command: bool
    target: Target | None

    def value(self, machine: "Machine") -> Value:
        """1, or 0 at the end, or -1 where it can't be read."""
        try:
            if self.source is None:
                found = machine.next_line()
            else:
                source = machine.streams.source(machine.text(self.source.value(machine)), self.is_command)
                found = source.record(machine.text(machine.get("RS")))
        except OSError:
            return -1.0
        if found is None:
            return 0.0
        if self.target:
            self.target.assign(machine, Input(found))
        else:
            machine.read_record(found)
        return 1.0
