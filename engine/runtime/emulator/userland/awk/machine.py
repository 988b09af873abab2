"""A program while it runs."""

import re
from collections.abc import Sequence
from random import Random

from podlink.engine.runtime.emulator.process import Process
from podlink.engine.runtime.emulator.userland.awk.expressions import Expression, Variable
from podlink.engine.runtime.emulator.userland.awk.record import Record
from podlink.engine.runtime.emulator.userland.awk.statements import Leave, Program, Rule, exit_status
from podlink.engine.runtime.emulator.userland.awk.streams import Source, Streams, opened
from podlink.engine.runtime.emulator.userland.awk.values import UNSET, Input, Value, number, text, truth
from podlink.engine.runtime.emulator.userland.awk.words import Fault, unescaped

ASSIGNMENT = re.compile(r"([A-Za-z_]\w*)=(.*)", re.DOTALL)
USUAL: dict[str, Value] = {
    "FS": " ",
    "OFS": " ",
    "RS": "\n",
    "ORS": "\n",
    "SUBSEP": "\x1c",
    "CONVFMT": "%.6g",
    "OFMT": "%.6g",
    "FILENAME": "",
    "NR": 0.0,
    "FNR": 0.0,
    "RSTART": 0.0,
    "RLENGTH": -1.0,
}
Array = dict[str, Value]


class Untyped:
    """A variable that was given to a function before anybody knew whether it is an array."""

    def __init__(self) -> None:
        self.items: Array = {}


Slot = Value | Array | Untyped


class Machine:
    """at: the line of the program that is being run, for messages."""

    def __init__(self, process: Process, program: Program, operands: Sequence[str]) -> None:
        self.process, self.program = process, program
        self.streams = Streams(process)
        self.record = Record()
        self.at = 1
        self.seed = 1.0
        self.chance = Random(process.run.randomness.getrandbits(64))
        self._globals: dict[str, Slot] = dict(USUAL)
        self._globals["ENVIRON"] = {name: Input(value) for name, value in process.env.items()}
        self._globals["ARGV"] = {str(place): Input(word) for place, word in enumerate(["awk", *operands])}
        self._globals["ARGC"] = float(len(operands) + 1)
        self._frames: list[dict[str, Slot]] = []
        self._input: Source | None = None
        self._operand, self._had_file = 1, False
        self._open_ranges: set[int] = set()

    # Variables

    def _scope(self, name: str) -> dict[str, Slot]:
        return self._frames[-1] if self._frames and name in self._frames[-1] else self._globals

    def get(self, name: str) -> Value:
        if name == "NF":
            return float(len(self.record.fields))
        found = self._scope(name).get(name, UNSET)
        if isinstance(found, dict):
            raise Fault("Attempt to use an array in a scalar context", self.at)
        return UNSET if isinstance(found, Untyped) else found

    def put(self, name: str, value: Value) -> None:
        if name == "NF":
            self.record.resize(int(number(value)))
            return
        self._scope(name)[name] = value

    def array(self, name: str) -> Array:
        scope = self._scope(name)
        found = scope.get(name, UNSET)
        if isinstance(found, Untyped):
            return found.items
        if not isinstance(found, dict):
            if found is not UNSET:
                raise Fault("Attempt to use a scalar in an array context", self.at)
            found = scope[name] = {}
        return found

    def is_array(self, name: str) -> bool:
        found = self._scope(name).get(name)
        return isinstance(found, dict) or (isinstance(found, Untyped) and bool(found.items))

    def text(self, value: Value) -> str:
        return str(value) if isinstance(value, str) else text(value, str(self._globals["CONVFMT"]))

    # Functions

    def call(self, name: str, arguments: tuple[Expression, ...], line: int) -> Value:
        function = self.program.functions.get(name)
        if function is None:
            raise Fault("Call to undefined function", line)
        if len(arguments) > len(function.parameters):
            raise Fault("Unexpected token", line)
        frame: dict[str, Slot] = dict.fromkeys(function.parameters, UNSET)
        frame |= {parameter: self._given(each) for parameter, each in zip(function.parameters, arguments, strict=False)}
        self._frames.append(frame)
        try:
            function.body.run(self)
        except Leave as leave:
            if leave.kind != "return":
                raise
            return leave.value
        finally:
            self._frames.pop()
        return UNSET

    def _given(self, argument: Expression) -> Slot:
        """An array goes as it is; what is neither an array nor anything else yet may become one."""
        if not isinstance(argument, Variable) or argument.name == "NF":
            return argument.value(self)
        scope = self._scope(argument.name)
        found = scope.get(argument.name, UNSET)
        if found is UNSET:
            found = scope[argument.name] = Untyped()
        return found

    # Input

    def line(self) -> Input:
        return self.record.whole(self.text(self.get("OFS")), self.text)

    def read_record(self, line: str) -> None:
        self.record.read(line, self.text(self.get("FS")), self.get("RS") == "")

    def next_line(self) -> str | None:
        """Of the files that the program was given, or of its input. None: there is no more. Raises OSError."""
        while self._input or self._open_next():
            assert self._input is not None
            found = self._input.record(self.text(self.get("RS")))
            if found is not None:
                for counter in ("NR", "FNR"):
                    self.put(counter, number(self.get(counter)) + 1)
                return found
            self.leave_file()
        return None

    def leave_file(self) -> None:
        if self._input:
            self.process.close(self._input.descriptor)
            self._input = None

    def _open_next(self) -> bool:
        """The next file, and what is assigned before it."""
        while self._operand < number(self.get("ARGC")):
            word = self.text(self.array("ARGV").get(str(self._operand), ""))
            self._operand += 1
            if assigned := ASSIGNMENT.fullmatch(word):
                self.put(assigned[1], Input(unescaped(assigned[2])))
            elif word:
                self._begin(word)
                return True
        if not self._had_file:
            self._begin("-")
            return True
        return False

    def _begin(self, name: str) -> None:
        self._had_file = True
        self._input = Source(self.process, 0 if name == "-" else opened(self.process, name))
        self.put("FILENAME", "" if name == "-" else name)
        self.put("FNR", 0.0)

    # The program

    def run(self) -> int:
        """Its exit status. Raises Fault and OSError."""
        status = 0
        try:
            for statement in self.program.begin:
                statement.run(self)
            if self.program.rules or self.program.end:
                self._read_all()
        except Leave as leave:
            status = exit_status(leave, status)
        try:
            for statement in self.program.end:
                statement.run(self)
        except Leave as leave:
            status = exit_status(leave, status)
        self.streams.end()
        return status

    def _read_all(self) -> None:
        while (line := self.next_line()) is not None:
            self.read_record(line)
            try:
                for place, rule in enumerate(self.program.rules):
                    if self._applies(place, rule):
                        rule.body.run(self)
            except Leave as leave:
                if leave.kind not in ("next", "nextfile"):
                    raise
                if leave.kind == "nextfile":
                    self.leave_file()

    def _applies(self, place: int, rule: Rule) -> bool:
        if place not in self._open_ranges:
            if rule.pattern and not truth(rule.pattern.value(self)):
                return False
            if rule.last:
                self._open_ranges.add(place)
        if rule.last and truth(rule.last.value(self)):
            self._open_ranges.discard(place)
        return True
