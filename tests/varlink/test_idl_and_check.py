"""The definition language, both ways, and values held to its types."""

import re
from contextlib import suppress
from importlib import resources
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from podlink.api.varlink.check import Invalid, checkers, reply_checker
from podlink.api.varlink.frame import Malformed, decode, encode
from podlink.api.varlink.idl import (
    Alias,
    Array,
    Enumeration,
    ErrorType,
    Field,
    IdlError,
    Interface,
    Map,
    Method,
    Named,
    Optional,
    Record,
    Simple,
    Type,
    parse,
    spell,
    write,
)

TEXT = resources.files("podlink.api.idl").joinpath("io.projectatomic.podman.varlink").read_text()
FIELD_NAMES = st.from_regex(r"[a-z](_?[a-z0-9]){0,6}", fullmatch=True).filter(
    lambda name: name not in ("type", "method", "error")
)
MEMBERS = st.from_regex(r"[A-Z][A-Za-z0-9]{0,6}", fullmatch=True)
SIMPLE = st.sampled_from(["bool", "int", "float", "string", "object"]).map(Simple)


def records(types: st.SearchStrategy[Type], least: int = 0) -> st.SearchStrategy[Record]:
    fields = st.lists(st.builds(Field, FIELD_NAMES, types), min_size=least, max_size=4, unique_by=lambda each: each.name)
    return fields.map(lambda found: Record(tuple(found)))


def grown(types: st.SearchStrategy[Type]) -> st.SearchStrategy[Type]:
    names = st.lists(FIELD_NAMES, min_size=1, max_size=3, unique=True).map(lambda found: Enumeration(tuple(found)))
    optional = types.filter(lambda kind: not isinstance(kind, Optional)).map(Optional)
    return st.one_of(types.map(Array), types.map(Map), optional, names, records(types, 1))


TYPES: st.SearchStrategy[Type] = st.recursive(SIMPLE, grown, max_leaves=6)
RECORDS = records(TYPES)
METHODS = st.builds(Method, MEMBERS, RECORDS, RECORDS)
ALIASES = st.builds(Alias, MEMBERS, records(TYPES, 1))
ERRORS = st.builds(ErrorType, MEMBERS, RECORDS)
INTERFACES = st.lists(st.one_of(METHODS, ALIASES, ERRORS), min_size=1, max_size=6, unique_by=lambda each: each.name).map(
    lambda members: Interface("org.example.made", tuple(members))
)


@given(INTERFACES)
@settings(max_examples=50)
def test_what_is_written_is_read_back(interface: Interface) -> None:
    assert parse(write(interface)) == interface


@given(TYPES)
@settings(max_examples=150)
def test_a_type_is_spelled_as_it_is_read(kind: Type) -> None:
    text = f"interface org.example.one\n\nmethod M(field: {spell(kind)}) -> ()\n"
    assert parse(text).methods[0].parameters.fields[0].type == kind


def test_the_interface_is_read_whole() -> None:
    interface = parse(TEXT)
    assert len(interface.methods) == 40 and interface.name == "io.projectatomic.podman"
    assert {error.name for error in interface.errors} == set(re.findall(r"^error (\w+)", TEXT, re.MULTILINE))
    assert {alias.name for alias in interface.types} == set(re.findall(r"^type (\w+)", TEXT, re.MULTILINE))
    assert parse(write(interface)) == interface


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("method M() -> ()", 1),
        ("interface nodots\nmethod M() -> ()", 1),
        ("interface a.b\n\nmethod m() -> ()", 3),
        ("interface a.b\nmethod M() -> (", 2),
        ("interface a.b\nmethod M(a: nothing) -> ()", 2),
        ("interface a.b\nmethod M(a: int, a: int) -> ()", 2),
        ("interface a.b\nmethod M(a: Missing) -> ()", 2),
        ("interface a.b\nmethod M() -> ()\nmethod M() -> ()", 3),
        ("interface a.b\nmethod M(a: ??int) -> ()", 2),
        ("interface a.b\n\n\ntype T (a: int) extra", 4),
        ("interface a.b\nmethod M(a: " + "[]" * 100 + "int) -> ()", 2),
        ("interface a.b\nmethod M() -> ()\x00", 2),
    ],
)
def test_a_mistake_is_told_with_its_line(text: str, line: int) -> None:
    with pytest.raises(IdlError, match=rf"line {line}\b|Missing|defined twice"):
        parse(text)


def values(kind: Type) -> st.SearchStrategy[Any]:
    """Any value of a type, whole."""
    simple = {
        "bool": st.booleans(),
        "int": st.integers(-(2**63), 2**63 - 1),
        "string": st.text(max_size=5),
        "object": st.just({}),
    }
    match kind:
        case Simple("float"):
            return st.floats(allow_nan=False, allow_infinity=False)
        case Simple(name):
            return simple[name]
        case Array(item):
            return st.lists(values(item), max_size=3)
        case Map(item):
            return st.dictionaries(st.text(max_size=4), values(item), max_size=3)
        case Optional(item):
            return values(item)
        case Enumeration(names):
            return st.sampled_from(names)
        case Record(fields):
            return st.fixed_dictionaries({each.name: values(each.type) for each in fields})
        case Named():
            raise AssertionError("not generated")


@given(st.data(), RECORDS)
@settings(max_examples=150)
def test_what_is_of_the_type_passes_and_comes_back_the_same(data: st.DataObject, record: Record) -> None:
    interface = Interface("org.example.made", (Method("M", record, record),))
    value = data.draw(values(record))
    assert checkers(interface)["M"](value) == value
    assert reply_checker(interface, "M")(value) == value
    assert decode(encode({"parameters": value})[:-1]) == {"parameters": value}


WRONG = {"bool": 1, "int": True, "float": "1.0", "string": 5}


@given(st.data(), FIELD_NAMES, st.sampled_from(sorted(WRONG)), st.integers(0, 3))
@settings(max_examples=100)
def test_a_wrong_value_is_told_by_its_path(data: st.DataObject, name: str, simple: str, depth: int) -> None:
    kind: Type = Simple(simple)
    value: Any = WRONG[simple]
    path = name
    for _ in range(depth):
        kind, value, path = Record((Field("in", kind),)), {"in": value}, path + ".in"
    interface = Interface("org.example.made", (Method("M", Record((Field(name, kind),)), Record(())),))
    with pytest.raises(Invalid) as refusal:
        checkers(interface)["M"]({name: value})
    assert refusal.value.path == path


@pytest.mark.parametrize(
    ("sent", "path"),
    [
        ({"s": "\ud800"}, "s"),
        ({"a": ["", "x\udcff"]}, "a[1]"),
        ({"m": {"k": "\udfff"}}, "m.k"),
        ({"m": {"\udfff": ""}}, "m.\udfff"),
        ({"f": 10**400}, "f"),
        ({"f": -(10**400)}, "f"),
        ({"f": float("inf")}, "f"),
        ({"f": float("nan")}, "f"),
    ],
)
def test_what_json_can_say_and_no_text_or_number_can_be_is_told_by_its_path(sent: dict[str, Any], path: str) -> None:
    interface = parse("interface a.b\nmethod M(s: string, a: []string, m: [string]string, f: float) -> (s: string)")
    with pytest.raises(Invalid) as refusal:
        checkers(interface)["M"](sent)
    assert refusal.value.path == path
    reply_checker(interface, "M")({"s": "\ud800"})  # a service may have to tell of a name that is no text


def test_what_is_absent_or_null_reads_as_zero_and_is_told_apart() -> None:
    record = parse("interface a.b\nmethod M(n: int, s: []string, r: (m: [string]int, b: bool)) -> ()").methods[0].parameters
    check = checkers(Interface("a.b", (Method("M", record, Record(())),)))["M"]
    for sent in (None, {}, {"n": None, "s": None, "r": None}):
        found = check(sent)
        assert (found["n"], found["s"], found["r"]["m"], found["r"]["b"]) == (0, [], {}, False) and "n" not in found
    assert "n" in check({"n": 0})


def test_a_reply_is_held_to_the_letter() -> None:
    interface = parse("interface a.b\nmethod M() -> (n: int, r: (s: string))")
    check = reply_checker(interface, "M")
    for wrong, path in (({"n": 1}, "r"), ({"n": 1, "r": {}}, "r.s"), ({"n": 1, "r": {"s": ""}, "x": 1}, "x")):
        with pytest.raises(Invalid) as refusal:
            check(wrong)
        assert refusal.value.path == path


@given(st.binary(max_size=200))
@settings(max_examples=300)
def test_noise_is_malformed_or_an_object(noise: bytes) -> None:
    with suppress(Malformed):
        assert isinstance(decode(noise), dict)
