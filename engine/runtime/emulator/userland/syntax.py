"""What a shell script is made of, as plain values: the POSIX shell grammar, less what nobody writes.

list      pipeline && pipeline || pipeline ; … &
pipeline  command | command
command   simple, ( list ), { list }, if, while, until, for, case, a function
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Literal:
    """Text as it stands. quoted: it is neither split nor a pattern."""

    text: str
    quoted: bool = False


@dataclass(frozen=True, slots=True)
class Parameter:
    """`$name`, `${name}` or `${name:-word}`. operator: "", `length`, or one of `words.EXPANSIONS`.

    second: what stands behind another delimiter: of `${name/pattern/text}` the text, of `${name:offset:length}` the length.
    """

    name: str
    operator: str = ""
    word: "Word" = ()
    quoted: bool = False
    second: "Word | None" = None


@dataclass(frozen=True, slots=True)
class Substitution:
    """`$(…)` or backquotes."""

    body: "Sequence"
    quoted: bool = False


@dataclass(frozen=True, slots=True)
class Arithmetic:
    """`$((…))`; the expression is a word of its own, for it is expanded first."""

    word: "Word"
    quoted: bool = False


Part = Literal | Parameter | Substitution | Arithmetic
Word = tuple[Part, ...]


@dataclass(slots=True)
class Document:
    """The text of a `<<word`: the one value that is filled in later, when the reader has come to the end of the line."""

    word: Word = ()


@dataclass(frozen=True, slots=True)
class Redirection:
    """operator: `<`, `>`, `>>`, `<>`, `>|`, `<&`, `>&`, or `<<`, whose target is the text itself."""

    descriptor: int
    operator: str
    target: Word | Document


@dataclass(frozen=True, slots=True)
class Simple:
    """`A=1 command words <file`. line: where it begins."""

    assignments: tuple[tuple[str, Word], ...] = ()
    words: tuple[Word, ...] = ()
    redirections: tuple[Redirection, ...] = ()
    line: int = 0


@dataclass(frozen=True, slots=True)
class Sequence:
    """Statements one after the other."""

    statements: tuple["Statement", ...] = ()


@dataclass(frozen=True, slots=True)
class Statement:
    """What `;`, `&` or the end of a line ends: pipelines that hang together by `&&` and `||` (each with the one before it)."""

    first: "Pipeline"
    rest: tuple[tuple[str, "Pipeline"], ...] = ()
    background: bool = False


@dataclass(frozen=True, slots=True)
class Pipeline:
    """negated: it begins with `!`."""

    commands: tuple["Command", ...]
    negated: bool = False


@dataclass(frozen=True, slots=True)
class Group:
    """`{ list; }`, or `( list )` in a process of its own."""

    body: Sequence
    subshell: bool = False


@dataclass(frozen=True, slots=True)
class If:
    """branches: conditions and what is done for the first that holds; otherwise: `else`."""

    branches: tuple[tuple[Sequence, Sequence], ...]
    otherwise: Sequence = Sequence()


@dataclass(frozen=True, slots=True)
class Loop:
    """`while`, or `until` where `negated`."""

    condition: Sequence
    body: Sequence
    negated: bool = False


@dataclass(frozen=True, slots=True)
class For:
    """words: None where there is no `in`: the positional parameters."""

    name: str
    words: tuple[Word, ...] | None
    body: Sequence


@dataclass(frozen=True, slots=True)
class Case:
    """The first branch with a pattern that fits the word."""

    word: Word
    branches: tuple[tuple[tuple[Word, ...], Sequence], ...]


@dataclass(frozen=True, slots=True)
class Function:
    """`name() command`."""

    name: str
    body: "Command"


@dataclass(frozen=True, slots=True)
class Test:
    """`[[ words ]]`: nothing in it is split or names files; `&&`, `||`, `(`, `)`, `<` and `>` are words of it."""

    words: tuple[Word, ...]


@dataclass(frozen=True, slots=True)
class Redirected:
    """A compound command with redirections behind it."""

    command: "Command"
    redirections: tuple[Redirection, ...]


Command = Simple | Group | If | Loop | For | Case | Function | Test | Redirected
