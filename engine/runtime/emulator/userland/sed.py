"""sed(1): commands (`sed_script.py`) that are run over the lines of its input.

There is a line that is worked at (the pattern space) and one that is put aside (the hold space).
"""

import os
import re
from collections.abc import Iterator

from podlink.engine.runtime.emulator.process import Exited, Process
from podlink.engine.runtime.emulator.userland.command import Inputs, complain, refused
from podlink.engine.runtime.emulator.userland.files import target
from podlink.engine.runtime.emulator.userland.sed_script import Address, Edit, Script


def sed(process: Process) -> int:
    """sed [-nEr] [-i[SUFFIX]] [-e SCRIPT]… [-f FILE] [SCRIPT] [FILE]…"""
    letters, scripts, suffix, words = _options(process)
    if not scripts:
        if not words:
            process.write(2, "Usage: sed [-i[SFX]] [-nrE] [-f FILE]... [-e CMD]... [FILE]...\n")
            return 1
        scripts = [words.pop(0)]
    edits = Script(process, "\n".join(scripts), "E" in letters).edits()
    if suffix is None:
        inputs = Inputs(process, words, "{}")
        _Run(process, edits, "n" in letters, 1).over(inputs.lines())
        return inputs.status
    status = 0
    for path in words:
        inputs = Inputs(process, [path], "{}")
        lines = list(inputs.lines())
        status = inputs.status or _rewrite(process, path, suffix, edits, "n" in letters, lines) or status
    return status


def _options(process: Process) -> tuple[set[str], list[str], str | None, list[str]]:
    """Letters, scripts, the suffix of `-i` (None: it is not asked for), and the operands."""
    letters: set[str] = set()
    scripts: list[str] = []
    suffix, rest, words = None, [], process.argv[1:]
    while words:
        word = words.pop(0)
        if word == "--":
            rest += words
            break
        if not word.startswith("-") or word == "-":
            rest.append(word)
            continue
        word = word.replace("--expression=", "-e", 1).replace("--in-place", "-i", 1).replace("--quiet", "-n", 1)
        while word := word[1:]:
            if word[0] == "i":
                suffix, word = word[1:], ""
            elif word[0] in "ef":
                if not (value := word[1:] or (words.pop(0) if words else "")):
                    raise Exited(complain(process, f"option requires an argument -- '{word[0]}'"))
                scripts.append(value if word[0] == "e" else _file(process, value))
                word = ""
            elif word[0] in "nErsz":
                letters.add(word[0].replace("r", "E"))
            else:
                raise Exited(complain(process, f"invalid option -- '{word[0]}'"))
    return letters, scripts, suffix, rest


def _file(process: Process, path: str) -> str:
    inputs = Inputs(process, [path])
    text = b"\n".join(inputs.lines()).decode(errors="surrogateescape")
    if inputs.status:
        raise Exited(1)
    return text


def _rewrite(process: Process, path: str, suffix: str, edits: list[Edit], silent: bool, lines: list[bytes]) -> int:
    """The file gets what would have been written. suffix: what the old one is called by, with the name in front."""
    try:
        if suffix:
            process.call(lambda: target(process, path + suffix).write_bytes(target(process, path, follow=True).read_bytes()))
        output = process.open(path, os.O_WRONLY | os.O_TRUNC)
    except OSError as error:
        return refused(process, path, error)
    _Run(process, edits, silent, output).over(iter(lines))
    process.close(output)
    return 0


class _Run:
    """over some lines. output: the descriptor that is written to."""

    def __init__(self, process: Process, edits: list[Edit], silent: bool, output: int) -> None:
        self._process, self._edits, self._silent, self._output = process, edits, silent, output
        self._active: set[int] = set()
        self._space, self._held = "", ""
        self._number = 0
        self._substituted = False
        self._after: list[str] = []
        """What is to be written once the line is."""

    def over(self, lines: Iterator[bytes]) -> None:
        self._lines = lines
        self._next = next(lines, None)
        again = False
        while again or self._advance():
            again = False
            match self._cycle():
                case "quit":
                    self._end()
                    return
                case "again":
                    again = True
                case "delete":
                    self._flush()
                case _:
                    self._end()

    def _advance(self, *, joined: bool = False) -> bool:
        """The next line, or behind what is there; whether there is one."""
        if self._next is None:
            return False
        line = self._next.decode(errors="surrogateescape")
        self._space = f"{self._space}\n{line}" if joined else line
        self._number, self._next = self._number + 1, next(self._lines, None)
        self._substituted = False
        return True

    def _write(self, text: str) -> None:
        self._process.write(self._output, f"{text}\n")

    def _flush(self) -> None:
        for text in self._after:
            self._write(text)
        self._after = []

    def _end(self) -> None:
        if not self._silent:
            self._write(self._space)
        self._flush()

    def _cycle(self) -> str:
        """Every command that is for the line; what becomes of it then: ``, `delete`, `again` (D) or `quit`."""
        at = 0
        while at < len(self._edits):
            edit = self._edits[at]
            at += 1
            if self._applies(edit, at) == edit.negated:
                at = edit.end if edit.does == "{" else at
                continue
            if edit.does in ("b", "t"):
                at = edit.end if edit.does == "b" or self._substituted else at
                self._substituted = self._substituted and edit.does != "t"
            elif edit.does == "D" and "\n" in self._space:
                self._space = self._space.partition("\n")[2]
                return "again"
            elif edit.does in "dDc":
                if edit.does == "c" and (edit.last is None or edit.negated or at not in self._active):
                    self._write(edit.text)
                return "delete"
            elif edit.does == "q":
                return "quit"
            elif edit.does in "nN":
                if edit.does == "n" and self._next is not None:
                    self._end()
                if not self._advance(joined=edit.does == "N"):
                    return "quit"
            else:
                self._do(edit)
        return ""

    def _do(self, edit: Edit) -> None:
        match edit.does:
            case "p":
                self._write(self._space)
            case "P":
                self._write(self._space.partition("\n")[0])
            case "=":
                self._write(str(self._number))
            case "i":
                self._write(edit.text)
            case "a":
                self._after.append(edit.text)
            case "y":
                self._space = self._space.translate(edit.table)
            case "g":
                self._space = self._held
            case "G":
                self._space += f"\n{self._held}"
            case "h":
                self._held = self._space
            case "H":
                self._held += f"\n{self._space}"
            case "x":
                self._space, self._held = self._held, self._space
            case "s" if edit.pattern:
                self._substitute(edit, edit.pattern)

    def _substitute(self, edit: Edit, pattern: re.Pattern[str]) -> None:
        seen = 0

        def other(found: re.Match[str]) -> str:
            nonlocal seen
            seen += 1
            chosen = seen == edit.place or (seen > edit.place and "g" in edit.flags)
            return found.expand(edit.replacement) if chosen else found[0]

        self._space = pattern.sub(other, self._space, count=0 if "g" in edit.flags else edit.place)
        if seen >= edit.place:
            self._substituted = True
            if "p" in edit.flags:
                self._write(self._space)

    def _applies(self, edit: Edit, place: int) -> bool:
        if edit.first is None or edit.last is None:
            return edit.first is None or self._meets(edit.first)
        last = edit.last
        if place in self._active:
            if self._meets(last) or (isinstance(last, int) and self._number >= last):
                self._active.discard(place)
            return not (isinstance(last, int) and self._number > last)
        if not self._meets(edit.first):
            return False
        if not (isinstance(last, int) and self._number >= last) and not (last == "$" and self._next is None):
            self._active.add(place)
        return True

    def _meets(self, address: Address) -> bool:
        if isinstance(address, re.Pattern):
            return address.search(self._space) is not None
        return self._next is None if address == "$" else address == self._number
