"""test(1), which is also `[`: POSIX, with `-a`, `-o`, `(` and `)`; and `[[ ]]`, where these are `&&` and `||`.

expression    conjunction -o conjunction …
conjunction   negation -a negation …
negation      ! negation, ( expression ), WORD OPERATOR WORD, OPERATOR WORD, WORD
"""

import os
import re
import stat
from collections.abc import Callable
from pathlib import Path

from podlink.engine.runtime.emulator.process import Process
from podlink.engine.runtime.emulator.userland.command import complain
from podlink.engine.runtime.emulator.userland.expressions import extended
from podlink.engine.runtime.emulator.userland.patterns import fits

NUMBERS: dict[str, Callable[[int, int], bool]] = {
    "-eq": lambda a, b: a == b,
    "-ne": lambda a, b: a != b,
    "-lt": lambda a, b: a < b,
    "-le": lambda a, b: a <= b,
    "-gt": lambda a, b: a > b,
    "-ge": lambda a, b: a >= b,
}
TEXTS: dict[str, Callable[[str, str], bool]] = {
    "=": lambda a, b: a == b,
    "==": lambda a, b: a == b,
    "!=": lambda a, b: a != b,
    "<": lambda a, b: a < b,
    ">": lambda a, b: a > b,
}
TIMES = ("-nt", "-ot", "-ef")
KINDS: dict[str, Callable[[int], bool]] = {
    "-e": lambda mode: True,
    "-f": stat.S_ISREG,
    "-d": stat.S_ISDIR,
    "-p": stat.S_ISFIFO,
    "-S": stat.S_ISSOCK,
    "-b": stat.S_ISBLK,
    "-c": stat.S_ISCHR,
    "-h": stat.S_ISLNK,
    "-L": stat.S_ISLNK,
    "-u": lambda mode: bool(mode & stat.S_ISUID),
    "-g": lambda mode: bool(mode & stat.S_ISGID),
    "-k": lambda mode: bool(mode & stat.S_ISVTX),
    "-r": lambda mode: True,
    "-w": lambda mode: True,
    "-x": lambda mode: stat.S_ISDIR(mode) or bool(mode & 0o111),
}


class _Malformed(Exception):
    """The message is busybox's."""


def double(process: Process, words: list[str]) -> int:
    """`[[ words ]]`. What is compared with `=`, `==` or `!=` is a pattern (`patterns.fits`), with `=~` a regular expression."""
    try:
        return int(not _Double(process, words).whole())
    except _Malformed as fault:
        complain(process, str(fault))
        return 2


def test(process: Process) -> int:
    words = process.argv[1:]
    if process.argv[0].endswith("[") and (not words or words.pop() != "]"):
        complain(process, "missing ]")
        return 2
    try:
        return int(not (bool(words) and _Condition(process, words).whole()))
    except _Malformed as fault:
        complain(process, str(fault))
        return 2


class _Condition:
    disjunctive, conjunctive = "-o", "-a"
    texts = TEXTS

    def __init__(self, process: Process, words: list[str]) -> None:
        self.process = process
        self.words = words

    def whole(self) -> bool:
        found = self.expression()
        if self.words:
            raise _Malformed(f"{self.words[0]}: unknown operand")
        return found

    def expression(self) -> bool:
        found = self.conjunction()
        while self.words[:1] == [self.disjunctive]:
            self.words.pop(0)
            found = self.conjunction() or found
        return found

    def conjunction(self) -> bool:
        found = self.negation()
        while self.words[:1] == [self.conjunctive]:
            self.words.pop(0)
            found = self.negation() and found
        return found

    def negation(self) -> bool:
        words = self.words
        if not words:
            raise _Malformed("argument expected")
        if len(words) >= 3 and words[1] in (*NUMBERS, *self.texts, *TIMES):
            left, operator, right = words[:3]
            del words[:3]
            return self.binary(left, operator, right)
        word = words.pop(0)
        if word == "!" and words:
            return not self.negation()
        if word == "(" and words:
            return self.group()
        if words and (word in ("-n", "-z", "-t", "-s") or word in KINDS):
            return self.unary(word, words.pop(0))
        return word != ""

    def group(self) -> bool:
        found = self.expression()
        if not self.words or self.words.pop(0) != ")":
            raise _Malformed("closing paren expected")
        return found

    def binary(self, left: str, operator: str, right: str) -> bool:
        if operator in NUMBERS:
            return NUMBERS[operator](_number(left), _number(right))
        if operator in self.texts:
            return self.texts[operator](left, right)
        first, second = self.status(left), self.status(right)
        if operator == "-ef":
            return bool(first and second and (first.st_dev, first.st_ino) == (second.st_dev, second.st_ino))
        if operator == "-ot":
            first, second = second, first
        return bool(first and (not second or first.st_mtime_ns > second.st_mtime_ns))

    def unary(self, operator: str, word: str) -> bool:
        if operator in ("-n", "-z"):
            return (word != "") == (operator == "-n")
        if operator == "-t":
            return self.process.terminal(_number(word)) is not None
        found = self.status(word, follow=operator not in ("-h", "-L"))
        if operator == "-s":
            return found is not None and found.st_size > 0
        return found is not None and KINDS[operator](found.st_mode)

    def status(self, path: str, *, follow: bool = True) -> os.stat_result | None:
        def look() -> os.stat_result | None:
            host: Path = self.process.tree.host(path, self.process.directory, follow=follow)
            return host.lstat()

        try:
            return self.process.call(look)
        except OSError:
            return None


class _Double(_Condition):
    """As `[[` has it."""

    disjunctive, conjunctive = "||", "&&"
    texts = TEXTS | {
        "=": lambda a, b: fits(b, a),
        "==": lambda a, b: fits(b, a),
        "!=": lambda a, b: not fits(b, a),
        "=~": lambda a, b: _found(b, a),
    }


def _found(expression: str, text: str) -> bool:
    try:
        return re.search(extended(expression), text) is not None
    except re.error as error:
        raise _Malformed(f"bad regex '{expression}': {error}") from None


def _number(text: str) -> int:
    try:
        return int(text.strip())
    except ValueError:
        raise _Malformed(f"{text}: bad number") from None
