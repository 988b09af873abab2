"""JSON from outside, read field by field: bounded in size and depth, and every type checked.

A `Document` is one JSON object and the path under which it was found, so that a refusal can say `config.Env[2]`.
A field that is absent or null reads as its zero value, as Go's programs, which wrote most images, mean it.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn

from podlink.engine.errors import InvalidArchive

LIMIT = 4 * 1024 * 1024
"""Bytes of a manifest or configuration; registries take no larger ones."""


@dataclass(frozen=True, slots=True)
class Document:
    """An object of a JSON document. path: how to name it in a message."""

    fields: Mapping[str, Any]
    path: str

    def text(self, name: str) -> str:
        """A string; absent is empty."""
        return self._string(self.fields[name], name) if self._present(name) else ""

    def integer(self, name: str) -> int:
        """A whole number that is not negative; absent is 0."""
        value = self.fields[name] if self._present(name) else 0
        if type(value) is not int or not 0 <= value < 1 << 63:
            self.refuse(name, "a whole number from 0 to 2^63 - 1", value)
        return value

    def flag(self, name: str) -> bool:
        """A boolean; absent is false."""
        value = self.fields[name] if self._present(name) else False
        if type(value) is not bool:
            self.refuse(name, "true or false", value)
        return value

    def texts(self, name: str) -> tuple[str, ...]:
        """A list of strings; absent is empty."""
        return tuple(self._string(value, f"{name}[{index}]") for index, value in enumerate(self._list(name)))

    def mapping(self, name: str) -> dict[str, str]:
        """An object whose values are strings; absent is empty."""
        inner = self.inner(name)
        return {key: inner._string(value, key) for key, value in inner.fields.items()}

    def keys(self, name: str) -> tuple[str, ...]:
        """The keys of an object that is used as a set (`{"80/tcp": {}}`); absent is empty."""
        return tuple(self.inner(name).fields)

    def inner(self, name: str) -> "Document":
        """An object in this one; absent is empty."""
        return Document(self._object(self.fields[name] if self._present(name) else {}, name), self._named(name))

    def inners(self, name: str) -> "tuple[Document, ...]":
        """A list of objects; absent is empty."""
        labels = [(f"{name}[{index}]", value) for index, value in enumerate(self._list(name))]
        return tuple(Document(self._object(value, label), self._named(label)) for label, value in labels)

    def refuse(self, name: str, wanted: str, found: object) -> NoReturn:
        """Raise InvalidArchive for a field that is not what it has to be."""
        raise InvalidArchive(f"{self._named(name)}: {wanted} is wanted and {_excerpt(found)} was found")

    def _present(self, name: str) -> bool:
        return self.fields.get(name) is not None

    def _named(self, name: str) -> str:
        return f"{self.path}.{name}"

    def _string(self, value: object, name: str) -> str:
        if not isinstance(value, str):
            self.refuse(name, "a string", value)
        return value

    def _list(self, name: str) -> list[Any]:
        value = self.fields[name] if self._present(name) else []
        if not isinstance(value, list):
            self.refuse(name, "a list", value)
        return value

    def _object(self, value: object, name: str) -> dict[str, Any]:
        if not isinstance(value, dict):
            self.refuse(name, "an object", value)
        return value


def read(content: bytes, what: str) -> Document:
    """Parse a JSON object. what: its name for messages, such as `manifest`. Raises InvalidArchive."""
    if len(content) > LIMIT:
        raise InvalidArchive(f"{what}: it has {len(content)} bytes; {LIMIT} are allowed")
    try:
        found = json.loads(content.decode("utf-8"), parse_constant=_no_number)
        json.dumps(found, ensure_ascii=False).encode("utf-8")  # a lone surrogate, "\ud800", parses but can't be written again
    except RecursionError:
        raise InvalidArchive(f"{what}: it is nested too deep") from None
    except ValueError as trouble:
        raise InvalidArchive(f"{what}: not JSON: {trouble}") from None
    if not isinstance(found, dict):
        raise InvalidArchive(f"{what}: an object is wanted and {_excerpt(found)} was found")
    return Document(found, what)


def write(found: Mapping[str, Any]) -> bytes:
    """The canonical form: no white space, keys sorted, UTF-8. Equal values give equal bytes, and so equal digests."""
    return json.dumps(found, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode("utf-8")


def write_list(found: Sequence[Mapping[str, Any]]) -> bytes:
    """A list of objects, each in the canonical form."""
    return b"[" + b",".join(map(write, found)) + b"]"


def _no_number(word: str) -> NoReturn:
    raise ValueError(f"{word} is not a number of JSON")


def _excerpt(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "…"
