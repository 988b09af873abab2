"""`$0` and its fields. Each is made of the other when it is asked for."""

import re
from collections.abc import Callable
from functools import lru_cache

from podlink.engine.runtime.emulator.userland.awk.values import UNSET, Input, Value
from podlink.engine.runtime.emulator.userland.expressions import extended

Shown = Callable[[Value], str]
"""A value as the program shows it."""


@lru_cache(maxsize=256)
def compiled(pattern: str) -> re.Pattern[str]:
    """An extended regular expression. Raises re.error."""
    return re.compile(extended(pattern))


def split(text: str, separator: str, *, by_lines: bool = False) -> list[str]:
    """By blanks (a space), each character (nothing), one character, or a regular expression. by_lines: lines end fields, too."""
    if not text:
        return []
    if separator == " ":
        return text.split()
    if not separator:
        return list(text)
    pattern = separator if len(separator) > 1 else re.escape(separator)
    found, start = [], 0
    for match in compiled(f"{pattern}|\n" if by_lines else pattern).finditer(text):
        if match.end() > match.start():  # what matches nothing separates nothing
            found.append(text[start : match.start()])
            start = match.end()
    return [*found, text[start:]]


class Record:
    """separator: FS, as it was when the record was read."""

    def __init__(self) -> None:
        self._text: str | None = ""
        self._fields: list[Value] | None = []
        self._separator, self._by_lines = " ", False

    def read(self, text: str, separator: str, by_lines: bool) -> None:
        self._text, self._fields = text, None
        self._separator, self._by_lines = separator, by_lines

    @property
    def fields(self) -> list[Value]:
        if self._fields is None:
            self._fields = [Input(each) for each in split(self._text or "", self._separator, by_lines=self._by_lines)]
        return self._fields

    def whole(self, between: str, shown: Shown) -> Input:
        """`$0`. between: OFS."""
        if self._text is None:
            self._text = between.join(shown(each) for each in self.fields)
        return Input(self._text)

    def field(self, place: int) -> Value:
        return self.fields[place - 1] if place <= len(self.fields) else UNSET

    def change(self, place: int, value: Value) -> None:
        fields = self.fields
        fields += [Input()] * (place - len(fields))
        fields[place - 1] = value
        self._text = None

    def resize(self, count: int) -> None:
        """NF was set."""
        fields = self.fields
        self._fields = [*fields[:count], *[Input()] * (count - len(fields))]
        self._text = None
