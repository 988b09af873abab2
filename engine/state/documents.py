"""Values from their JSON: lists become tuples again, and objects the dataclasses that the field's type names."""

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from functools import lru_cache
from types import UnionType
from typing import Any, TypeVar, cast, get_args, get_origin, get_type_hints

T = TypeVar("T")


def revive(kind: type[T], document: Mapping[str, Any]) -> T:
    """The dataclass `kind` from what dataclasses.asdict made of it. Raises TypeError for a field that `kind` lacks, or that is of
    another type than `kind` has it.

    A field that the document lacks has its default: what was stored before there was such a field is still read.
    """
    types = _types(cast(Any, kind))
    return kind(**{name: _value(types.get(name), value) for name, value in document.items()})


@lru_cache
def _types(kind: Any) -> dict[str, Any]:
    hints = get_type_hints(kind)
    return {each.name: hints[each.name] for each in fields(kind)}


def _value(kind: Any, value: Any) -> Any:
    origin = get_origin(kind) or kind
    if origin is UnionType:  # int | None, say: all that is plain
        origin = get_args(kind)
    if isinstance(value, list) and origin in (tuple, None):
        item = (get_args(kind) or (None,))[0] if origin is tuple else None
        return tuple(_value(item, each) for each in value)
    if isinstance(value, dict) and is_dataclass(origin) and isinstance(origin, type):
        return revive(origin, value)
    if origin is not None and not isinstance(value, origin):
        raise TypeError(f"{value!r} is no {getattr(kind, '__name__', kind)}")
    return value
