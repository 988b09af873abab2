"""The varlink interface definition language: text to values and back (https://varlink.org/Interface-Definition).

interface org.example.ping
type Answer (message: string, times: []int)
method Ping(word: ?string) -> (answer: Answer)
error TooMany (limit: int)
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field


class IdlError(ValueError):
    """A definition that can't be read; the message gives the line."""


@dataclass(frozen=True, slots=True)
class Simple:
    """`bool`, `int`, `float`, `string` or `object`."""

    name: str


@dataclass(frozen=True, slots=True)
class Named:
    """A type that the interface defines by name."""

    name: str


@dataclass(frozen=True, slots=True)
class Array:
    """`[]T`."""

    item: "Type"


@dataclass(frozen=True, slots=True)
class Map:
    """`[string]T`."""

    item: "Type"


@dataclass(frozen=True, slots=True)
class Optional:
    """`?T`."""

    item: "Type"


@dataclass(frozen=True, slots=True)
class Enumeration:
    """`(one, two)`."""

    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Field:
    name: str
    type: "Type"


@dataclass(frozen=True, slots=True)
class Record:
    """`(name: T, …)`: a struct."""

    fields: tuple[Field, ...]


Type = Simple | Named | Array | Map | Optional | Enumeration | Record


@dataclass(frozen=True, slots=True)
class Alias:
    """`type NAME …`."""

    name: str
    type: Record | Enumeration
    comment: str = field(default="", compare=False)


@dataclass(frozen=True, slots=True)
class Method:
    """`method NAME(…) -> (…)`."""

    name: str
    parameters: Record
    result: Record
    comment: str = field(default="", compare=False)


@dataclass(frozen=True, slots=True)
class ErrorType:
    """`error NAME (…)`."""

    name: str
    parameters: Record
    comment: str = field(default="", compare=False)


@dataclass(frozen=True, slots=True)
class Interface:
    """A whole definition, its members in the order of the text."""

    name: str
    members: tuple[Alias | Method | ErrorType, ...]
    comment: str = field(default="", compare=False)

    @property
    def types(self) -> tuple[Alias, ...]:
        return tuple(each for each in self.members if isinstance(each, Alias))

    @property
    def methods(self) -> tuple[Method, ...]:
        return tuple(each for each in self.members if isinstance(each, Method))

    @property
    def errors(self) -> tuple[ErrorType, ...]:
        return tuple(each for each in self.members if isinstance(each, ErrorType))


SIMPLE = frozenset({"bool", "int", "float", "string", "object"})
INTERFACE_NAME = re.compile(r"[A-Za-z](-*[A-Za-z0-9])*(\.[A-Za-z0-9](-*[A-Za-z0-9])*)+")
MEMBER_NAME = re.compile(r"[A-Z][A-Za-z0-9]*")
FIELD_NAME = re.compile(r"[A-Za-z](_?[A-Za-z0-9])*")
TOKEN = re.compile(r"(?P<space>[ \t\r\n]+)|(?P<comment>#[^\n]*)|(?P<mark>->|\[\]|[():,?]|\[string\])|(?P<word>[A-Za-z0-9_.-]+)")
NESTING = 64


@dataclass(frozen=True, slots=True)
class _Token:
    text: str
    line: int
    comment: str = ""
    """The comment lines right above."""


def _tokens(text: str) -> Iterator[_Token]:
    at, line, comments = 0, 1, list[str]()
    while at < len(text):
        if not (found := TOKEN.match(text, at)):
            raise IdlError(f"line {line}: unexpected {text[at]!r}")
        at = found.end()
        if found["comment"]:
            comments.append(found["comment"][1:].strip())
        elif not found["space"]:
            yield _Token(found[0], line, "\n".join(comments))
            comments.clear()
        elif found[0].count("\n") > 1:
            comments.clear()  # a blank line parts a comment from what follows
        line += found[0].count("\n")
    yield _Token("", line)


class _Reader:
    """The tokens, read one at a time with one token of look-ahead."""

    def __init__(self, text: str) -> None:
        self._rest = _tokens(text)
        self.next = next(self._rest)

    def take(self) -> _Token:
        token = self.next
        if not token.text:
            raise IdlError(f"line {token.line}: the text ends too early")
        self.next = next(self._rest)
        return token

    def expect(self, *texts: str) -> _Token:
        token = self.next
        if token.text not in texts:
            raise IdlError(f"line {token.line}: expected {' or '.join(map(repr, texts))}, found {token.text or 'the end'!r}")
        return self.take()

    def name(self, form: re.Pattern[str], what: str) -> str:
        token = self.take()
        if not form.fullmatch(token.text):
            raise IdlError(f"line {token.line}: {token.text!r} is not the name of {what}")
        return token.text


def parse(text: str) -> Interface:
    """The interface that a text defines. Raises IdlError, with the line, for one that does not."""
    reader = _Reader(text)
    comment = reader.expect("interface").comment
    name = reader.name(INTERFACE_NAME, "an interface")
    members = tuple(_members(reader))
    interface = Interface(name, members, comment)
    _check_names(interface)
    return interface


def _members(reader: _Reader) -> Iterator[Alias | Method | ErrorType]:
    while reader.next.text:
        keyword = reader.expect("type", "method", "error")
        name = reader.name(MEMBER_NAME, f"a {keyword.text}")
        line = reader.next.line
        body = _composite(reader, 0)
        if keyword.text == "type":
            yield Alias(name, body, keyword.comment)
            continue
        if isinstance(body, Enumeration):
            raise IdlError(f"line {line}: {keyword.text} {name} needs named fields with types")
        if keyword.text == "error":
            yield ErrorType(name, body, keyword.comment)
            continue
        reader.expect("->")
        result = _composite(reader, 0)
        if isinstance(result, Enumeration):
            raise IdlError(f"line {line}: method {name} needs named fields with types")
        yield Method(name, body, result, keyword.comment)


def _composite(reader: _Reader, depth: int) -> Record | Enumeration:
    """What stands in parentheses: a struct, or an enumeration where the names have no types."""
    opening = reader.expect("(")
    if depth > NESTING:
        raise IdlError(f"line {opening.line}: types are nested deeper than {NESTING}")
    fields, names = list[Field](), list[str]()
    while reader.next.text != ")":
        line = reader.next.line
        name = reader.name(FIELD_NAME, "a field")
        if name in names or any(each.name == name for each in fields):
            raise IdlError(f"line {line}: field {name!r} is there twice")
        if reader.next.text == ":" and not names:
            reader.take()
            fields.append(Field(name, _type(reader, depth + 1)))
        elif fields:
            raise IdlError(f"line {line}: field {name!r} has no type, others do")
        else:
            names.append(name)
        if reader.next.text != ")":
            reader.expect(",")
            if reader.next.text == ")":
                raise IdlError(f"line {reader.next.line}: a comma before ')'")
    reader.take()
    return Enumeration(tuple(names)) if names else Record(tuple(fields))


def _type(reader: _Reader, depth: int) -> Type:
    token = reader.next
    if depth > NESTING:
        raise IdlError(f"line {token.line}: types are nested deeper than {NESTING}")
    if token.text == "(":
        return _composite(reader, depth)
    reader.take()
    if token.text in ("[]", "[string]"):
        item = _type(reader, depth + 1)
        return Array(item) if token.text == "[]" else Map(item)
    if token.text == "?":
        if reader.next.text == "?":
            raise IdlError(f"line {token.line}: '??' says no more than '?'")
        return Optional(_type(reader, depth + 1))
    if token.text in SIMPLE:
        return Simple(token.text)
    if MEMBER_NAME.fullmatch(token.text):
        return Named(token.text)
    raise IdlError(f"line {token.line}: {token.text!r} is not a type")


def _check_names(interface: Interface) -> None:
    """No name twice, and every name that is used is defined."""
    names = [member.name for member in interface.members]
    for name in names:
        if names.count(name) > 1:
            raise IdlError(f"interface {interface.name}: {name} is defined twice")
    known = {alias.name for alias in interface.types}
    for member in interface.members:
        parts = (
            (member.parameters, member.result)
            if isinstance(member, Method)
            else (member.type,)
            if isinstance(member, Alias)
            else (member.parameters,)
        )
        for part in parts:
            for used in _used(part):
                if used not in known:
                    raise IdlError(f"interface {interface.name}: {member.name} uses the type {used}, which is not defined")


def _used(found: Type) -> Iterator[str]:
    match found:
        case Named(name):
            yield name
        case Array(item) | Map(item) | Optional(item):
            yield from _used(item)
        case Record(fields):
            for each in fields:
                yield from _used(each.type)
        case _:
            return


def write(interface: Interface) -> str:
    """The text of an interface; `parse` gives the same interface again."""
    return "\n\n".join([_commented(interface.comment, f"interface {interface.name}"), *map(_written, interface.members)]) + "\n"


def _written(member: Alias | Method | ErrorType) -> str:
    match member:
        case Alias(name, body, comment):
            return _commented(comment, f"type {name} {spell(body)}")
        case Method(name, parameters, result, comment):
            return _commented(comment, f"method {name}{spell(parameters)} -> {spell(result)}")
        case ErrorType(name, parameters, comment):
            return _commented(comment, f"error {name} {spell(parameters)}")


def _commented(comment: str, text: str) -> str:
    return "".join(f"# {line}\n" for line in comment.splitlines()) + text


def spell(found: Type) -> str:
    """A type as the definition language writes it."""
    match found:
        case Simple(name) | Named(name):
            return name
        case Array(item):
            return "[]" + spell(item)
        case Map(item):
            return "[string]" + spell(item)
        case Optional(item):
            return "?" + spell(item)
        case Enumeration(names):
            return f"({', '.join(names)})"
        case Record(fields):
            return f"({', '.join(f'{each.name}: {spell(each.type)}' for each in fields)})"
