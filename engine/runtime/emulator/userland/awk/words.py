"""A program's text becomes words. Raises Fault for what is none."""

import re
from dataclasses import dataclass

KEYWORDS = frozenset(
    "BEGIN END break continue delete do else exit for func function getline if in next nextfile print printf return while".split()
)
PUNCTUATION = re.compile(r"\*\*=|>>|&&|\|\||\+\+|--|\*\*|[-+*/%^!=<>]=|!~|[-+*/%^!<>|?:~$=,;(){}\[\]]")
BLANK = re.compile(r"(?:[ \t\r]|\\\r?\n|#[^\n]*)+")
NUMBER = re.compile(r"0[xX][0-9a-fA-F]+|(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?")
NAME = re.compile(r"[A-Za-z_]\w*")
STRING = re.compile(r'"((?:[^"\\\n]|\\.)*)"', re.DOTALL)
REGEX = re.compile(r"/((?:[^/\\\n\[]|\\.|\[\^?\]?(?:\[:\w+:\]|\\.|[^\]\n])*\])*)/")
BEFORE_DIVISION = frozenset({"number", "string", "regex", "name", "call"})
"""Kinds of words after which a `/` divides."""
ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "a": "\a", "b": "\b", "f": "\f", "v": "\v", "\\": "\\", '"': '"', "/": "/"}
ESCAPE = re.compile(r"\\(?:([0-7]{1,3})|x([0-9a-fA-F]{1,2})|(.))", re.DOTALL)


class Fault(Exception):
    """The program is none, or can't go on. line: of its text."""

    def __init__(self, message: str, line: int) -> None:
        super().__init__(message)
        self.line = line


@dataclass(frozen=True, slots=True)
class Token:
    """kind: number, string, regex, name, call (a name right before its parenthesis), keyword, punctuation, newline or end."""

    kind: str
    text: str
    line: int


def unescaped(text: str) -> str:
    """What a string means. A backslash before anything else stands for itself: the expression that it becomes may want it."""

    def replaced(match: re.Match[str]) -> str:
        octal, hexadecimal, letter = match.groups()
        if letter is not None:
            return "" if letter == "\n" else ESCAPES.get(letter, "\\" + letter)
        return chr((int(octal, 8) if octal else int(hexadecimal, 16)) & 0xFF)

    return ESCAPE.sub(replaced, text)


def words(text: str) -> list[Token]:
    found: list[Token] = []
    at, line = 0, 1
    while at < len(text):
        if blank := BLANK.match(text, at):
            line += blank[0].count("\n")
            at = blank.end()
            continue
        token, end = _word(text, at, line, found[-1] if found else None)
        line += text.count("\n", at, end)
        found.append(token)
        at = end
    return [*found, Token("end", "", line)]


def _word(text: str, at: int, line: int, before: Token | None) -> tuple[Token, int]:
    """The word here, and where it ends."""
    if text[at] == "\n":
        return Token("newline", "\n", line), at + 1
    if match := NUMBER.match(text, at):
        return Token("number", match[0], line), match.end()
    if match := NAME.match(text, at):
        kind = "keyword" if match[0] in KEYWORDS else "call" if text.startswith("(", match.end()) else "name"
        return Token(kind, match[0], line), match.end()
    if match := STRING.match(text, at):
        return Token("string", unescaped(match[1]), line), match.end()
    divides = before is not None and (before.kind in BEFORE_DIVISION or before.text in (")", "]", "++", "--"))
    if not divides and (match := REGEX.match(text, at)):
        return Token("regex", match[1].replace("\\/", "/"), line), match.end()
    if match := PUNCTUATION.match(text, at):
        return Token("punctuation", match[0], line), match.end()
    raise Fault("Unexpected end of string" if text[at] in '"/' else "Unexpected token", line)
