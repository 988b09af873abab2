"""Tokens become syntax: a parser by recursive descent, a method for each rule of the grammar (POSIX, XCU 2.10)."""

import re
from collections.abc import Callable, Iterator, Mapping

from podlink.engine.runtime.emulator.userland.syntax import (
    Case,
    Command,
    Document,
    For,
    Function,
    Group,
    If,
    Literal,
    Loop,
    Pipeline,
    Redirected,
    Redirection,
    Sequence,
    Simple,
    Statement,
    Test,
    Word,
)
from podlink.engine.runtime.emulator.userland.words import NO_ALIASES, Reader, SyntaxFault, Token, Unfinished

REDIRECTIONS = {"<": 0, "<<": 0, "<<-": 0, "<&": 0, "<>": 0, ">": 1, ">>": 1, ">&": 1, ">|": 1}
"""Each with the descriptor that it means where none is said."""
TESTING = ("&&", "||", "(", ")", "<", ">")
"""Operators that are words within `[[ ]]`."""
CLOSING = ("then", "else", "elif", "fi", "do", "done", "esac", "}")
ASSIGNMENT = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)=")
NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def parse(text: str, aliases: Mapping[str, str] = NO_ALIASES, first: int = 0, *, is_whole: bool = True) -> Sequence:
    """A script, whose first line has the number `first`.

    Raises SyntaxFault; Unfinished where more of it is wanted, or (not whole) would belong to it.
    """
    reader = Reader(text, _inner, aliases=aliases, first=first)
    parser = Parser(reader)
    found = parser.sequence()
    if parser.token.kind != "end":
        raise parser.unexpected()
    if reader.is_unfinished and not is_whole:
        raise Unfinished("syntax error: unexpected end of file")
    return found


def lines(text: str, aliases: Mapping[str, str], first: int) -> Iterator[tuple[Sequence, bool]]:
    """The same, the commands of a line at a time, and whether they are the last: what they do, the next line may depend on."""
    parser = Parser(Reader(text, _inner, aliases=aliases, first=first))
    parser.newlines()
    while parser.token.kind != "end":
        found = parser.line()
        yield found, not parser.has_more()
        parser.newlines()


def template(text: str) -> Word:
    """What is expanded as between double quotes, though it stands in none: a prompt."""
    return Reader(text, _inner).quoted("")


def _inner(reader: Reader) -> Sequence:
    """The script within `$( )`, from the reader that stands behind the opening; one of its own (backquotes) just ends."""
    parser = Parser(reader)
    found = parser.sequence()
    if parser.token.text != ")" and parser.token.kind != "end":
        raise parser.unexpected()
    return found


class Parser:
    """One token ahead. A reserved word is one only where a command may begin."""

    def __init__(self, reader: Reader) -> None:
        self.reader = reader
        self.token = reader.token()
        self._resume: int | None = None
        """Where the text of an alias ends behind which the next word may be one, too: it ended with a blank."""

    def unexpected(self, expected: str = "") -> SyntaxFault:
        token = self.token
        what = {"end": "end of file", "newline": "newline", "word": f'"{token.bare}"' if token.bare else "word"}
        hint = f' (expecting "{expected}")' if expected else ""
        fault = Unfinished if token.kind == "end" else SyntaxFault
        return fault(f"syntax error: unexpected {what.get(token.kind, chr(34) + token.text + chr(34))}{hint}")

    def advance(self) -> Token:
        token = self.token
        self.token = self.reader.token()
        return token

    def is_operator(self, *texts: str) -> bool:
        return self.token.kind == "operator" and self.token.text in texts

    def is_reserved(self, *words: str) -> bool:
        return self.token.kind == "word" and self.token.bare in words and bool(self.token.bare)

    def expect(self, text: str) -> None:
        if not (self.is_operator(text) or self.is_reserved(text)):
            raise self.unexpected(text)
        self.advance()

    def newlines(self) -> None:
        while self.token.kind == "newline":
            self.advance()

    # Lists

    def sequence(self) -> Sequence:
        """Statements, until something closes what they are in."""
        statements: list[Statement] = []
        self.newlines()
        while not (self.token.kind == "end" or self.is_operator(")", ";;") or self.is_reserved(*CLOSING)):
            statement = self.statement()
            if self.is_operator("&"):
                statement = Statement(statement.first, statement.rest, background=True)
            statements.append(statement)
            if self.is_operator(";", "&") or self.token.kind == "newline":
                self.advance()
                self.newlines()
            elif not (self.token.kind == "end" or self.is_operator(")", ";;")):
                raise self.unexpected()
        return Sequence(tuple(statements))

    def line(self) -> Sequence:
        """Statements, up to the end of a line that ends one."""
        statements: list[Statement] = []
        while self.token.kind not in ("newline", "end"):
            statement = self.statement()
            statements.append(Statement(statement.first, statement.rest, background=True) if self.is_operator("&") else statement)
            if self.is_operator(";", "&"):
                self.advance()
            elif self.token.kind not in ("newline", "end"):
                raise self.unexpected()
        return Sequence(tuple(statements))

    def has_more(self) -> bool:
        """Whether anything follows the line."""
        return self.token.kind != "end" and not self.reader.text[self.reader.at :].isspace() and self.reader.peek() != ""

    def body(self, opening: str, *closing: str) -> Sequence:
        """`opening list`, with at least one statement in it; what closes is left to the caller."""
        self.expect(opening)
        found = self.sequence()
        if not found.statements or not (self.is_reserved(*closing) or self.is_operator(*closing)):
            raise self.unexpected(closing[0])
        return found

    def statement(self) -> Statement:
        first = self.pipeline()
        rest = []
        while self.is_operator("&&", "||"):
            operator = self.advance().text
            self.newlines()
            rest.append((operator, self.pipeline()))
        return Statement(first, tuple(rest))

    def pipeline(self) -> Pipeline:
        negated = False
        while self.is_reserved("!"):
            self.advance()
            negated = not negated
        commands = [self.command()]
        while self.is_operator("|"):
            self.advance()
            self.newlines()
            commands.append(self.command())
        return Pipeline(tuple(commands), negated)

    # Commands

    def command(self) -> Command:
        self.unalias()
        compound = self.compound()
        if compound is None:
            return self.simple()
        redirections = []
        while self.is_operator(*REDIRECTIONS):
            redirections.append(self.redirection())
        return Redirected(compound, tuple(redirections)) if redirections else compound

    def unalias(self) -> None:
        """Where the next word is an alias: read what it stands for in its place. POSIX, XCU 2.3.1."""
        seen: set[str] = set()
        while (name := self.token.bare) in self.reader.aliases and name not in seen:
            seen.add(name)
            text = self.reader.aliases[name]
            end = self.reader.insert(text)
            self._resume = end if text.endswith((" ", "\t")) else None
            self.token = self.reader.token()

    def compound(self) -> Command | None:
        """A command that begins with a reserved word or a parenthesis; None: it is none of these."""
        if self.is_operator("("):
            body = self.body("(", ")")
            self.expect(")")
            return Group(body, subshell=True)
        rules: dict[str, Callable[[], Command]] = {
            "{": self.group,
            "if": self.conditional,
            "while": self.loop,
            "until": self.loop,
            "for": self.iteration,
            "case": self.case,
            "function": self.function_of_bash,
            "[[": self.test,
        }
        rule = rules.get(self.token.bare) if self.token.kind == "word" else None
        return rule() if rule else None

    def group(self) -> Command:
        body = self.body("{", "}")
        self.expect("}")
        return Group(body)

    def conditional(self) -> Command:
        branches = []
        word = "if"
        while word in ("if", "elif"):
            condition = self.body(word, "then")
            branches.append((condition, self.body("then", "fi", "elif", "else")))
            word = self.token.bare
        otherwise = self.body("else", "fi") if word == "else" else Sequence()
        self.expect("fi")
        return If(tuple(branches), otherwise)

    def loop(self) -> Command:
        word = self.token.bare
        condition = self.body(word, "do")
        body = self.body("do", "done")
        self.expect("done")
        return Loop(condition, body, negated=word == "until")

    def iteration(self) -> Command:
        self.expect("for")
        name = self.advance().bare
        if not NAME.fullmatch(name):
            raise SyntaxFault("syntax error: bad for loop variable")
        self.newlines()
        words: tuple[Word, ...] | None = None
        if self.is_reserved("in"):
            self.advance()
            words = tuple(self.words())
        if self.is_operator(";"):
            self.advance()
        self.newlines()
        body = self.body("do", "done")
        self.expect("done")
        return For(name, words, body)

    def words(self) -> list[Word]:
        found = []
        while self.token.kind == "word":
            found.append(self.advance().word)
        return found

    def case(self) -> Command:
        self.expect("case")
        word = self.advance().word
        self.newlines()
        self.expect("in")
        self.newlines()
        branches = []
        while not self.is_reserved("esac"):
            branches.append(self.branch())
            if self.is_operator(";;"):
                self.advance()
                self.newlines()
            elif not self.is_reserved("esac"):
                raise self.unexpected(";;")
        self.expect("esac")
        return Case(word, tuple(branches))

    def branch(self) -> tuple[tuple[Word, ...], Sequence]:
        if self.is_operator("("):
            self.advance()
        patterns = []
        while True:
            if self.token.kind != "word":
                raise self.unexpected(")")
            patterns.append(self.advance().word)
            if not self.is_operator("|"):
                break
            self.advance()
        self.expect(")")
        return tuple(patterns), self.sequence()

    def simple(self) -> Command:
        assignments: list[tuple[str, Word]] = []
        words: list[Word] = []
        redirections: list[Redirection] = []
        line = self.reader.line(self.token.at)
        while True:
            if self._resume is not None and self.token.kind == "word" and self.token.at >= self._resume:
                self._resume = None
                self.unalias()
            if self.is_operator(*REDIRECTIONS):
                redirections.append(self.redirection())
            elif self.token.kind == "word" and not words and (assignment := _assignment(self.token.word)):
                assignments.append(assignment)
                self.advance()
            elif self.token.kind == "word":
                words.append(self.advance().word)
            elif self.is_operator("(") and len(words) == 1 and not assignments:
                return self.function(words[0])
            else:
                break
        if not (assignments or words or redirections):
            raise self.unexpected()
        return Simple(tuple(assignments), tuple(words), tuple(redirections), line)

    def function(self, word: Word) -> Command:
        match word:
            case (Literal(name, False),):
                self.expect("(")
                self.expect(")")
                self.newlines()
                return Function(name, self.command())
        raise self.unexpected()

    def function_of_bash(self) -> Command:
        """`function name command`, with or without parentheses."""
        self.expect("function")
        name = self.advance().bare
        if not name:
            raise self.unexpected()
        if self.is_operator("("):
            self.advance()
            self.expect(")")
        self.newlines()
        return Function(name, self.command())

    def test(self) -> Command:
        self.expect("[[")
        words: list[Word] = []
        while not self.is_reserved("]]"):
            if self.token.kind == "word":
                words.append(self.advance().word)
            elif self.is_operator(*TESTING):
                words.append((Literal(self.advance().text),))
            else:
                raise self.unexpected("]]")
        self.expect("]]")
        return Test(tuple(words))

    def redirection(self) -> Redirection:
        operator = self.advance()
        descriptor = REDIRECTIONS[operator.text] if operator.number is None else operator.number
        if self.token.kind != "word":
            raise self.unexpected()
        word = self.token.word
        if not operator.text.startswith("<<"):
            self.advance()
            return Redirection(descriptor, operator.text, word)
        document = Document()
        self.reader.heredoc(word, operator.text == "<<-", document)  # before we advance, for that may end the line
        self.advance()
        return Redirection(descriptor, "<<", document)


def _assignment(word: Word) -> tuple[str, Word] | None:
    """`NAME=…` as the name and the rest."""
    match word:
        case (Literal(text, False), *rest) if found := ASSIGNMENT.match(text):
            value = text[found.end() :]
            return found[1], ((Literal(value), *rest) if value else tuple(rest))
    return None
