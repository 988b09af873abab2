"""The tables of images, in memory and in a file."""

from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from state_samples import ALPINE, BASE, NOW, container, full_id, image, layer

from podlink.engine.errors import ImageInUse, ImageNotFound
from podlink.engine.state.state import State
from podlink.engine.state.values import Image, Layer

TOP = layer("70b", parent="ba5e")
OTHER_TOP = layer("071", parent="ba5e")


def test_an_image_comes_back_as_it_was_added(state: State) -> None:
    web = image("e", BASE, TOP, names=("docker.io/library/web:latest", "web"))
    state.images.add(web)
    assert state.images.get(web.id) == web
    assert state.images.all() == [web]


def test_an_image_without_layers_or_names_is_one_too(state: State) -> None:
    empty = replace(image("e"), layers=(), size=0)
    state.images.add(empty)
    assert state.images.get(empty.id) == empty
    assert state.images.remove(empty.id) == []


def test_an_image_is_found_by_name_prefix_and_digest(state: State) -> None:
    web = image("e1", names=("web",))
    state.images.add(web)
    state.images.add(ALPINE)
    assert state.images.by_name("web") == web
    assert state.images.by_prefix("e") == [web]
    assert state.images.by_prefix(web.id) == [web]
    assert state.images.by_digest(web.digest) == [web]


def test_a_digest_in_a_registry_leads_to_the_image_that_had_it_last(state: State) -> None:
    web = replace(image("e1"), digests=("registry.example/web@sha256:11", "registry.example/web@sha256:22"))
    state.images.add(web)
    state.images.add(ALPINE)
    assert state.images.by_repo_digest("registry.example/web@sha256:22") == web
    assert state.images.by_repo_digest("registry.example/other@sha256:22") is None
    state.images.note(ALPINE.id, ["registry.example/web@sha256:22", "registry.example/alpine@sha256:33"])
    state.images.note(ALPINE.id, [])
    assert state.images.get(web.id).digests == ("registry.example/web@sha256:11",)
    assert set(state.images.get(ALPINE.id).digests) == {"registry.example/web@sha256:22", "registry.example/alpine@sha256:33"}
    state.images.remove(ALPINE.id)
    assert state.images.by_repo_digest("registry.example/web@sha256:22") is None
    with pytest.raises(ImageNotFound):
        state.images.note(ALPINE.id, ["registry.example/web@sha256:22"])


@pytest.mark.parametrize("text", ["", "%", "_", "we%", "E1", "g", "\ud800", "e" * 65])
def test_what_is_no_name_and_no_prefix_finds_nothing(state: State, text: str) -> None:
    state.images.add(image("e1", names=("web",)))
    assert state.images.by_name(text) is None
    assert state.images.by_prefix(text) == []
    assert state.images.by_digest(text) == []


def test_a_prefix_that_fits_several_answers_them_all(state: State) -> None:
    state.images.add(image("e1", created_at=1))
    state.images.add(image("e2", created_at=2))
    assert [found.id for found in state.images.by_prefix("e")] == [full_id("e2"), full_id("e1")]


def test_the_newest_image_comes_first(state: State) -> None:
    for start, created in (("1", 20), ("2", 30), ("3", 10)):
        state.images.add(image(start, created_at=created))
    assert [found.created_at for found in state.images.all()] == [30, 20, 10]


def test_names_come_in_the_order_in_which_they_were_given(state: State) -> None:
    state.images.add(ALPINE, ["zebra", "ant"])
    state.images.tag(ALPINE.id, "middle")
    state.images.tag(ALPINE.id, "zebra")
    assert state.images.get(ALPINE.id).names == ("zebra", "ant", "middle")


def test_an_image_that_is_there_keeps_its_names_and_gets_the_new_ones(state: State) -> None:
    state.images.add(ALPINE, ["first"])
    state.images.add(replace(ALPINE, created_at=99), ["second", "first"])
    assert state.images.get(ALPINE.id) == replace(ALPINE, names=("first", "second"))


def test_a_name_moves_to_the_image_that_is_given_it(state: State) -> None:
    newer = image("b2")
    state.images.add(ALPINE, ["alpine", "stable"])
    state.images.add(newer, ["alpine"])
    assert state.images.by_name("alpine") == replace(newer, names=("alpine",))
    assert state.images.get(ALPINE.id).names == ("stable",)
    state.images.tag(ALPINE.id, "alpine")
    assert state.images.get(newer.id).names == ()


def test_a_name_can_be_taken_away(state: State) -> None:
    state.images.add(ALPINE, ["alpine"])
    assert state.images.untag("alpine") == ALPINE.id
    assert state.images.by_name("alpine") is None
    with pytest.raises(ImageNotFound, match="alpine"):
        state.images.untag("alpine")


@pytest.mark.parametrize("verb", ["get", "remove", "tag"])
def test_a_verb_on_an_image_that_is_not_there_names_it(state: State, verb: str) -> None:
    verbs: dict[str, Callable[[str], object]] = {
        "get": state.images.get,
        "remove": state.images.remove,
        "tag": lambda id: state.images.tag(id, "x"),
    }
    with pytest.raises(ImageNotFound) as caught:
        verbs[verb](ALPINE.id)
    assert caught.value.name == ALPINE.id
    assert state.events.read() == []


def test_removing_an_image_answers_the_layers_that_go_with_it_topmost_first(state: State) -> None:
    web = image("e", BASE, TOP, names=("web",))
    state.images.add(web)
    assert state.images.remove(web.id) == [TOP, BASE]
    assert state.images.all() == []
    assert state.images.all_layers() == []
    assert state.images.by_name("web") is None


def test_a_layer_stays_as_long_as_an_image_has_it(state: State) -> None:
    one, two = image("e1", BASE, TOP), image("e2", BASE, OTHER_TOP)
    state.images.add(one)
    state.images.add(two)
    assert state.images.remove(one.id) == [TOP]
    assert state.images.layer(TOP.chain) is None
    assert state.images.layer(BASE.chain) == BASE
    assert state.images.remove(two.id) == [OTHER_TOP, BASE]


def test_a_layer_that_came_first_keeps_its_blob(state: State) -> None:
    state.images.add(image("e1", BASE))
    again = replace(BASE, blob=f"sha256:{full_id('c')}", blob_size=1)
    state.images.add(image("e2", again))
    assert state.images.get(full_id("e2")).layers == (BASE,)


def test_an_image_that_containers_need_stays_and_they_are_named(alpine: State) -> None:
    alpine.images.tag(ALPINE.id, "alpine")
    alpine.containers.add(container("4f1d", "web"))
    alpine.containers.add(container("5", "db"))
    with pytest.raises(ImageInUse, match=r"image a10000000000 is in use by db \(500000000000\), web \(4f1d00000000\)"):
        alpine.images.remove(ALPINE.id)
    assert alpine.images.by_name("alpine") == replace(ALPINE, names=("alpine",))
    assert alpine.images.layer(BASE.chain) == BASE


def test_every_change_of_an_image_is_an_event(state: State) -> None:
    newer = image("b2")
    state.images.add(ALPINE, ["alpine"])
    state.images.add(newer, ["alpine"], action="pull")
    state.images.untag("alpine")
    state.images.remove(newer.id)
    told = [(event.action, event.id, event.name) for event in state.events.read()]
    first = [("import", ALPINE.id, "alpine"), ("tag", ALPINE.id, "alpine"), ("pull", newer.id, "alpine")]
    moved = [("untag", ALPINE.id, "alpine"), ("tag", newer.id, "alpine")]
    assert told == [*first, *moved, ("untag", newer.id, "alpine"), ("remove", newer.id, "")]
    assert {(event.type, event.at) for event in state.events.read()} == {("image", NOW)}


def stack(letters: str) -> tuple[Layer, ...]:
    """Layers named by their path from the base, as chain IDs are: `ab` and `ac` share only `a`."""
    paths = [letters[: end + 1] for end in range(len(letters))]
    return tuple(layer(path, parent=path[:-1]) for path in paths)


moves = st.lists(st.tuples(st.sampled_from(["add", "remove"]), st.text("abc", min_size=1, max_size=3)), max_size=12)


@given(moves)
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_the_layers_that_are_there_are_always_those_of_the_images(state: State, moves: list[tuple[str, str]]) -> None:
    for each in state.images.all():  # of the example before
        state.images.remove(each.id)
    here: dict[str, Image] = {}
    for verb, path in moves:
        one = image(path, *stack(path))
        if verb == "add":
            state.images.add(one)
            here[one.id] = one
        elif one.id in here:
            before = {layer.chain for layer in state.images.all_layers()}
            gone = state.images.remove(one.id)
            del here[one.id]
            after = {layer.chain for layer in state.images.all_layers()}
            assert before - after == {layer.chain for layer in gone}
            assert [layer.chain for layer in gone] == [layer.chain for layer in reversed(one.layers) if layer in gone]
        expected = {layer.chain for each in here.values() for layer in each.layers}
        assert {layer.chain for layer in state.images.all_layers()} == expected
