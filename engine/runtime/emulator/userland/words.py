"""The shell's tokens: words with what is to be expanded in them, operators, ends of lines. POSIX, XCU 2.3.

A word is parsed as it is read, for only that tells where it ends: `"$(echo ")")"` is one word. What is inside `$( )` is
a script again, so the reader of words is handed a way to parse one.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from podlink.engine.runtime.emulator.userland.printing import unescaped
from podlink.engine.runtime.emulator.userland.syntax import (
    Arithmetic,
    Document,
    Literal,
    Parameter,
    Part,
    Sequence,
    Substitution,
    Word,
)

OPERATORS = ("<<-", "&&", "||", ";;", "<<", ">>", "<&", ">&", "<>", ">|", "|", "&", ";", "<", ">", "(", ")")
SPECIAL = "@*#?-$!"
EXPANSIONS = (":-", ":=", ":?", ":+", "##", "%%", "//", "-", "=", "?", "+", "#", "%", "/", ":")
PATTERNS = ("#", "##", "%", "%%", "/", "//")
"""Those whose operand is a pattern, also where the whole is quoted."""
ENDS = {"/": "/}", "//": "/}", ":": ":}"}
"""What may end an operand, where it is not the brace alone."""


class SyntaxFault(Exception):
    """The script is not one; the message is the shell's."""


class Unfinished(SyntaxFault):
    """It may become one when more of it comes."""


NO_ALIASES: Mapping[str, str] = {}


@dataclass(frozen=True, slots=True)
class Token:
    """kind: `word`, `operator`, `newline` or `end`. number: the descriptor right before a redirection. at: of a word."""

    kind: str
    text: str = ""
    word: Word = ()
    number: int | None = None
    at: int = 0

    @property
    def bare(self) -> str:
        """The text of a word without anything special in it; only such a one can be reserved."""
        match self.word:
            case (Literal(text, False),):
                return text
        return ""


@dataclass
class _Heredoc:
    """One whose text begins after the line. strip: of tabs at the beginning of each of its lines."""

    delimiter: str
    quoted: bool
    strip: bool
    document: Document


class Reader:
    """Tokens of a text. parse: reads a script from this very reader up to `)`. first: the number of its first line.

    aliases: by name; looked up as the text is read, so that one line can have names for the next.
    """

    def __init__(
        self, text: str, parse: Callable[["Reader"], Sequence], *, aliases: Mapping[str, str] = NO_ALIASES, first: int = 0
    ) -> None:
        self.text = text
        self.at = 0
        self.aliases, self._first = aliases, first
        self._parse = parse
        self._heredocs: list[_Heredoc] = []
        self.is_unfinished = text.endswith("\\\n")
        """Whether what was read would go on in another line, though it makes sense as it is."""

    def token(self) -> Token:
        """The next one."""
        self._skip_blanks()
        if self.at >= len(self.text):
            return Token("end")
        if self.text[self.at] == "\n":
            self.at += 1
            self._read_heredocs()
            return Token("newline")
        if (number := self._descriptor()) is not None:
            return Token("operator", self._operator(), number=number)
        if operator := self._operator():
            return Token("operator", operator)
        start = self.at
        return Token("word", word=self._word(), at=start)

    def line(self, at: int) -> int:
        """The number of the line that a place is in."""
        return self._first + self.text.count("\n", 0, at)

    def insert(self, text: str) -> int:
        """Have this read next. The answer is where it ends."""
        self.text = self.text[: self.at] + text + self.text[self.at :]
        return self.at + len(text)

    def peek(self) -> str:
        return self.text[self.at : self.at + 1]

    def heredoc(self, word: Word, strip: bool, document: Document) -> None:
        """The text that belongs to a `<<word` is read at the end of its line."""
        quoted = any(isinstance(part, Literal) and part.quoted for part in word)
        delimiter = "".join(part.text for part in word if isinstance(part, Literal))
        self._heredocs.append(_Heredoc(delimiter, quoted, strip, document))

    def _inner(self, text: str) -> "Reader":
        """For a part of it that is read on its own."""
        return Reader(text, self._parse, aliases=self.aliases, first=self.line(self.at))

    def _descriptor(self) -> int | None:
        """The digits right before `<` or `>`."""
        end = self.at
        while self.text[end : end + 1].isdigit():
            end += 1
        if end == self.at or self.text[end : end + 1] not in ("<", ">"):
            return None
        number, self.at = int(self.text[self.at : end]), end
        return number

    def _operator(self) -> str:
        for operator in OPERATORS:
            if self.text.startswith(operator, self.at):
                self.at += len(operator)
                return operator
        return ""

    def _skip_blanks(self) -> None:
        while True:
            if self.text.startswith("\\\n", self.at):
                self.at += 2
            elif self.peek() in (" ", "\t"):
                self.at += 1
            elif self.peek() == "#":
                while self.peek() not in ("", "\n"):
                    self.at += 1
            else:
                return

    def _read_heredocs(self) -> None:
        for expected in self._heredocs:
            lines = []
            while self.at < len(self.text):
                line, _, _ = self.text[self.at :].partition("\n")
                self.at += len(line) + 1
                line = line.lstrip("\t") if expected.strip else line
                if line == expected.delimiter:
                    break
                lines.append(line + "\n")
            else:
                self.is_unfinished = True
            text = "".join(lines)
            expected.document.word = (Literal(text, True),) if expected.quoted else self._inner(text).quoted("")
        self._heredocs = []

    # Words

    def _word(self) -> Word:
        parts: list[Part] = []
        while (char := self.peek()) and char not in " \t\n|&;<>()":
            parts += self._piece(char)
        return _joined(parts)

    def _piece(self, char: str) -> list[Part]:
        if char == "'":
            return [Literal(self._until_quote(), True)]
        if char == '"':
            self.at += 1
            return [*(self.quoted('"') or (Literal("", True),))]
        if char == "\\":
            self.at += 2
            escaped = self.text[self.at - 1 : self.at]
            return [] if escaped == "\n" else [Literal(escaped, True)]
        if char in "$`":
            return [self._expansion(quoted=False)]
        self.at += 1
        return [Literal(char)]

    def _escaped_text(self) -> str:
        """What stands in `$'…'`, where a quote may stand behind a backslash."""
        found = re.compile(r"'((?:[^'\\]|\\.)*)'", re.DOTALL).match(self.text, self.at)
        if not found:
            raise Unfinished("syntax error: unterminated quoted string")
        self.at = found.end()
        return found[1].replace("\\'", "'")

    def _until_quote(self) -> str:
        end = self.text.find("'", self.at + 1)
        if end < 0:
            raise Unfinished("syntax error: unterminated quoted string")
        text = self.text[self.at + 1 : end]
        self.at = end + 1
        return text

    def quoted(self, end: str) -> Word:
        """What stands within double quotes, or (no end) to the end of the text."""
        parts: list[Part] = []
        while (char := self.peek()) != end or not char:
            if not char:
                if end:
                    raise Unfinished("syntax error: unterminated quoted string")
                break
            if char == "\\" and self.text[self.at + 1 : self.at + 2] in ("$", "`", '"', "\\", "\n"):
                escaped = self.text[self.at + 1]
                parts += [] if escaped == "\n" else [Literal(escaped, True)]
                self.at += 2
            elif char in "$`":
                parts.append(self._expansion(quoted=True))
            else:
                parts.append(Literal(char, True))
                self.at += 1
        self.at += 1
        return _joined(parts)

    def _expansion(self, quoted: bool) -> Part:
        """`$…` or backquotes, at which the reader stands."""
        if self.peek() == "`":
            return self._backquotes(quoted)
        if self.text.startswith("$((", self.at) and (found := self._arithmetic(quoted)):
            return found
        self.at += 1
        char = self.peek()
        if char == "(":
            self.at += 1
            found = Substitution(self._parse(self), quoted)
            self.is_unfinished |= self.text[self.at - 1] != ")"
            return found
        if char == "{":
            self.at += 1
            return self._braces(quoted)
        if char == "'" and not quoted:
            return Literal(unescaped(self._escaped_text())[0], True)
        name = self._name()
        return Parameter(name, quoted=quoted) if name else Literal("$", quoted)

    def _backquotes(self, quoted: bool) -> Part:
        end = self.at + 1
        while self.text[end : end + 1] != "`":
            if end >= len(self.text):
                raise Unfinished("syntax error: EOF in backquote substitution")
            end += 2 if self.text[end] == "\\" else 1
        inner = self.text[self.at + 1 : end].replace("\\`", "`").replace("\\$", "$").replace("\\\\", "\\")
        self.at = end + 1
        return Substitution(self._parse(self._inner(inner)), quoted)

    def _arithmetic(self, quoted: bool) -> Part | None:
        """`$((…))`; None where it is a substitution that begins with a subshell."""
        depth, end = 0, self.at + 3
        while end < len(self.text) and (depth or self.text[end] != ")"):
            depth += {"(": 1, ")": -1}.get(self.text[end], 0)
            end += 1
        if not self.text.startswith("))", end):
            return None
        inner = self.text[self.at + 3 : end]
        self.at = end + 2
        return Arithmetic(self._inner(inner).quoted(""), quoted)

    def _name(self) -> str:
        """A variable's name, or one digit or special character."""
        start = self.at
        if self.peek().isalpha() or self.peek() == "_":
            while self.peek().isalnum() or self.peek() == "_":
                self.at += 1
        elif self.peek() and (self.peek() in SPECIAL or self.peek().isdigit()):
            self.at += 1
        return self.text[start : self.at]

    def _braces(self, quoted: bool) -> Part:
        """The inside of `${…}`."""
        if self.peek() == "#" and self.text[self.at + 1 : self.at + 2] not in ("}", ""):
            self.at += 1
            return self._closed(Parameter(self._long_name(), "length", quoted=quoted))
        name = self._long_name()
        if not name:
            raise SyntaxFault("syntax error: bad substitution")
        for operator in EXPANSIONS:
            if self.text.startswith(operator, self.at):
                self.at += len(operator)
                first = self._operand(quoted and operator not in PATTERNS, ENDS.get(operator, "}"))
                return self._closed(Parameter(name, operator, first, quoted, self._second(quoted)))
        return self._closed(Parameter(name, quoted=quoted))

    def _long_name(self) -> str:
        start = self.at
        while self.peek().isdigit():
            self.at += 1
        return self.text[start : self.at] if self.at > start else self._name()

    def _second(self, quoted: bool) -> Word | None:
        """What stands behind another delimiter."""
        if self.peek() in ("}", ""):
            return None
        self.at += 1
        return self._operand(quoted)

    def _operand(self, quoted: bool, ends: str = "}") -> Word:
        """The word in `${name:-word}`: up to the brace that closes, or another end."""
        parts: list[Part] = []
        while (char := self.peek()) and char not in ends:
            if quoted and char not in '"\\$`':
                parts.append(Literal(char, True))
                self.at += 1
            else:
                parts += self._piece(char) if char not in "$`" else [self._expansion(quoted)]
        return _joined(parts)

    def _closed(self, part: Parameter) -> Part:
        if self.peek() != "}":
            raise SyntaxFault("syntax error: bad substitution") if self.peek() else Unfinished("syntax error: missing '}'")
        self.at += 1
        return part


def _joined(parts: list[Part]) -> Word:
    """Neighbouring literals of one kind as one."""
    joined: list[Part] = []
    for part in parts:
        match part, joined[-1] if joined else None:
            case Literal(text, quoted), Literal(before, same) if quoted == same:
                joined[-1] = Literal(before + text, quoted)
            case _:
                joined.append(part)
    return tuple(joined)
