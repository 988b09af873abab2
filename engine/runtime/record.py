"""A record is a small JSON file that holds one value: read whole and checked, or refused by its path."""

import json
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any, TypeVar, get_origin

from podlink.engine.errors import RuntimeFailed

Value = TypeVar("Value")


class Damaged(RuntimeFailed):
    """A record that is not what its writer wrote: the disk lost it, or somebody edited it. Names it."""


def read(kind: type[Value], path: Path) -> Value | None:
    """The value, a dataclass; None where there is no such file. Raises Damaged. Fields of another version are passed over."""
    try:
        value: Value = _revived(kind, json.loads(path.read_bytes()))
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError, TypeError, RecursionError) as error:
        raise Damaged(f"{path} can't be read: {error}") from error
    return value


def _revived(kind: Any, found: Any) -> Any:
    """`found` as a value of this kind. Raises TypeError where it is none."""
    expected = dict if is_dataclass(kind) else get_origin(kind) or kind
    if type(found) is not expected:
        raise TypeError(f"{found!r} is no {expected.__name__}")
    if expected is not dict:
        return found
    return kind(**{each.name: _revived(each.type, found[each.name]) for each in fields(kind) if each.name in found})
