"""The script of sed(1) as commands.

[address[,address]][!]command          a command and the lines that it is for
{ commands }                           for the same lines
: label   b label   t label            where to go on
"""

import re
from dataclasses import dataclass, field, replace
from typing import Any

from podlink.engine.runtime.emulator.process import Exited, Process
from podlink.engine.runtime.emulator.userland.command import complain
from podlink.engine.runtime.emulator.userland.expressions import basic, extended

Address = int | str | re.Pattern[str] | None
"""The number of a line, `$`, or what is in it; None is any."""
TEXTS = "aic"
"""Commands that a text belongs to."""
LABELS = ":bt"
PLAIN = "dDpPqgGhHxnN=}"


@dataclass(frozen=True)
class Edit:
    """One command. does: its letter. end: of `{`, the place of its `}`; of b and t, where to go on."""

    first: Address = None
    last: Address = None
    negated: bool = False
    does: str = ""
    text: str = ""
    pattern: re.Pattern[str] | None = None
    replacement: str = ""
    flags: str = ""
    place: int = 1
    """Of `s`: the how manieth it begins with."""
    table: dict[int, str] = field(default_factory=dict)
    end: int = 0


class Script:
    """The commands, read from their text. A mistake ends the command, in busybox's words."""

    def __init__(self, process: Process, text: str, extended: bool) -> None:
        self._process, self._text, self._extended, self._at = process, text, extended, 0
        self._last: re.Pattern[str] | None = None

    def edits(self) -> list[Edit]:
        """All of them, with the places where blocks end and labels are."""
        found: list[Edit] = []
        while self._skip(" \t\n;"):
            found.append(self._edit())
        labels = {edit.text: number for number, edit in enumerate(found) if edit.does == ":"}
        ends: dict[int, int] = {}
        open_: list[int] = []
        for number, edit in enumerate(found):
            if edit.does == "{":
                open_.append(number)
            elif edit.does == "}":
                if not open_:
                    raise self._fail("unexpected }")
                ends[open_.pop()] = number + 1
            elif edit.does in ("b", "t"):
                if edit.text and edit.text not in labels:
                    raise self._fail(f"can't find label for jump to '{edit.text}'")
                ends[number] = labels[edit.text] if edit.text else len(found)
        if open_:
            raise self._fail("unmatched {")
        return [replace(edit, end=ends.get(number, 0)) for number, edit in enumerate(found)]

    def _skip(self, characters: str) -> bool:
        """Whether anything is left behind them."""
        while self._peek() and self._peek() in characters:
            self._at += 1
        if self._peek() == "#":
            self._line()
            return self._skip(characters)
        return self._at < len(self._text)

    def _peek(self) -> str:
        return self._text[self._at : self._at + 1]

    def _fail(self, message: str) -> Exited:
        return Exited(complain(self._process, message))

    def _line(self) -> str:
        """The rest of the line."""
        start = self._at
        end = self._text.find("\n", start)
        self._at = len(self._text) if end < 0 else end
        return self._text[start : self._at]

    def _edit(self) -> Edit:
        first = self._address()
        last = None
        if first is not None and self._peek() == ",":
            self._at += 1
            if (last := self._address()) is None:
                raise self._fail("no address after comma")
        self._skip(" \t")
        negated = self._peek() == "!"
        self._at += negated
        self._skip(" \t")
        does = self._peek()
        self._at += 1
        if not does:
            raise self._fail("missing command")
        return Edit(first, last, negated, does, **self._rest(does))

    def _rest(self, does: str) -> dict[str, Any]:
        """What belongs to a command behind its letter."""
        if does == "s":
            return self._substitution()
        if does == "y":
            return self._table()
        if does in TEXTS:
            return {"text": self._following_text()}
        if does in LABELS:
            self._skip(" \t")
            word = re.match(r"[^\n;}]*" if does != ":" else r"[^\n;]*", self._text[self._at :])
            self._at += len(word[0]) if word else 0
            return {"text": word[0].strip() if word else ""}
        if does not in PLAIN + "{":
            raise self._fail(f"unsupported command {does}")
        return {}

    def _following_text(self) -> str:
        """Of `a\\` and a new line, or of `a text`: up to a line whose end has no backslash."""
        self._skip(" \t")
        if self._peek() == "\\":
            self._at += 1
            self._skip(" \t")
            self._at += self._peek() == "\n"
        lines = [self._line()]
        while lines[-1].endswith("\\") and self._peek():
            self._at += 1
            lines[-1] = lines[-1][:-1]
            lines.append(self._line())
        return re.sub(r"\\(.)", lambda found: {"t": "\t", "n": "\n"}.get(found[1], found[1]), "\n".join(lines))

    def _address(self) -> Address:
        if self._peek() == "$":
            self._at += 1
            return "$"
        if self._peek() in ("/", "\\"):
            self._at += self._peek() == "\\"
            delimiter = self._peek()
            self._at += 1
            pattern = self._until(delimiter)
            ignores = self._peek() == "I"
            self._at += ignores
            return self._expression(pattern, "I" if ignores else "")
        digits = re.match(r"\d+", self._text[self._at :])
        self._at += len(digits[0]) if digits else 0
        return int(digits[0]) if digits else None

    def _until(self, end: str) -> str:
        """The text up to a delimiter that no backslash stands before, and that is in no brackets; past it."""
        start = self._at
        while self._peek() != end:
            if not self._peek():
                raise self._fail(f"unmatched '{end}'")
            self._at += 2 if self._peek() == "\\" else 1
        self._at += 1
        return self._text[start : self._at - 1].replace(f"\\{end}", end)

    def _substitution(self) -> dict[str, Any]:
        delimiter = self._peek()
        self._at += 1
        pattern, replacement = self._until(delimiter), self._until(delimiter)
        flags = re.match(r"[gpiI\d]*", self._text[self._at :])
        letters = flags[0] if flags else ""
        self._at += len(letters)
        if self._peek() and self._peek() not in " \t\n;}#":
            raise self._fail("bad option in substitution expression")
        digits = re.search(r"\d+", letters)
        expression = self._expression(pattern, letters)
        return {
            "pattern": expression,
            "replacement": _template(replacement),
            "flags": letters,
            "place": int(digits[0]) if digits else 1,
        }

    def _table(self) -> dict[str, Any]:
        delimiter = self._peek()
        self._at += 1
        first, second = (
            text.replace("\\n", "\n").replace("\\\\", "\\") for text in (self._until(delimiter), self._until(delimiter))
        )
        if len(first) != len(second):
            raise self._fail("strings for y command are of different lengths")
        return {"table": str.maketrans(first, second)}

    def _expression(self, text: str, flags: str = "") -> re.Pattern[str]:
        """An empty one is the last one again."""
        if not text and self._last:
            return self._last
        try:
            translated = extended(text) if self._extended else basic(text)
            self._last = re.compile(translated, re.IGNORECASE if set("iI") & set(flags) else 0)
        except re.error as error:
            raise self._fail(f"bad regex '{text}': {error}") from None
        return self._last


def _template(text: str) -> str:
    """A replacement as Python writes it: `&` is all that was found."""

    def other(found: re.Match[str]) -> str:
        word = found[0]
        if word == "&":
            return r"\g<0>"
        if word[1:].isdigit():
            return rf"\g<{word[1:]}>"
        return {"\\n": "\\n", "\\t": "\\t", "\\\\": "\\\\", "\\\n": "\\n"}.get(word, word[1:])

    return re.sub(r"\\.|&", other, text, flags=re.DOTALL)


def _plainly(text: str) -> str:
    return text.replace("\\n", "\n").replace("\\\\", "\\")
