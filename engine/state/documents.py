"""Values to their JSON, and back: lists become tuples again, and objects the dataclasses that the field's type names."""

import json
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from functools import lru_cache
from types import UnionType
from typing import Any, Generic, TypeVar, cast, get_args, get_origin, get_type_hints

T = TypeVar("T")


def _members(value: Any) -> dict[str, Any]:
    kind: Any = type(value)
    return {name: getattr(value, name) for name in _kinds(kind)}


compact = json.JSONEncoder(default=_members, separators=(",", ":")).encode
"""The JSON of anything, without spaces; of a dataclass that of its fields by name, and so on inward."""


def spell(value: Any) -> str:
    """The JSON of a dataclass."""
    return compact(_members(value))


def revive(kind: type[T], document: Mapping[str, Any]) -> T:
    """The dataclass `kind` from what `spell` made of it. Raises TypeError for a field that `kind` lacks, or that is of another
    type than `kind` has it.

    A field that the document lacks has its default: what was stored before there was such a field is still read.
    """
    kinds = _kinds(cast(Any, kind))
    return kind(**{name: _value(kinds.get(name, ANYTHING), value) for name, value in document.items()})


class Remembered(Generic[T]):
    """What was spelled or revived lately, by its text: a document never changes once written, so nothing here can be stale."""

    def __init__(self, most: int = 1024) -> None:
        self._most = most
        self._values: OrderedDict[str, T] = OrderedDict()

    def find(self, text: str) -> T | None:
        return self._values.get(text)

    def keep(self, text: str, value: T) -> T:
        """The value; of what is here longest, some goes."""
        self._values[text] = value
        while len(self._values) > self._most:
            self._values.popitem(last=False)
        return value


class _Kind:
    """What a field may hold. shown: as an error names it; plain: the types of one that is kept as it is.

    item: of a tuple's members; value: the dataclass that an object becomes.
    """

    __slots__ = ("item", "plain", "shown", "value")

    def __init__(self, hint: Any) -> None:
        origin = get_origin(hint) or hint
        self.shown = getattr(hint, "__name__", hint)
        self.plain: Any = get_args(hint) if origin is UnionType else origin
        self.item = _Kind((get_args(hint) or (None,))[0]) if origin is tuple else None
        self.value = origin if is_dataclass(origin) and isinstance(origin, type) else None


ANYTHING = _Kind(None)


@lru_cache
def _kinds(kind: Any) -> dict[str, _Kind]:
    """By the name of each field."""
    hints = get_type_hints(kind)
    return {each.name: _Kind(hints[each.name]) for each in fields(kind)}


def _value(kind: _Kind, value: Any) -> Any:
    if isinstance(value, list) and (kind.item or kind.plain is None):
        return tuple(_value(kind.item or ANYTHING, each) for each in value)
    if isinstance(value, dict) and kind.value:
        return revive(kind.value, value)
    if kind.plain is not None and not isinstance(value, kind.plain):
        raise TypeError(f"{value!r} is no {kind.shown}")
    return value
