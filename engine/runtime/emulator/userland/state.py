"""What a shell knows: variables, parameters, functions, options, traps. What it does: `shell.py`."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Self

from podlink.engine.runtime.emulator import signals
from podlink.engine.runtime.emulator.process import Process
from podlink.engine.runtime.emulator.usage import BUFFER
from podlink.engine.runtime.emulator.userland.control import ShellFault
from podlink.engine.runtime.emulator.userland.jobs import Jobs
from podlink.engine.runtime.emulator.userland.syntax import Command

EXIT = 0
"""The trap that is no signal's: run when the shell ends."""


class State:
    """name: `$0`. status: `$?`. job: `$!`. tested: within a condition, where `set -e` does not count.

    scopes: for each function that is being called, what its local variables were before. text: what was read last.
    controls: the jobs of a shell that somebody sits at, where it has the terminal. deaf: what it ignores, and its children don't.
    """

    def __init__(self, process: Process, name: str, parameters: list[str]) -> None:
        self.process = process
        self.name = name
        self.parameters = parameters
        self.variables: dict[str, str] = dict(process.env)
        self.exported = set(process.env)
        self.fixed: set[str] = set()
        self.scopes: list[dict[str, str | None]] = []
        self.functions: dict[str, Command] = {}
        self.aliases: dict[str, str] = {}
        self.line = 0
        """Of the command that is run: `$LINENO`, unless somebody assigned to that."""
        self.options = dict.fromkeys([*"aefux", "pipefail"], False)
        self.traps: dict[int, str] = {}
        self.signalled: list[int] = []
        self.status = 0
        self.job: Process | None = None
        self.jobs: list[Process] = []
        self.controls: Jobs | None = None
        self.deaf: frozenset[int] = frozenset()
        self.is_interactive = False
        self.text = ""
        self.identity = process.pid
        self.parent = process.parent.pid if process.parent else 0
        self.tested = self.loops = 0
        self.variables["OPTIND"] = "1"
        self.letter = 0
        """How far getopts has come in the word that OPTIND is beyond, or at: 0 is its beginning."""

    def complain(self, message: str) -> None:
        self.process.write(2, f"{self.name}: {message}\n")

    def copy(self) -> Self:
        """The same shell, for another process: traps are gone, but what is ignored stays so."""
        shell = type(self)(self.process, self.name, list(self.parameters))
        shell.variables, shell.exported, shell.fixed = dict(self.variables), set(self.exported), set(self.fixed)
        shell.functions, shell.options = dict(self.functions), dict(self.options)
        shell.aliases, shell.line = dict(self.aliases), self.line
        shell.scopes = [dict(scope) for scope in self.scopes]
        shell.traps = {number: command for number, command in self.traps.items() if not command and number}
        shell.status, shell.job, shell.identity, shell.parent = self.status, self.job, self.identity, self.parent
        shell.tested, shell.loops = self.tested, self.loops
        return shell

    # Variables

    def lookup(self, name: str) -> str | None:
        """The value of a parameter; None where it is not set."""
        match name:
            case "?":
                return str(self.status)
            case "#":
                return str(len(self.parameters))
            case "$":
                return str(self.identity)
            case "!":
                return str(self.job.pid) if self.job else None
            case "-":
                return "".join(letter for letter, on in self.options.items() if on and len(letter) == 1)
            case "@" | "*":
                return " ".join(self.parameters) if self.parameters else None
            case "0":
                return self.name
            case "RANDOM":
                return str(self.process.run.randomness.getrandbits(15))
            case "PPID":
                return str(self.parent)
        if name.isdecimal():
            return self.parameters[int(name) - 1] if int(name) <= len(self.parameters) else None
        return self.variables.get(name, str(self.line) if name == "LINENO" else None)

    def assign(self, name: str, value: str) -> None:
        if name in self.fixed:
            raise ShellFault(f"{name}: is read only")
        before = self.variables.get(name, "")
        if len(value) > len(before):
            self.process.keep(len(value) - len(before), len(value))
        elif len(before) > BUFFER:
            self.process.free(min(len(before) - len(value), self.process.memory))
        self.variables[name] = value
        if self.options["a"]:
            self.exported.add(name)

    def environment(self) -> dict[str, str]:
        return {name: self.variables[name] for name in self.variables if name in self.exported}

    @contextmanager
    def overlaid(self, values: list[tuple[str, str]]) -> Iterator[None]:
        """Variables for one command: `A=1 command`."""
        before = {name: self.variables.get(name) for name, _ in values}
        for name, value in values:
            self.assign(name, value)
        try:
            yield
        finally:
            self.put_back(before)

    def put_back(self, values: Mapping[str, str | None]) -> None:
        """Variables as they were; None: not set."""
        for name, value in values.items():
            if value is None:
                self.variables.pop(name, None)
            else:
                self.variables[name] = value

    # Signals

    def trap(self, number: int, command: str | None) -> None:
        """None: as before any trap; empty: ignore."""
        if command is None:
            self.traps.pop(number, None)
        else:
            self.traps[number] = command
        if number == EXIT or number in signals.UNCATCHABLE:
            return
        if command is None:
            self.process.default_signal(number)
        else:
            self.process.on_signal(number, self.signalled.append if command else None)
