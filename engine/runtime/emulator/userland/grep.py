"""grep(1), with its other names egrep and fgrep."""

import re
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass

from podlink.engine.runtime.emulator.process import Process, Program
from podlink.engine.runtime.emulator.userland.command import Inputs, Options, complain, count, options
from podlink.engine.runtime.emulator.userland.expressions import basic, extended
from podlink.engine.runtime.emulator.userland.files import place


def grep(process: Process) -> int:
    """grep [-EFivcnqlLohHwxsrR] [-m COUNT] [-A|-B|-C LINES] [-e PATTERN] [-f FILE] [PATTERN] [FILE]…

    1 where nothing was found, 2 after an error.
    """
    found, words = options(process, "EFGivcnqlLohHwxsarRz", "emfABC", repeated="ef")
    patterns = found["e"].split("\n") if "e" in found else []
    if "f" in found:
        patterns += [line.decode(errors="surrogateescape") for line in Inputs(process, found["f"].split("\n"), "{}").lines()]
    elif not patterns:
        patterns = words[:1] and words.pop(0).split("\n")
    if not patterns and "f" not in found:
        process.write(2, "Usage: grep [-HhnlLoqvsrRiwFE] [-m N] [-A|B|C N] PATTERN/-e PATTERN.../-f FILE [FILE]...\n")
        return 2
    try:
        expression = re.compile(_expression(patterns, found).encode(), re.IGNORECASE if "i" in found else 0)
    except re.error as error:
        complain(process, f"bad regex '{patterns[0]}': {error}")
        return 2
    return _search(process, words, expression, found)


def also(letter: str) -> Program:
    """egrep and fgrep: grep with an option."""

    def run(process: Process) -> int:
        process.argv = [process.argv[0], f"-{letter}", *process.argv[1:]]
        return grep(process)

    return run


egrep, fgrep = also("E"), also("F")


def _search(process: Process, words: list[str], expression: re.Pattern[bytes], found: Options) -> int:
    deep = bool({"r", "R"} & set(found))
    paths = [each for word in words or ["."] for each in _below(process, word)] if deep else words
    inputs, total = Inputs(process, paths, "{}", silent="s" in found), 0
    named = ("H" in found or len(paths) > 1 or (deep and paths != words)) and "h" not in found
    for path, descriptor in inputs if paths or not deep else ():
        name = "(standard input)" if path == "-" else path
        total += (matched := _Looking(process, expression, found, name if named else "").run(descriptor))
        if matched and "q" in found:
            return 0
        if ("l" in found and matched) or ("L" in found and not matched):
            process.write(1, name + "\n")
        elif "c" in found:
            process.write(1, f"{name}:{matched}\n" if named else f"{matched}\n")
    return 2 if inputs.status else int(not total)


def _below(process: Process, path: str) -> Iterator[str]:
    """The files in a folder; anything else itself."""

    def names() -> list[str] | None:
        host = place(process, path)
        return sorted(each.name for each in host.iterdir()) if host.is_dir() else None

    try:
        inner = process.call(names)
    except OSError:
        inner = None
    if inner is None:
        yield path
    for name in inner or ():
        yield from _below(process, f"{path.rstrip('/')}/{name}")


def _expression(patterns: list[str], found: Options) -> str:
    translate = re.escape if "F" in found else extended if "E" in found else basic
    joined = "|".join(f"(?:{translate(pattern)})" for pattern in patterns) if patterns else "(?!)"
    if "x" in found:
        return f"^(?:{joined})$"
    return rf"\b(?:{joined})\b" if "w" in found else joined


@dataclass
class _Looking:
    """In one file. name: empty where it is not told."""

    process: Process
    expression: re.Pattern[bytes]
    found: Options
    name: str

    def run(self, descriptor: int) -> int:
        """How many lines were selected; they are written unless only their number or the file's name was asked for."""
        found, selected = self.found, 0
        around = found.get("C", "0")
        behind, ahead = (count(self.process, found.get(letter, around)) for letter in "AB")
        earlier: deque[tuple[int, bytes]] = deque(maxlen=ahead)
        last, left = 0, 0
        for number, line in enumerate(self.process.lines(descriptor), start=1):
            line = line.removesuffix(b"\n")
            if (self.expression.search(line) is None) == ("v" in found):
                selected += 1
                if (behind or ahead) and last and number - len(earlier) > last + 1:
                    self._tell(b"--\n")
                for before, text in earlier:
                    self._line(before, text, "-")
                earlier.clear()
                self._line(number, line, ":")
                last, left = number, behind
                if {"q", "l"} & set(found) or ("m" in found and selected >= count(self.process, found["m"])):
                    break
            elif left:
                self._line(number, line, "-")
                last, left = number, left - 1
            else:
                earlier.append((number, line))
        return selected

    def _line(self, number: int, line: bytes, mark: str) -> None:
        head = ((self.name + mark if self.name else "") + (f"{number}{mark}" if "n" in self.found else "")).encode()
        only = "o" in self.found
        texts = [match[0] for match in self.expression.finditer(line) if match[0]] if only else [line]
        self._tell(b"".join(head + text + b"\n" for text in texts))

    def _tell(self, text: bytes) -> None:
        if not {"q", "l", "L", "c"} & set(self.found):
            self.process.write(1, text)
