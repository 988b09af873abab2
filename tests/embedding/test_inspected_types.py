"""What `inspect` gives has types: a type checker of the embedding program knows each key and what is under it."""

import json
import re
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, get_args, get_origin, get_type_hints, is_typeddict

import pytest

from podlink.engine.containers.inspected import InspectedContainer
from podlink.engine.images.inspected import InspectedImage

FIXTURES = Path(__file__).parents[2] / "fixtures"
WORDS = {"string": str, "digest": str, "int": int, "bool": bool, "RFC 3339 time": str}
PORTS = "{port/proto: [{HostIp, HostPort}]}"


def fits(kind: Any, wanted: Any) -> bool:
    """Whether a type is what the reference says of the value, which may be None more often than ours."""
    if isinstance(wanted, str):
        return fits_word(kind, wanted)
    if isinstance(wanted, list):
        return get_origin(kind) is list and fits(get_args(kind)[0], wanted[0])
    if "*" in wanted:
        return get_origin(kind) is dict and get_args(kind)[0] is str and fits(get_args(kind)[1], wanted["*"])
    hints = get_type_hints(kind)
    return set(hints) == set(wanted) and all(fits(hints[name], each) for name, each in wanted.items())


def fits_word(kind: Any, wanted: str) -> bool:
    """The same for `int or null`, and for `{uid, gid}`, of which the keys count."""
    word = wanted.removesuffix(" or null")
    if isinstance(kind, UnionType):
        given = [each for each in get_args(kind) if each is not NoneType]
        return word != wanted and len(given) == 1 and fits_word(given[0], word)
    if wanted == PORTS:
        return get_origin(kind) is dict and fits(get_args(kind)[1], ["{HostIp, HostPort}"])
    if word.startswith("{"):
        return is_typeddict(kind) and list(get_type_hints(kind)) == re.findall(r"\w+", word)
    return kind is WORDS[word]


@pytest.mark.parametrize(("kind", "name"), [(InspectedContainer, "container"), (InspectedImage, "image")])
def test_the_types_are_those_of_the_reference(kind: Any, name: str) -> None:
    assert fits(kind, json.loads((FIXTURES / f"inspect-{name}.json").read_text()))


@pytest.mark.parametrize("kind", [int, str | None, list[int], dict[str, int], InspectedImage])
def test_another_type_would_not_fit(kind: Any) -> None:
    assert not fits(kind, "string") and not fits(kind, ["string"]) and not fits(kind, {"*": "string"})
    assert not fits_word(kind, "{uid, gid}")
