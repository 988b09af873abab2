"""JSON values to checked values, by the interface's own types.

What a client leaves out, or sends as null, has the zero value of its type: "", 0, false, an empty list, map or struct.
What the interface does not know is passed over. A wrong type is refused with its path, `create.resources.memory`.

Checkers are closures, made once for each method: nothing is looked up in the definition while a call is checked.
"""

import re
import sys
from collections.abc import Callable, Mapping
from typing import Any

from podlink.api.varlink.idl import (
    Array,
    Enumeration,
    Interface,
    Map,
    Method,
    Named,
    Optional,
    Record,
    Simple,
    Type,
)

INT_MIN, INT_MAX = -(2**63), 2**63 - 1
FLOAT_MAX = sys.float_info.max
SURROGATE = re.compile("[\ud800-\udfff]")
"""Half of a character, which JSON can say and UTF-8 can't."""

Checker = Callable[[Any, str], Any]
"""Takes a JSON value and its path, gives the checked value, raises Invalid."""


class Invalid(ValueError):
    """A value of the wrong type. path: where it stands; why: what was found."""

    def __init__(self, path: str, why: str) -> None:
        super().__init__(f"{path}: {why}")
        self.path, self.why = path, why


class Struct(dict[str, Any]):
    """A checked struct. It holds what was sent, so that `name in struct` tells; what was not reads as its zero value."""

    __slots__ = ("_zeros",)

    def __init__(self, values: Mapping[str, Any] | None = None, zeros: Mapping[str, Callable[[], Any]] | None = None) -> None:
        super().__init__(values or {})
        self._zeros = zeros or {}

    def __missing__(self, name: str) -> Any:
        return self._zeros[name]()


def checkers(interface: Interface) -> dict[str, Callable[[Any], Struct]]:
    """For each method, what turns the JSON of its `parameters` into a Struct."""
    makers = _Makers(interface)
    return {method.name: makers.arguments(method) for method in interface.methods}


def reply_checker(interface: Interface, method: str) -> Callable[[Any], Struct]:
    """What holds the parameters of a reply to the letter: every field is there, none besides, each of its type. Raises Invalid.

    For tests: a service owes its clients more than they owe it.
    """
    result = next(each.result for each in interface.methods if each.name == method)
    check = _Makers(interface, whole=True).checker(result)
    return lambda value: check(value, "")


class _Makers:
    """Builds the checkers and zero values of an interface's types; a named type is built once, when it is first needed.

    whole: whether a struct is to have all of its fields, and no others.
    """

    def __init__(self, interface: Interface, *, whole: bool = False) -> None:
        self._aliases = {alias.name: alias.type for alias in interface.types}
        self._named: dict[str, Checker] = {}
        self._whole = whole

    def arguments(self, method: Method) -> Callable[[Any], Struct]:
        check = self._record(method.parameters)
        return lambda value: check({} if value is None else value, "")

    def checker(self, kind: Type) -> Checker:
        match kind:
            case Simple("string") if not self._whole:
                return _text
            case Simple(name):
                return SIMPLE[name]
            case Named(name):
                return self._by_name(name)
            case Array(item):
                return _array(self.checker(item))
            case Map(item):
                return _map(self.checker(Simple("string")), self.checker(item))
            case Optional(item):
                return self.checker(item)
            case Enumeration(names):
                return _enumeration(names)
            case Record():
                return self._record(kind)

    def zero(self, kind: Type) -> Callable[[], Any]:
        match kind:
            case Simple(name):
                return ZEROS[name]
            case Named(name):
                return lambda: self.zero(self._aliases[name])()
            case Array():
                return list
            case Map():
                return dict
            case Optional():
                return lambda: None
            case Enumeration():
                return str
            case Record():
                zeros = {each.name: self.zero(each.type) for each in kind.fields}
                return lambda: Struct({}, zeros)

    def _by_name(self, name: str) -> Checker:
        if name not in self._named:
            self._named[name] = lambda value, path: self._named[name](value, path)  # a type may hold itself
            self._named[name] = self.checker(self._aliases[name])
        return self._named[name]

    def _record(self, kind: Record) -> Checker:
        fields = [(each.name, self.checker(each.type)) for each in kind.fields]
        zeros = {each.name: self.zero(each.type) for each in kind.fields}

        def check(value: Any, path: str) -> Struct:
            if type(value) is not dict:
                raise Invalid(path or "parameters", f"a struct was expected, {_kind(value)} was found")
            prefix = path + "." if path else ""
            if self._whole and value.keys() != zeros.keys():
                odd = sorted(value.keys() ^ zeros.keys())[0]
                raise Invalid(prefix + odd, "a field that is missing" if odd in zeros else "a field that the type does not have")
            given = {name: test(found, prefix + name) for name, test in fields if (found := value.get(name)) is not None}
            return Struct(given, zeros)

        return check


def _array(item: Checker) -> Checker:
    def check(value: Any, path: str) -> list[Any]:
        if type(value) is not list:
            raise Invalid(path, f"a list was expected, {_kind(value)} was found")
        return [item(each, f"{path}[{index}]") for index, each in enumerate(value)]

    return check


def _map(key: Checker, item: Checker) -> Checker:
    def check(value: Any, path: str) -> dict[str, Any]:
        if type(value) is not dict:
            raise Invalid(path, f"a map was expected, {_kind(value)} was found")
        return {key(name, f"{path}.{name}"): item(each, f"{path}.{name}") for name, each in value.items()}

    return check


def _enumeration(names: tuple[str, ...]) -> Checker:
    def check(value: Any, path: str) -> str:
        if value not in names:
            raise Invalid(path, f"one of {', '.join(names)} was expected, {_kind(value)} was found")
        return str(value)

    return check


def _simple(kind: type, what: str) -> Checker:
    def check(value: Any, path: str) -> Any:
        if type(value) is not kind:
            raise Invalid(path, f"{what} was expected, {_kind(value)} was found")
        return value

    return check


def _int(value: Any, path: str) -> int:
    if type(value) is not int or not INT_MIN <= value <= INT_MAX:
        raise Invalid(path, f"an int of 64 bits was expected, {_kind(value)} was found")
    return value


def _float(value: Any, path: str) -> float:
    if type(value) not in (int, float) or not -FLOAT_MAX <= value <= FLOAT_MAX:
        raise Invalid(path, f"a number was expected, {_kind(value)} was found")
    return float(value)


def _text(value: Any, path: str) -> str:
    """What is asked for is Unicode (RFC 8259, 8.2): no path, variable or table can hold half of a character."""
    if type(value) is not str or (not value.isascii() and SURROGATE.search(value)):
        raise Invalid(path, f"a string of Unicode was expected, {_kind(value)} was found")
    return value


SIMPLE: dict[str, Checker] = {
    "bool": _simple(bool, "a bool"),
    "string": _simple(str, "a string"),
    "object": lambda value, path: value,
    "int": _int,
    "float": _float,
}
ZEROS: dict[str, Callable[[], Any]] = {"bool": bool, "string": str, "int": int, "float": float, "object": dict}


def _kind(value: Any) -> str:
    names = {
        bool: "a bool",
        int: "an int",
        float: "a float",
        str: "a string",
        list: "a list",
        dict: "an object",
        type(None): "null",
    }
    return f"{names.get(type(value), type(value).__name__)} ({str(value)[:40]})"
