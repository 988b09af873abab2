"""expr: arithmetic, comparison and patterns, a word each. POSIX, XCU "expr"; length, substr and index as busybox has them.

or  := and { "|" and }          sum     := product { + - product }
and := cmp { "&" cmp }          product := match { * / % match }
cmp := sum { < <= = == != >= > sum }    match := item { ":" item }
"""

import re
from collections.abc import Callable

from podlink.engine.runtime.emulator.process import Process
from podlink.engine.runtime.emulator.userland.command import complain
from podlink.engine.runtime.emulator.userland.expressions import basic

INVALID = 2
NUMBER = re.compile(r"-?\d+")
ARITHMETIC: dict[str, Callable[[int, int], int]] = {
    "+": lambda left, right: left + right,
    "-": lambda left, right: left - right,
    "*": lambda left, right: left * right,
    "/": lambda left, right: abs(left) // abs(right) * (1 if (left < 0) == (right < 0) else -1),
    "%": lambda left, right: abs(left) % abs(right) * (-1 if left < 0 else 1),
}
COMPARISON: dict[str, Callable[[int], bool]] = {
    "<": lambda order: order < 0,
    "<=": lambda order: order <= 0,
    "=": lambda order: order == 0,
    "==": lambda order: order == 0,
    "!=": lambda order: order != 0,
    ">=": lambda order: order >= 0,
    ">": lambda order: order > 0,
}
"""By the sign of what the left side is to the right one."""


class Unsound(Exception):
    """The words are no expression."""


def expr(process: Process) -> int:
    """0, or 1 where the result is empty or zero; 2 for what is no expression."""
    try:
        if not process.argv[1:]:
            raise Unsound("too few arguments")
        result = Evaluation(process.argv[1:]).result()
    except Unsound as trouble:
        complain(process, str(trouble))
        return INVALID
    process.write(1, f"{result}\n")
    return 0 if _is_true(result) else 1


class Evaluation:
    """The words, from the first to the last."""

    def __init__(self, words: list[str]) -> None:
        self._words = words[::-1]

    def result(self) -> str:
        found = self._or()
        if self._words:
            raise Unsound("syntax error")
        return found

    def _next(self) -> str:
        if not self._words:
            raise Unsound("syntax error")
        return self._words.pop()

    def _operator(self, *known: str) -> str:
        """The next word, if it is one of these; else nothing, and it stays."""
        return self._words.pop() if self._words and self._words[-1] in known else ""

    def _or(self) -> str:
        left = self._and()
        while self._operator("|"):
            right = self._and()
            left = left if _is_true(left) else right
        return left

    def _and(self) -> str:
        left = self._comparison()
        while self._operator("&"):
            right = self._comparison()
            left = left if _is_true(left) and _is_true(right) else "0"
        return left

    def _comparison(self) -> str:
        left = self._sum()
        while operator := self._operator(*COMPARISON):
            right = self._sum()
            left = str(int(COMPARISON[operator](_order(left, right))))
        return left

    def _sum(self) -> str:
        return self._arithmetic(self._product, "+", "-")

    def _product(self) -> str:
        return self._arithmetic(self._match, "*", "/", "%")

    def _arithmetic(self, part: Callable[[], str], *operators: str) -> str:
        left = part()
        while operator := self._operator(*operators):
            first, second = _number(left), _number(part())
            if operator in "/%" and not second:
                raise Unsound("division by zero")
            left = str(ARITHMETIC[operator](first, second))
        return left

    def _match(self) -> str:
        left = self._item()
        while self._operator(":"):
            left = _matched(left, self._item())
        return left

    def _item(self) -> str:
        word = self._next()
        if word == "(":
            inside = self._or()
            if self._next() != ")":
                raise Unsound("syntax error")
            return inside
        if self._words and word in ("length", "substr", "index", "match", "quote"):
            return self._function(word)
        return word

    def _function(self, name: str) -> str:
        text = self._item()
        if name == "length":
            return str(len(text))
        if name == "quote":
            return text
        if name == "match":
            return _matched(text, self._item())
        if name == "index":
            among = self._item()
            return str(next((place for place, letter in enumerate(text, start=1) if letter in among), 0))
        start, size = _number(self._item()), _number(self._item())
        return text[start - 1 : start - 1 + size] if start > 0 and size > 0 else ""


def _is_true(text: str) -> bool:
    return bool(text) and not (NUMBER.fullmatch(text) and int(text) == 0)


def _number(text: str) -> int:
    if not NUMBER.fullmatch(text):
        raise Unsound("non-numeric argument")
    return int(text)


def _order(left: str, right: str) -> int:
    """As numbers where both are."""
    if NUMBER.fullmatch(left) and NUMBER.fullmatch(right):
        return int(left) - int(right)
    return (left > right) - (left < right)


def _matched(text: str, pattern: str) -> str:
    """What the first group is, or how much there was, from the beginning of the text."""
    found = re.match(basic(pattern), text)
    if re.search(r"\\\(", pattern):
        return (found[1] or "") if found else ""
    return str(len(found[0])) if found else "0"
