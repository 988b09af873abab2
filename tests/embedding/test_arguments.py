"""What `create` takes as arguments: the interface's fields with the interface's types, and a refusal that names the field."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, get_type_hints

import pytest

from podlink import Engine
from podlink.api import serve
from podlink.api.serving import serve as serving
from podlink.api.varlink.idl import Array, Map, Named, Record, Simple, Type, parse
from podlink.engine.containers.fields import CreateFields
from podlink.engine.containers.request import CreateRequest, IDMap, IDMappingOptions, ResourceRequest
from podlink.engine.errors import InvalidRequest
from podlink.engine.handles import Container, Containers, Images, Networks, System


@pytest.fixture(scope="module")
def engine() -> Iterator[Engine]:
    with Engine.emulated() as made:
        made.images.build_from({}, {"Cmd": ["true"]}, "web", userland=True)
        yield made


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"comand": ["true"]}, "comand: Create has no such field; is command meant?"),
        ({"qqq": 1}, "qqq: Create has no such field"),
        ({"image": 3}, "image: a string was expected, 3 was found"),
        ({"image": None}, "image: a string was expected, None was found"),
        ({"command": "true"}, "command: a list of strings was expected, 'true' was found"),
        ({"command": ["sleep", 5]}, "command[1]: a string was expected, 5 was found"),
        ({"env": ["A=1"]}, "env: a map of strings was expected, ['A=1'] was found"),
        ({"env": {"A": 1}}, "env.A: a string was expected, 1 was found"),
        ({"labels": {1: "a"}}, "labels: a key: a string was expected, 1 was found"),
        ({"rm": 1}, "rm: a bool was expected, 1 was found"),
        ({"stop_timeout": True}, "stop_timeout: an int was expected, True was found"),
        ({"stop_timeout": 2**63}, f"stop_timeout: an int of 64 bits was expected, {2**63} was found"),
        ({"resources": {"memory": 1}}, "resources: a ResourceRequest was expected, {'memory': 1} was found"),
        ({"resources": ResourceRequest(memory="1g")}, "resources.memory: an int was expected, '1g' was found"),  # type: ignore[arg-type]
        (
            {"id_mappings": IDMappingOptions(uid_map=IDMap(size="1"))},  # type: ignore[arg-type]
            "id_mappings.uid_map.size: an int was expected, '1' was found",
        ),
    ],
)
def test_what_is_no_field_or_of_another_type_is_refused(engine: Engine, fields: dict[str, Any], said: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        engine.containers.create(**{"image": "web", **fields})
    assert str(caught.value) == said and engine.containers.list() == []


def test_lists_and_tuples_do_for_a_list_and_an_int_for_a_number(engine: Engine) -> None:
    for command in (["true"], ("true",)):
        assert engine.containers.run("web", command, resources=ResourceRequest(cpus=1), env={"A": "1"}).exit_code == 0


def in_python(kind: Type) -> object:
    """The annotation that stands for a type of the interface."""
    match kind:
        case Simple(name):
            return {"string": str, "bool": bool, "int": int}[name]
        case Array():
            return Sequence[str]
        case Map():
            return Mapping[str, str]
        case Named(name):
            return {"CreateResourceConfig": ResourceRequest, "IDMappingOptions": IDMappingOptions}[name]
    raise AssertionError(kind)


def test_the_arguments_are_the_fields_of_the_interface() -> None:
    interface = parse((Path(__file__).parents[2] / "api/idl/io.projectatomic.podman.varlink").read_text())
    (record,) = [each.type for each in interface.types if each.name == "Create"]
    assert isinstance(record, Record)
    wanted = {each.name: in_python(each.type) for each in record.fields}
    assert get_type_hints(CreateFields) == get_type_hints(CreateRequest) == wanted


@pytest.mark.parametrize("kind", [Engine, Container, Containers, Images, Networks, System])
def test_every_public_method_says_what_it_does(kind: type) -> None:
    silent = [name for name, value in vars(kind).items() if not name.startswith("_") and callable(value) and not value.__doc__]
    assert silent == []


def test_serve_is_where_it_is_looked_for() -> None:
    assert serve is serving
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        _ = __import__("podlink.api").api.nothing
