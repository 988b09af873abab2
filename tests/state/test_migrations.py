"""How old state files become today's. `versions/vN.sql` is a dump of a file that version N wrote, rows and all."""

import sqlite3
from pathlib import Path

import pytest
import sqlalchemy
from state_samples import ALPINE, BASE, container, layer

from podlink.engine.errors import EngineUnavailable, StorageFailed
from podlink.engine.state.migrations import STEPS, migrate, open_database
from podlink.engine.state.schema import APPLICATION_ID, metadata
from podlink.engine.state.state import State

VERSIONS = Path(__file__).parent / "versions"
ADD_A_TABLE = ("CREATE TABLE later (a INTEGER) STRICT", "INSERT INTO later VALUES (1)")


def restore(version: int, path: Path) -> None:
    """Make the file that this version wrote."""
    database = sqlite3.connect(path)
    database.executescript((VERSIONS / f"v{version}.sql").read_text())
    database.close()


def shape(path: Path) -> list[tuple[str, str]]:
    """The schema of a file, in SQL, whatever the order in which it came about."""
    database = sqlite3.connect(path)
    rows = database.execute("SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL ORDER BY name").fetchall()
    database.close()
    return [(name, " ".join(sql.split())) for name, sql in rows]


def test_every_released_version_has_a_dump() -> None:
    assert {each.name for each in VERSIONS.iterdir()} == {f"v{number}.sql" for number in range(1, len(STEPS) + 1)}


@pytest.mark.parametrize("version", range(1, len(STEPS) + 1))
def test_the_file_of_an_old_version_becomes_todays_and_keeps_its_rows(version: int, tmp_path: Path) -> None:
    restore(version, tmp_path / "old.db")
    state = State.open(tmp_path / "old.db", None)
    web = state.containers.find("web")
    assert (web.id, web.status, web.exit_code) == (container("4f1d", "web").id, "exited", 137)
    assert web.config == container("4f1d", "web").config
    alpine = state.images.by_name("docker.io/library/alpine:latest")
    assert alpine is not None
    assert (alpine.id, alpine.layers) == (ALPINE.id, (BASE, layer("70b", parent="ba5e")))
    assert [event.action for event in state.events.of(web.id)] == ["die", "start", "create"]
    state.close()
    State.open(tmp_path / "new.db", None).close()
    assert shape(tmp_path / "old.db") == shape(tmp_path / "new.db")


def test_a_fresh_file_gets_todays_version_and_our_mark(tmp_path: Path) -> None:
    open_database(tmp_path / "podlink.db").close()
    file = sqlite3.connect(tmp_path / "podlink.db")
    assert file.execute("PRAGMA user_version").fetchone() == (len(STEPS),)
    assert file.execute("PRAGMA application_id").fetchone() == (APPLICATION_ID,)
    file.close()


def test_the_tables_that_the_code_speaks_of_are_those_that_the_steps_make(tmp_path: Path) -> None:
    open_database(tmp_path / "podlink.db").close()
    engine = sqlalchemy.create_engine(f"sqlite:///{tmp_path / 'podlink.db'}")
    found = sqlalchemy.inspect(engine)
    made = {name: [column["name"] for column in found.get_columns(name)] for name in found.get_table_names()}
    engine.dispose()
    assert made == {table.name: [column.name for column in table.columns] for table in metadata.tables.values()}


def test_a_step_is_taken_once_and_with_its_number(tmp_path: Path) -> None:
    path, steps = tmp_path / "podlink.db", (*STEPS, ADD_A_TABLE)
    open_database(path).close()
    for _ in range(2):
        open_database(path, steps=steps).close()
    file = sqlite3.connect(path)
    assert file.execute("SELECT count(*) FROM later").fetchone() == (1,)
    assert file.execute("PRAGMA user_version").fetchone() == (len(steps),)
    file.close()


def test_a_step_that_another_process_took_meanwhile_is_not_taken_again(tmp_path: Path) -> None:
    path, steps = tmp_path / "podlink.db", (*STEPS, ADD_A_TABLE)
    late = open_database(path)
    open_database(path, steps=steps).close()
    migrate(late, steps)  # as if it had read the version before the other one wrote it
    with late.reading() as connection:
        assert connection.execute("SELECT count(*) FROM later").fetchone()[0] == 1
    late.close()


def test_a_step_that_fails_half_way_leaves_the_file_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "podlink.db"
    open_database(path).close()
    before = shape(path)
    with pytest.raises((EngineUnavailable, StorageFailed)):
        open_database(path, steps=(*STEPS, (*ADD_A_TABLE, "INSERT INTO nowhere VALUES (1)")))
    assert shape(path) == before
    state = State.open(path, None)
    state.images.add(ALPINE)
    state.close()


def test_who_begins_anew_is_asked_before_anything_is_made(tmp_path: Path) -> None:
    path = tmp_path / "podlink.db"

    def refuse() -> None:
        raise EngineUnavailable("there is something")

    with pytest.raises(EngineUnavailable, match="there is something"):
        open_database(path, before_new=refuse)
    assert not path.exists()
    path.touch()
    with pytest.raises(EngineUnavailable, match="there is something"):
        open_database(path, before_new=refuse)
    assert path.read_bytes() == b""
    open_database(path).close()
    open_database(path, before_new=refuse).close()


def test_what_another_process_just_began_is_not_new(tmp_path: Path) -> None:
    path = tmp_path / "podlink.db"

    def refuse() -> None:
        open_database(path).close()
        raise EngineUnavailable("there is something, and it is the other one's")

    open_database(path, before_new=refuse).close()
