"""Words become fields, in the order of POSIX, XCU 2.6: tilde, parameters, commands and arithmetic; splitting; file names.

What was expanded is carried as *runs*, which remember what quoting said: only a run that is `loose` (it came from an
expansion outside quotes) is split at IFS, only one that is not `quoted` can be a pattern.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from podlink.engine.runtime.emulator import users
from podlink.engine.runtime.emulator.userland import arithmetic, children, patterns
from podlink.engine.runtime.emulator.userland.control import ShellFault
from podlink.engine.runtime.emulator.userland.syntax import Arithmetic, Literal, Parameter, Part, Substitution, Word

if TYPE_CHECKING:
    from podlink.engine.runtime.emulator.userland.shell import Shell


@dataclass(frozen=True, slots=True)
class Run:
    """Text of one kind. boundary: a field ends here whatever IFS is (between the parameters of `$@`)."""

    text: str
    quoted: bool = False
    loose: bool = False
    boundary: bool = False


BOUNDARY = Run("", boundary=True)
COMPARED = ("=", "==", "!=")
"""Behind these, within `[[ ]]`, stands a pattern."""


def fields(shell: "Shell", words: Iterable[Word]) -> list[str]:
    """The arguments that the words of a command mean."""
    found: list[str] = []
    for word in words:
        for field in _split(_runs(shell, word), shell.variables.get("IFS", " \t\n")):
            pattern = _pattern(field)
            names = [] if shell.options["f"] else patterns.files(shell.process, pattern)
            found += names or [patterns.plain(pattern)]
    return found


def text(shell: "Shell", word: Word) -> str:
    """A word that is not split and names no files: the value of an assignment, the target of a redirection."""
    separated = (" " if run.boundary else run.text for run in _runs(shell, word))
    return "".join(separated)


def tested(shell: "Shell", words: Iterable[Word]) -> list[str]:
    """The words of `[[ ]]`: none is split; one that something is compared with is a pattern."""
    found: list[str] = []
    for word in words:
        found.append(pattern(shell, word) if found and found[-1] in COMPARED else text(shell, word))
    return found


def pattern(shell: "Shell", word: Word) -> str:
    """A word of `case`, or behind `#` and `%`, for `patterns.fits`."""
    return _pattern(_runs(shell, word))


def _pattern(runs: Iterable[Run]) -> str:
    return "".join(patterns.escaped(run.text) if run.quoted else run.text.replace("\\", "\\\\") for run in runs)


def _runs(shell: "Shell", word: Word) -> list[Run]:
    runs: list[Run] = []
    for number, part in enumerate(word):
        if number == 0 and isinstance(part, Literal) and not part.quoted and part.text.startswith("~"):
            part = _tilde(shell, part, alone=len(word) == 1)
        runs += _expand(shell, part)
    return runs


def _tilde(shell: "Shell", part: Literal, alone: bool) -> Literal:
    """`~`, `~/…` and `~name`."""
    name, slash, _ = part.text[1:].partition("/")
    if not (slash or alone):
        return part
    home = users.home_of(shell.process.tree, name) if name else shell.variables.get("HOME")
    return Literal(home + part.text[1 + len(name) :]) if home else part


def _expand(shell: "Shell", part: Part) -> Iterable[Run]:
    match part:
        case Literal(text, quoted):
            return [Run(text, quoted)]
        case Substitution(body, quoted):
            return [_value(children.capture(shell, body), quoted)]
        case Arithmetic(word, quoted):
            return [_value(str(_number(shell, word)), quoted)]
        case Parameter():
            return _parameter(shell, part)


def _number(shell: "Shell", word: Word) -> int:
    try:
        return arithmetic.evaluate("".join(run.text for run in _runs(shell, word)), shell.variables)
    except arithmetic.ArithmeticFault as fault:
        raise ShellFault(str(fault)) from None


def _slice(shell: "Shell", part: Parameter, value: str) -> str:
    """`${name:offset:length}`: from the end where one is negative."""
    offset = _number(shell, part.word)
    start = max(offset + len(value), 0) if offset < 0 else offset
    length = len(value) if part.second is None else _number(shell, part.second)
    return value[start:length] if length < 0 else value[start : start + length]


def _value(text: str, quoted: bool) -> Run:
    return Run(text, quoted, loose=not quoted)


def _parameter(shell: "Shell", part: Parameter) -> Iterable[Run]:
    """`$name` and what braces can ask of it."""
    operator = part.operator.removeprefix(":")
    value = shell.lookup(part.name)
    present = value is not None and not (part.operator.startswith(":") and value == "")
    if operator == "length":
        return [_value(str(len(value or "")), part.quoted)]
    if part.operator == ":":
        return [_value(_slice(shell, part, value or ""), part.quoted)]
    if operator in ("/", "//"):
        second = text(shell, part.second or ())
        return [_value(patterns.replaced(pattern(shell, part.word), value or "", second, operator == "//"), part.quoted)]
    if operator in ("#", "##", "%", "%%"):
        return [_value(patterns.without(pattern(shell, part.word), value or "", operator), part.quoted)]
    if operator == "+":
        return _runs(shell, part.word) if present else _nothing(part)
    if present or not operator:
        return _plain(shell, part, value)
    if operator == "-":
        return _alternative(shell, part)
    if operator == "=":
        shell.assign(part.name, text(shell, part.word))
        return [_value(shell.variables[part.name], part.quoted)]
    raise ShellFault(f"{part.name}: {text(shell, part.word) or 'parameter not set'}")


def _alternative(shell: "Shell", part: Parameter) -> Iterable[Run]:
    """The word of `${name-word}`: its own expansions are split unless the whole is quoted."""
    runs = _runs(shell, part.word) or list(_nothing(part))
    return [run if run.quoted or run.boundary else Run(run.text, part.quoted, loose=not part.quoted) for run in runs]


def _nothing(part: Parameter) -> Iterable[Run]:
    return [Run("", True)] if part.quoted else []


def _plain(shell: "Shell", part: Parameter, value: str | None) -> Iterable[Run]:
    if part.name in ("@", "*"):
        return list(_all_parameters(shell, part))
    if value is None and shell.options["u"]:
        raise ShellFault(f"{part.name}: parameter not set")
    return [_value(value or "", part.quoted)]


def _all_parameters(shell: "Shell", part: Parameter) -> Iterator[Run]:
    """`$@` and `$*`: in quotes one field each for `@`, and one for all with `*`."""
    if part.quoted and part.name == "*":
        yield Run(shell.variables.get("IFS", " ")[:1].join(shell.parameters), True)
        return
    for number, parameter in enumerate(shell.parameters):
        if number:
            yield BOUNDARY
        yield _value(parameter, part.quoted)


def _split(runs: Sequence[Run], separators: str) -> list[list[Run]]:
    """Field splitting: blanks of IFS fold into one, any other character of IFS ends a field each time."""
    splitter = _Splitter(separators)
    for run in runs:
        if run.boundary:
            splitter.end()
        elif run.loose:
            splitter.loose(run.text)
        elif run.text or run.quoted:
            splitter.add(run)
    splitter.end()
    return splitter.fields


class _Splitter:
    """current: the field that is being filled, None between two. folded: blanks just ended one."""

    def __init__(self, separators: str) -> None:
        self.separators = separators
        self.fields: list[list[Run]] = []
        self.current: list[Run] | None = None
        self.folded = False

    def add(self, run: Run) -> None:
        self.current = [*(self.current or []), run]
        self.folded = False

    def end(self) -> None:
        if self.current is not None:
            self.fields.append(self.current)
        self.current = None

    def loose(self, text: str) -> None:
        start = 0
        for at, char in enumerate(text):
            if char in self.separators:
                if at > start:
                    self.add(Run(text[start:at]))
                self._separate(char)
                start = at + 1
        if start < len(text):
            self.add(Run(text[start:]))

    def _separate(self, char: str) -> None:
        if char in " \t\n":
            self.folded = self.folded or self.current is not None
            self.end()
            return
        if self.current is None and not self.folded:
            self.current = []
        self.end()
        self.folded = False
