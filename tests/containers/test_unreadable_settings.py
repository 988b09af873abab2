"""A container whose stored settings can't be read: shown, stopped, removed; and no trouble of the others'."""

import logging
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from podlink.engine.app import Engine
from podlink.engine.errors import InvalidState
from podlink.engine.oci.spec.values import ContainerConfig
from podlink.engine.state.memory.store import Memory

LOOP = ("/bin/sh", "-c", "trap 'exit 7' TERM; echo ready; while :; do sleep 0.1; done")


def break_settings(bench: Any, container: Any) -> None:
    state = bench.engine.host.state
    if isinstance(state.database, Memory):  # nothing is ever decoded there; the verbs above are to be the same
        row = state.containers.get(container.id)
        broken = replace(row, config=ContainerConfig(args=()), unreadable="its settings can't be read: seal")
        state.database.containers[row.id] = broken
        return
    with state.database.writing() as connection:
        connection.execute("UPDATE containers SET config = json_set(config, '$.seal', 'tight') WHERE id = ?", (container.id,))


def test_a_list_shows_it_and_names_it_in_a_warning(bench: Any, caplog: pytest.LogCaptureFixture) -> None:
    broken, whole = bench.create("true", name="broken"), bench.create("true", name="whole")
    break_settings(bench, broken)
    with caplog.at_level(logging.WARNING):
        listed = {each.container.name: each.container for each in bench.engine.containers.list()}
    assert listed["whole"].config.args == ("true",) and listed["broken"].config.args == ()
    assert any("broken" in line and "seal" in line for line in caplog.messages)
    document = broken.inspect()
    assert document["Path"] == "" and "seal" in document["State"]["Error"] and document["ID"] == broken.id
    whole.start()
    assert whole.wait() == 0


def test_what_needs_its_settings_is_refused_and_the_rest_works(bench: Any) -> None:
    container = bench.run(*LOOP, name="broken")
    break_settings(bench, container)
    for verb in (
        container.changes,
        lambda: container.commit("image"),
        lambda: bench.create("true", userns_mode="container:broken"),
    ):
        with pytest.raises(InvalidState, match="settings can't be read"):
            verb()
    assert container.summary().container.status == "running"
    container.stop(0)
    assert container.summary().container.status == "exited"
    with pytest.raises(InvalidState, match="settings can't be read"):
        container.start()
    container.remove()
    assert bench.engine.containers.list() == []


def test_one_that_runs_is_removed_by_force_and_an_engine_opens_on_it(bench: Any) -> None:
    container = bench.run(*LOOP, name="broken")
    break_settings(bench, container)
    if bench.runtime == "runc":
        with bench.open() as again:
            assert [each.container.name for each in again.containers.list()] == ["broken"]
    container.remove(force=True)
    assert bench.engine.containers.list() == []


def test_an_exit_record_that_is_none_does_not_fail_the_list(tmp_path: Path) -> None:
    with Engine.emulated(tmp_path) as engine:
        image = engine.images.build_from({}, userland=True)
        broken, whole = (engine.containers.create(image=image, command=["true"], name=name) for name in ("broken", "whole"))
        (engine.host.directory(broken.id) / "exit.json").write_text("{")
        assert {each.container.id for each in engine.containers.list()} == {broken.id, whole.id}
