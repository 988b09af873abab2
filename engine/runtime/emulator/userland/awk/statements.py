"""What is done. Each statement does it in a program that runs, the `Machine`."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from podlink.engine.runtime.emulator.userland.awk.expressions import Element, Expression, Target
from podlink.engine.runtime.emulator.userland.awk.values import UNSET, Input, Value, formatted, number, text, truth
from podlink.engine.runtime.emulator.userland.awk.words import Fault

if TYPE_CHECKING:
    from podlink.engine.runtime.emulator.userland.awk.machine import Machine


class Statement(Protocol):
    def run(self, machine: "Machine") -> None: ...


class Leave(Exception):
    """kind: `break`, `continue`, `next`, `nextfile`, `return` or `exit`. value: of the last two."""

    def __init__(self, kind: str, value: Value = UNSET) -> None:
        super().__init__(kind)
        self.kind, self.value = kind, value


@dataclass(frozen=True, slots=True)
class Block:
    statements: tuple[Statement, ...]

    def run(self, machine: "Machine") -> None:
        for statement in self.statements:
            statement.run(machine)


@dataclass(frozen=True, slots=True)
class Evaluate:
    expression: Expression
    line: int

    def run(self, machine: "Machine") -> None:
        machine.at = self.line
        self.expression.value(machine)


@dataclass(frozen=True, slots=True)
class Print:
    """form: of `printf`. how, name: where it goes, with `>`, `>>` or `|`; empty is the standard output."""

    expressions: tuple[Expression, ...]
    is_formatted: bool
    how: str
    name: Expression | None
    line: int

    def run(self, machine: "Machine") -> None:
        machine.at = self.line
        values = [each.value(machine) for each in self.expressions]
        told = self._formatted(values) if self.is_formatted else self._plain(machine, values)
        sink = machine.streams.sink(self.how, machine.text(self.name.value(machine))) if self.name else machine.streams.output
        sink.write(told)

    def _formatted(self, values: list[Value]) -> str:
        try:
            return formatted(text(values[0]), values[1:])
        except ValueError as error:
            raise Fault(str(error), self.line) from None

    def _plain(self, machine: "Machine", values: list[Value]) -> str:
        form = machine.text(machine.get("OFMT"))
        shown = [text(each, form) for each in values] if self.expressions else [machine.line()]
        return machine.text(machine.get("OFS")).join(shown) + machine.text(machine.get("ORS"))


@dataclass(frozen=True, slots=True)
class If:
    condition: Expression
    then: Statement
    otherwise: Statement | None

    def run(self, machine: "Machine") -> None:
        if truth(self.condition.value(machine)):
            self.then.run(machine)
        elif self.otherwise:
            self.otherwise.run(machine)


@dataclass(frozen=True, slots=True)
class Loop:
    """while, do and for. is_late: the condition is asked after each turn."""

    condition: Expression
    body: Statement
    is_late: bool = False
    first: Statement | None = None
    after: Statement | None = None

    def run(self, machine: "Machine") -> None:
        if self.first:
            self.first.run(machine)
        goes_on = self.is_late or truth(self.condition.value(machine))
        while goes_on and turn(self.body, machine):
            if self.after:
                self.after.run(machine)
            goes_on = truth(self.condition.value(machine))


@dataclass(frozen=True, slots=True)
class ForEach:
    target: Target
    array: str
    body: Statement

    def run(self, machine: "Machine") -> None:
        for key in list(machine.array(self.array)):
            self.target.assign(machine, Input(key))
            if not turn(self.body, machine):
                return


def turn(body: Statement, machine: "Machine") -> bool:
    """One turn of a loop: whether there may be another. What is asked of the process (signals, its end) is looked at."""
    machine.process.checkpoint()
    try:
        body.run(machine)
    except Leave as leave:
        if leave.kind == "break":
            return False
        if leave.kind != "continue":
            raise
    return True


@dataclass(frozen=True, slots=True)
class Jump:
    kind: str
    value: Expression | None

    def run(self, machine: "Machine") -> None:
        raise Leave(self.kind, self.value.value(machine) if self.value else UNSET)


@dataclass(frozen=True, slots=True)
class Delete:
    """element: None is all of them."""

    array: str
    element: Element | None

    def run(self, machine: "Machine") -> None:
        found = machine.array(self.array)
        if self.element:
            found.pop(self.element.key(machine), None)
        else:
            found.clear()


@dataclass(frozen=True, slots=True)
class Rule:
    """pattern: None is always; a second one ends the range that the first begins. body: None prints the record."""

    pattern: Expression | None
    last: Expression | None
    body: Statement


@dataclass(frozen=True, slots=True)
class Function:
    parameters: tuple[str, ...]
    body: Statement


@dataclass(frozen=True, slots=True)
class Program:
    begin: tuple[Statement, ...]
    rules: tuple[Rule, ...]
    end: tuple[Statement, ...]
    functions: dict[str, Function]


def exit_status(leave: Leave, before: int) -> int:
    """Of an `exit`: without a value it is what it was before."""
    return int(number(leave.value)) & 0xFF if leave.value is not UNSET else before
