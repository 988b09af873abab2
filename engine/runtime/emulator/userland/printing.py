"""Commands that write what they are told to: echo printf seq yes."""

import itertools
import re
from collections.abc import Iterator

from podlink.engine.runtime.emulator.process import Exited, Process
from podlink.engine.runtime.emulator.userland.command import complain, options

ESCAPES = {"\\": "\\", "a": "\a", "b": "\b", "e": "\x1b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v"}
ESCAPE = re.compile(r"\\(?:(0[0-7]{1,3}|[0-7]{1,3})|x([0-9a-fA-F]{1,2})|(.))", re.DOTALL)
CONVERSION = re.compile(r"%(?:%|([-+ #0]*)(\*|\d*)(?:\.(\*|\d*))?([a-zA-Z]))")
NUMBER = re.compile(r"[-+]?(0[xX][0-9a-fA-F]+|0[0-7]*|[1-9]\d*)")


def unescaped(text: str) -> tuple[str, bool]:
    """With escapes replaced, and whether a `\\c` said to stop there."""
    text, stop, _ = text.partition("\\c")

    def replaced(match: re.Match[str]) -> str:
        octal, hexadecimal, char = match.groups()
        if char is not None:
            return ESCAPES.get(char, "\\" + char)
        code = int(octal, 8) & 0xFF if octal else int(hexadecimal, 16)
        return bytes([code]).decode(errors="surrogateescape")

    return ESCAPE.sub(replaced, text), bool(stop)


def echo(process: Process) -> int:
    words = process.argv[1:]
    letters = ""
    while words and re.fullmatch(r"-[neE]+", words[0]):
        letters += words.pop(0)[1:]
    text = " ".join(words)
    stopped = False
    if "e" in letters:
        text, stopped = unescaped(text)
    process.write(1, text if stopped or "n" in letters else text + "\n")
    return 0


class Arguments:
    """What printf's conversions take; where there is nothing left they get nothing. status: 1 after one that was no number."""

    def __init__(self, process: Process, words: list[str]) -> None:
        self.process, self.words = process, words
        self.status = 0

    def text(self) -> str:
        return self.words.pop(0) if self.words else ""

    def number(self) -> int:
        text = self.text().strip()
        if text[:1] in ("'", '"'):
            return ord(text[1:2] or "\0")
        if NUMBER.fullmatch(text):
            digits = text.lstrip("+-")
            base = 16 if digits[:2].lower() == "0x" else 8 if digits.startswith("0") else 10
            return int(digits, base) * (-1 if text.startswith("-") else 1)
        if text:
            self.status = complain(self.process, f"invalid number '{text}'")
        return 0

    def fraction(self) -> float:
        text = self.text()
        try:
            return float(text or 0)
        except ValueError:
            self.status = complain(self.process, f"invalid number '{text}'")
            return 0.0


def printf(process: Process) -> int:
    """The format is used again until no arguments are left."""
    words = process.argv[2:] if process.argv[1:2] == ["--"] else process.argv[1:]
    if not words:
        process.write(2, "Usage: printf FORMAT [ARG]...\n")
        return 1
    form, stopped = unescaped(words[0])
    arguments = Arguments(process, words[1:])
    output = ""
    while True:
        left = len(arguments.words)
        try:
            output += CONVERSION.sub(lambda match: _converted(arguments, match), form)
        except _Stop as stop:
            output += stop.text
            break
        if stopped or not arguments.words or len(arguments.words) == left:
            break
    process.write(1, output)
    return arguments.status


class _Stop(Exception):
    """A `\\c` in the argument of a `%b`: nothing more is written."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.text = text


def _converted(arguments: Arguments, match: re.Match[str]) -> str:
    flags, width, precision, kind = match.groups()
    if kind is None:
        return "%"
    width = str(arguments.number()) if width == "*" else width
    precision = str(arguments.number()) if precision == "*" else precision
    form = f"%{flags}{width}" + ("" if precision is None else f".{precision}")
    if kind in "di":
        return (form + "d") % arguments.number()
    if kind in "ouxX":
        return (form + kind.replace("u", "d")) % (arguments.number() & 0xFFFFFFFFFFFFFFFF)
    if kind in "eEfFgG":
        return (form + kind) % arguments.fraction()
    if kind == "c":
        return (form + "s") % arguments.text()[:1]
    if kind == "s":
        return (form + "s") % arguments.text()
    if kind == "b":
        text, stopped = unescaped(arguments.text())
        if stopped:
            raise _Stop(match.string[: match.start()] + (form + "s") % text)
        return (form + "s") % text
    raise Exited(complain(arguments.process, f"{match.group()}: invalid format"))


def seq(process: Process) -> int:
    """seq [-w] [-s SEPARATOR] [FIRST [STEP]] LAST"""
    words = process.argv[1:]
    separator, wide = "\n", False
    while words and re.match(r"-[ws]", words[0]):
        word = words.pop(0)
        wide = wide or word == "-w"
        if word.startswith("-s"):
            separator = word[2:] or (words.pop(0) if words else "")
    if not 1 <= len(words) <= 3:
        process.write(2, "Usage: seq [-w] [-s SEP] [FIRST [INC]] LAST\n")
        return 1
    numbers = []
    for word in words:
        try:
            numbers.append(float(word))
        except ValueError:
            return complain(process, f"invalid number '{word}'")
    first, step = numbers[0] if len(words) > 1 else 1.0, numbers[1] if len(words) > 2 else 1.0
    places = max((len(word.partition(".")[2]) for word in words[:-1]), default=0)
    width = max(len(word.partition(".")[0]) for word in words) + (places + 1 if places else 0) if wide else 0
    end = ""
    for value in _steps(first, step, numbers[-1]):
        process.write(1, (separator if end else "") + f"{value:0{width}.{places}f}")
        end = "\n"
    process.write(1, end)
    return 0


def _steps(first: float, step: float, last: float) -> Iterator[float]:
    for number in itertools.count():
        value = first + number * step
        if (step >= 0 and value > last) or (step < 0 and value < last):
            return
        yield value


def yes(process: Process) -> int:
    _, words = options(process, "") if process.argv[1:2] == ["--"] else ({}, process.argv[1:])
    line = " ".join(words or ["y"]) + "\n"
    while True:
        process.write(1, line)
