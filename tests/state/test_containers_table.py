"""The table of containers, in memory and in a file."""

import re
from collections.abc import Callable, Mapping
from dataclasses import fields, replace
from typing import Any, get_type_hints

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from state_samples import ALPINE, BASE, NOW, container, full_id, image

from podlink.engine.errors import AmbiguousName, ContainerNotFound, ImageNotFound, InvalidState, NameInUse
from podlink.engine.oci.spec.values import (
    ContainerConfig,
    Device,
    DeviceValue,
    IDRange,
    Port,
    Resources,
    Rlimit,
    Tmpfs,
    Volume,
)
from podlink.engine.state import containers as table
from podlink.engine.state.containers import Containers
from podlink.engine.state.db import Database
from podlink.engine.state.documents import Remembered, spell
from podlink.engine.state.state import State
from podlink.engine.state.values import Container, Status

WEB = container("4f1d", "web")


def run(state: State, id: str, number: int = 1) -> None:
    state.containers.mark_running(id, start=number, pid=42, pid_start=7, boot="b00t", at=10)


def end(state: State, id: str, number: int = 1, code: int = 0) -> None:
    state.containers.mark_exited(id, start=number, code=code, at=20, oom_killed=False, error="", rw_size=5)


def test_a_container_comes_back_as_it_was_added(alpine: State) -> None:
    alpine.containers.add(WEB)
    assert alpine.containers.get(WEB.id) == WEB
    assert alpine.containers.find("web") == WEB


def test_every_field_is_kept(alpine: State) -> None:
    full = replace(WEB, status=Status.EXITED, start=3, pid=1, pid_start=2, boot="b", started_at=3, finished_at=4)
    full = replace(full, exit_code=-1, oom_killed=True, error="its end was not seen", rw_size=9)
    kept = [field for field in fields(Container) if field.name != "unreadable"]
    assert all(getattr(full, field.name) != field.default for field in kept), "a field was left at its default"
    alpine.containers.add(full)
    assert alpine.containers.get(full.id) == full


texts = st.text(max_size=8) | st.just("not unicode: \ud800")
kinds: dict[Any, Any] = {
    int: st.integers(-(2**63), 2**63 - 1),
    bool: st.booleans(),
    str: texts,
    tuple[str, ...]: st.lists(texts, max_size=3).map(tuple),
}
kinds[int | None] = st.none() | kinds[int]
kinds[Mapping[str, str]] = st.dictionaries(texts, texts, max_size=3)


def built(kind: type) -> st.SearchStrategy[Any]:
    """Any value of a dataclass: the parts are made by their types."""
    return st.builds(kind, **{name: kinds[each] for name, each in get_type_hints(kind).items()})


for part in (DeviceValue, Rlimit, Volume, Tmpfs, IDRange, Device, Port):
    kinds[tuple[part, ...]] = st.lists(built(part), max_size=2).map(tuple)  # type: ignore[valid-type]
kinds[Resources] = built(Resources)
configs = built(ContainerConfig)


@given(configs)
@settings(max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_was_settled_comes_back_equal(alpine: State, config: ContainerConfig) -> None:
    alpine.containers.add(replace(WEB, config=config))
    assert alpine.containers.get(WEB.id).config == config
    alpine.containers.remove(WEB.id)
    assert table._config(spell(config)) == (config, "")  # as another process reads it


def test_a_taken_name_is_refused_and_names_its_holder(alpine: State) -> None:
    alpine.containers.add(WEB)
    with pytest.raises(NameInUse, match=WEB.id):
        alpine.containers.add(container("5", "web"))
    assert alpine.containers.all() == [WEB]


def test_a_name_is_free_again_after_its_container_is_removed(alpine: State) -> None:
    alpine.containers.add(WEB)
    alpine.containers.remove(WEB.id)
    alpine.containers.add(container("5", "web"))


def test_a_container_of_an_image_that_went_away_is_refused(state: State) -> None:
    with pytest.raises(ImageNotFound) as caught:
        state.containers.add(WEB)
    assert caught.value.name == "alpine"
    assert state.containers.all() == []


@pytest.mark.parametrize("text", [WEB.id, "web", "4", "4f1d", "4f1d0000"])
def test_a_container_is_found_by_id_name_and_prefix(alpine: State, text: str) -> None:
    alpine.containers.add(WEB)
    alpine.containers.add(container("5f", "db"))
    assert alpine.containers.find(text) == WEB


def test_a_full_name_wins_over_an_id_prefix(alpine: State) -> None:
    alpine.containers.add(container("4f1d", "other"))
    alpine.containers.add(container("5", "4f"))
    assert alpine.containers.find("4f").id == full_id("5")


def test_a_full_id_means_its_container_even_when_another_is_named_so(alpine: State) -> None:
    alpine.containers.add(WEB)
    alpine.containers.add(container("5", WEB.id))
    assert alpine.containers.find(WEB.id) == WEB


def test_an_ambiguous_prefix_lists_what_it_fits(alpine: State) -> None:
    alpine.containers.add(container("4f1d", "web"))
    alpine.containers.add(container("4f2a", "db"))
    with pytest.raises(AmbiguousName, match=r"4f fits 2 containers: db \(4f2a00000000\), web \(4f1d00000000\); give more digits"):
        alpine.containers.find("4f")


def test_a_very_ambiguous_prefix_lists_a_few_and_counts_the_rest(alpine: State) -> None:
    for number in range(8):
        alpine.containers.add(container(f"4{number}", f"c{number}"))
    with pytest.raises(AmbiguousName, match=r"fits 8 containers: .* and 3 more"):
        alpine.containers.find("4")


@pytest.mark.parametrize(
    "text", ["", "%", "_", "w%", "we_", "4%", "WEB", "4F1D", " web", "web\0", "\ud800", "g", "x" * 100_000, "4" * 65]
)
def test_what_fits_nothing_is_not_found_under_the_name_that_was_asked(alpine: State, text: str) -> None:
    alpine.containers.add(WEB)
    with pytest.raises(ContainerNotFound) as caught:
        alpine.containers.find(text)
    assert caught.value.name == text


digits = st.text("0af", min_size=0, max_size=3)
names = st.one_of(st.text("0af", min_size=1, max_size=3), digits.map(full_id), st.text("a%_g.", min_size=1, max_size=3))


def model(rows: dict[str, str], text: str) -> set[str]:
    """The IDs that `text` may mean, by the rules as a person would say them. rows: names by ID."""
    exact = {id for id in rows if id == text} or {id for id, name in rows.items() if name == text}
    return exact or {id for id in rows if text and id.startswith(text)}


@given(rows=st.dictionaries(digits.map(full_id), names, max_size=6), text=st.one_of(names, digits))
@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_find_follows_the_rules_of_names_and_prefixes(alpine: State, rows: dict[str, str], text: str) -> None:
    rows = {id: name for name, id in {name: id for id, name in rows.items()}.items()}  # names are unique
    expected = model(rows, text)
    for each in alpine.containers.all():  # of the example before
        alpine.containers.remove(each.id)
    for id, name in rows.items():
        alpine.containers.add(container(id, name))
    if len(expected) == 1:
        assert {alpine.containers.find(text).id} == expected
    else:
        with pytest.raises(AmbiguousName if expected else ContainerNotFound):
            alpine.containers.find(text)


def test_the_oldest_comes_first(alpine: State) -> None:
    for start, name, created in (("1", "young", 30), ("2", "old", 10), ("3", "middle", 20)):
        alpine.containers.add(container(start, name, created))
    assert [row.name for row in alpine.containers.all()] == ["old", "middle", "young"]


def test_the_containers_of_an_image(alpine: State) -> None:
    other = image("a2")
    alpine.images.add(other)
    alpine.containers.add(WEB)
    alpine.containers.add(replace(container("5", "db"), image=other.id))
    assert alpine.containers.of_image(ALPINE.id) == [WEB]
    assert alpine.containers.of_image(full_id("c")) == []


def test_settings_are_decoded_once_and_those_that_were_just_written_never(
    tables: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    containers = Containers(tables)
    decoded: list[str] = []
    decode = table._config
    monkeypatch.setattr(table, "_config", lambda text: decoded.append(text) or decode(text))
    rows = [replace(container(f"{n}", f"c{n}"), config=replace(WEB.config, hostname=f"h{n}")) for n in range(5)]
    for row in rows:
        containers.add(row)
    assert containers.all() == rows and decoded == []
    monkeypatch.setattr(table, "_settings", Remembered(4))  # as in another process, whose memory is shorter
    assert containers.all() == rows and len(decoded) == 5
    assert containers.find("c4") == rows[4] and len(decoded) == 5
    assert containers.find("c0") == rows[0] and len(decoded) == 6


def test_a_run_is_written_down_and_its_end_too(alpine: State) -> None:
    alpine.containers.add(WEB)
    run(alpine, WEB.id)
    running = replace(WEB, status=Status.RUNNING, start=1, pid=42, pid_start=7, boot="b00t", started_at=10)
    assert alpine.containers.get(WEB.id) == running
    alpine.containers.mark_exited(WEB.id, start=1, code=137, at=20, oom_killed=True, error="killed", rw_size=5)
    ended = replace(running, status=Status.EXITED, pid=0, pid_start=0, boot="", finished_at=20, exit_code=137)
    assert alpine.containers.get(WEB.id) == replace(ended, oom_killed=True, error="killed", rw_size=5)


def test_a_second_run_forgets_how_the_first_ended(alpine: State) -> None:
    alpine.containers.add(WEB)
    run(alpine, WEB.id)
    alpine.containers.mark_exited(WEB.id, start=1, code=137, at=20, oom_killed=True, error="killed", rw_size=5)
    run(alpine, WEB.id, 2)
    row = alpine.containers.get(WEB.id)
    assert (row.start, row.exit_code, row.oom_killed, row.error, row.finished_at) == (2, 0, False, "", 0)
    assert row.rw_size == 5, "what it wrote is still there"


def test_an_old_exit_is_not_folded_into_a_new_run(alpine: State) -> None:
    alpine.containers.add(WEB)
    run(alpine, WEB.id, 2)
    with pytest.raises(
        InvalidState, match=r"news of start 1 come too late for container web \(4f1d00000000\): it is running after start 2"
    ):
        end(alpine, WEB.id, 1)
    assert alpine.containers.get(WEB.id).status is Status.RUNNING


def test_an_exit_that_comes_before_its_start_counts(alpine: State) -> None:
    alpine.containers.add(WEB)
    end(alpine, WEB.id, 1, code=3)
    with pytest.raises(InvalidState, match="it is exited after start 1"):
        run(alpine, WEB.id, 1)
    assert alpine.containers.get(WEB.id).exit_code == 3


def test_a_container_that_was_created_in_the_runtime_can_run_under_its_number(alpine: State) -> None:
    alpine.containers.add(replace(WEB, start=1))
    alpine.containers.mark_status(WEB.id, Status.CREATED)
    run(alpine, WEB.id, 1)
    assert alpine.containers.get(WEB.id).status is Status.RUNNING


@pytest.mark.parametrize("status", [Status.CONFIGURED, Status.EXITED])
def test_a_status_that_needs_more_than_a_word_is_a_programming_error(alpine: State, status: Status) -> None:
    alpine.containers.add(WEB)
    with pytest.raises(KeyError):
        alpine.containers.mark_status(WEB.id, status)


@pytest.mark.parametrize("verb", ["get", "remove", "run", "end", "pause"])
def test_a_verb_on_a_container_that_is_not_there_names_it(alpine: State, verb: str) -> None:
    verbs: dict[str, Callable[[str], object]] = {
        "get": alpine.containers.get,
        "remove": alpine.containers.remove,
        "run": lambda id: run(alpine, id),
        "end": lambda id: end(alpine, id),
        "pause": lambda id: alpine.containers.mark_status(id, Status.PAUSED),
    }
    with pytest.raises(ContainerNotFound) as caught:
        verbs[verb](WEB.id)
    assert caught.value.name == WEB.id
    assert [event.type for event in alpine.events.read()] == ["image"], "what did not happen is no event"


def test_every_change_is_an_event_with_the_name_and_the_image(alpine: State) -> None:
    before = alpine.events.read()[-1].number
    alpine.containers.add(WEB)
    run(alpine, WEB.id)
    alpine.containers.mark_status(WEB.id, Status.PAUSED)
    alpine.containers.mark_status(WEB.id, Status.RUNNING)
    end(alpine, WEB.id, code=3)
    alpine.containers.remove(WEB.id)
    events = alpine.events.read(after=before)
    assert [event.action for event in events] == ["create", "start", "pause", "unpause", "die", "remove"]
    assert {(event.type, event.id, event.name, event.attributes["image"]) for event in events} == {
        ("container", WEB.id, "web", "alpine")
    }
    assert [event.at for event in events] == [1, 10, NOW, NOW, 20, NOW]
    assert events[4].attributes["exit_code"] == "3"


def test_a_reason_that_is_no_utf8_is_kept_readable(alpine: State) -> None:
    alpine.containers.add(WEB)
    alpine.containers.mark_exited(WEB.id, start=1, code=1, at=1, oom_killed=False, error="exec \udcff: größe", rw_size=0)
    assert alpine.containers.get(WEB.id).error == "exec \\udcff: größe"


def test_settings_that_this_version_does_not_know_are_not_guessed_at(tables: Database) -> None:
    containers = Containers(tables)
    containers.add(WEB)
    with tables.writing() as connection:
        connection.execute("""UPDATE containers SET config = json_set(config, '$.seal', 'tight')""")
    found = containers.get(WEB.id)
    assert re.match(r"its settings can't be read: .*seal", found.unreadable) and found.config == ContainerConfig(args=())
    assert replace(found, unreadable="", config=WEB.config) == WEB


@pytest.mark.parametrize(
    "text",
    [
        *("", "{", "[]", "null", "{}", '{"args": "sh"}', '{"args": [1]}', '{"args": ["sh"], "volumes": [5]}', "[" * 100_000),
        *('{"args": ["sh"], "rm": "yes"}', '{"args": ["sh"], "resources": []}', '{"args": ["sh"], "labels": ["a"]}'),
    ],
)
def test_one_containers_settings_that_are_none_are_its_own_trouble(tables: Database, text: str) -> None:
    other = replace(WEB, id=full_id("0"), name="other")
    containers = Containers(tables)
    containers.add(WEB)
    containers.add(other)
    with tables.writing() as connection:
        connection.execute("PRAGMA ignore_check_constraints = on")
        connection.execute("UPDATE containers SET config = ? WHERE id = ?", (text, WEB.id))
    rows = {row.id: row for row in containers.all()}
    assert rows[other.id] == other and "can't be read" in rows[WEB.id].unreadable
    containers.remove(WEB.id)
    assert containers.all() == [other]


def test_those_that_speak_of_another_container(alpine: State) -> None:
    alpine.containers.add(WEB)
    fields = ("pid_mode", "ipc_mode", "uts_mode", "net_mode", "userns_mode")
    for number, mode in enumerate(fields):
        joining = replace(WEB.config, **{mode: f"container:{WEB.id}"})
        alpine.containers.add(replace(container(f"5{number}", mode, number), config=joining))
    alpine.containers.add(container("6", "alone"))
    assert [row.name for row in alpine.containers.mentioning(WEB.id)] == list(fields)
    assert alpine.containers.mentioning(full_id("6")) == []


def test_the_layers_of_a_container_keep_their_order(alpine: State) -> None:
    alpine.containers.add(replace(WEB, layers=(BASE.chain, full_id("2"), full_id("1"))))
    assert alpine.containers.get(WEB.id).layers == (BASE.chain, full_id("2"), full_id("1"))
