"""The file under the tables: what it survives, and what is said when it can't be had."""

import os
import sqlite3
import stat
import subprocess
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest
import state_workers
from other_processes import Start
from state_samples import ALPINE, container

from podlink.engine.errors import EngineUnavailable, NameInUse, StorageFailed
from podlink.engine.state.db import Database
from podlink.engine.state.migrations import STEPS, open_database
from podlink.engine.state.state import State


def refused(path: Path) -> str:
    """What is said when the state can't be opened."""
    with pytest.raises(EngineUnavailable) as caught:
        State.open(path, None)
    assert str(path) in str(caught.value)
    return str(caught.value)


def test_what_was_written_is_there_after_reopening(file: Path) -> None:
    state = State.open(file, None)
    state.containers.add(container("4f1d", "web"))
    state.close()
    state = State.open(file, None)
    assert state.containers.find("web") == container("4f1d", "web")
    state.close()


def test_every_connection_syncs_each_commit_and_minds_foreign_keys(file: Path) -> None:
    database = open_database(file)
    with database.reading() as one, database.reading() as two:
        for connection in (one, two):
            values = [connection.execute(f"PRAGMA {name}").fetchone()[0] for name in ("synchronous", "foreign_keys")]
            assert values == [2, 1]
            assert connection.execute("PRAGMA journal_mode").fetchone()[0] == "wal"
    database.close()


def test_only_the_owner_may_read_the_state(file: Path) -> None:
    state = State.open(file, None)
    state.containers.add(container("4f1d", "web"))
    modes = {each.name: stat.S_IMODE(each.stat().st_mode) for each in file.parent.glob("podlink.db*")}
    assert modes == {"podlink.db": 0o600, "podlink.db-wal": 0o600, "podlink.db-shm": 0o600}
    state.close()


def test_a_closed_state_says_so(file: Path) -> None:
    for place in (file, None):
        state = State.open(place, None)
        state.close()
        with pytest.raises(EngineUnavailable, match="closed; open the engine again"):
            state.containers.all()


def test_a_reader_sees_one_moment_and_waits_for_no_writer(file: Path) -> None:
    database, state = open_database(file), State.open(file, None)
    with database.reading() as connection:
        count = "SELECT count(*) FROM containers"
        assert connection.execute(count).fetchone()[0] == 0
        state.containers.add(container("4f1d", "web"))
        assert connection.execute(count).fetchone()[0] == 0
    with database.writing():
        assert len(state.containers.all()) == 1
    database.close()
    state.close()


def test_a_transaction_that_raises_changes_nothing(file: Path) -> None:
    database = open_database(file)
    with pytest.raises(ZeroDivisionError), database.writing() as connection:
        connection.execute("INSERT INTO image_names (name, image) SELECT 'x', id FROM images")
        raise ZeroDivisionError
    with database.reading() as connection:
        assert connection.execute("SELECT count(*) FROM image_names").fetchone()[0] == 0
    database.close()


@pytest.mark.parametrize("place", ["memory", "file"])
def test_sixteen_threads_get_along(place: str, file: Path) -> None:
    state = State.open(file if place == "file" else None, None)
    state.images.add(ALPINE)

    def work(thread: int) -> int:
        won = 0
        for number in range(8):
            row = container(f"{thread:02x}{number:02x}", f"same{number}")
            try:
                state.containers.add(row)
            except NameInUse:
                continue
            won += 1
            state.containers.mark_running(row.id, start=1, pid=1, pid_start=1, boot="b", at=1)
            assert state.containers.find(row.name).start == 1
        return won

    with ThreadPoolExecutor(16) as pool:
        assert sum(pool.map(work, range(16))) == 8
    assert sorted(row.name for row in state.containers.all()) == [f"same{number}" for number in range(8)]
    assert [event.action for event in state.events.read()].count("create") == 8
    state.close()


def test_of_two_processes_that_add_the_same_name_one_wins(file: Path, start: Start) -> None:
    pipes = [start(state_workers.open_and_add, file, digit, "web")[1] for digit in "45"]
    assert [pipe.recv() for pipe in pipes] == ["ready", "ready"]
    for pipe in pipes:
        pipe.send("go")
    answers = sorted(pipe.recv() for pipe in pipes)
    assert answers[1] == "added"
    assert answers[0].startswith("NameInUse: the name web is in use by container ")
    state = State.open(file, None)
    assert [row.name for row in state.containers.all()] == ["web"]
    state.close()


def test_processes_may_open_a_fresh_file_at_once(tmp_path: Path, start: Start) -> None:
    path = tmp_path / "fresh" / "podlink.db"
    pipes = [start(state_workers.open_fresh, path)[1] for _ in range(4)]
    assert [pipe.recv() for pipe in pipes] == ["ready"] * 4
    for pipe in pipes:
        pipe.send("go")
    assert [pipe.recv() for pipe in pipes] == ["opened"] * 4


def test_threads_may_open_a_fresh_file_at_once(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        states = list(pool.map(lambda _: State.open(tmp_path / "podlink.db", None), range(8)))
    states[0].images.add(ALPINE)
    assert [state.images.all() for state in states] == [[ALPINE]] * 8
    for state in states:
        state.close()


def test_a_fresh_file_that_another_is_busy_with_is_waited_for(tmp_path: Path) -> None:
    """SQLite itself does not wait when the log is switched on, whatever its busy timeout."""
    other = sqlite3.connect(tmp_path / "podlink.db", isolation_level=None, check_same_thread=False)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(EngineUnavailable, match=r"another process writes for over 0\.05 s now"):
        open_database(tmp_path / "podlink.db", patience=0.05)
    timer = threading.Timer(0.1, other.close)
    timer.start()
    open_database(tmp_path / "podlink.db").close()
    timer.join()


def test_a_writer_killed_in_the_middle_leaves_no_trace_and_no_lock(file: Path, start: Start) -> None:
    process, pipe = start(state_workers.write_half, file, ALPINE.id)
    assert pipe.recv() == "written"
    process.kill()
    process.join()
    state = State.open(file, None)
    assert state.images.by_name("half") is None
    state.containers.add(container("4f1d", "web"))
    state.close()


def test_what_a_killed_writer_had_acknowledged_is_there(file: Path, start: Start) -> None:
    process, pipe = start(state_workers.add_for_ever, file)
    acknowledged = [pipe.recv() for _ in range(25)]
    process.kill()
    process.join()
    while pipe.poll():
        try:
            acknowledged.append(pipe.recv())
        except EOFError:
            break
    state = State.open(file, None)
    names = {row.name for row in state.containers.all()}
    assert set(acknowledged) <= names
    assert len(names) <= len(acknowledged) + 1, "at most the one on its way"
    state.close()
    assert sqlite3.connect(file).execute("PRAGMA integrity_check").fetchone() == ("ok",)


def test_a_process_that_writes_for_too_long_is_told_of_and_nothing_changes(file: Path, start: Start) -> None:
    database = open_database(file, patience=0.2)
    _, pipe = start(state_workers.write_half, file, ALPINE.id)
    assert pipe.recv() == "written"
    begun = time.monotonic()
    with pytest.raises(StorageFailed) as caught, database.writing():
        pytest.fail("two writers at once")
    assert str(caught.value) == f"{file}: another process writes for over 0.2 s now; nothing was changed"
    assert time.monotonic() - begun > 0.15
    database.close()


def test_a_thread_that_writes_for_too_long_is_told_of(file: Path) -> None:
    database = Database(file, patience=0.05)
    inside, done = threading.Event(), threading.Event()

    def write() -> None:
        with database.writing():
            inside.set()
            done.wait()

    writer = threading.Thread(target=write)
    writer.start()
    inside.wait()
    with pytest.raises(StorageFailed, match=r"another thread writes for over 0\.05 s now"), database.writing():
        pytest.fail("two writers at once")
    done.set()
    writer.join()
    database.close()


def test_a_file_that_is_no_database_is_named_and_left_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "podlink.db"
    path.write_bytes(b"this is not a database, whatever its name says\n" * 100)
    assert "not an SQLite database; move it away or choose another root" in refused(path)
    assert path.read_bytes().startswith(b"this is not")
    assert [each.name for each in tmp_path.iterdir()] == ["podlink.db"]


def test_a_damaged_database_is_named(file: Path) -> None:
    content = bytearray(file.read_bytes())
    content[100:4096] = os.urandom(3996)  # the first page: the list of tables
    file.write_bytes(content)
    assert "malformed (SQLITE_CORRUPT); restore it" in refused(file)


def test_damage_that_shows_later_is_named_too(file: Path) -> None:
    with closing(sqlite3.connect(file)) as database:
        (page,) = database.execute("SELECT rootpage FROM sqlite_master WHERE name = 'images'").fetchone()
    content = bytearray(file.read_bytes())
    content[(page - 1) * 4096 : page * 4096] = os.urandom(4096)
    file.write_bytes(content)
    state = State.open(file, None)
    with pytest.raises(EngineUnavailable, match=r"podlink\.db: database disk image is malformed"):
        state.images.all()
    state.close()


def test_the_database_of_another_program_is_refused_and_not_touched(tmp_path: Path) -> None:
    path = tmp_path / "podlink.db"
    other = sqlite3.connect(path)
    other.executescript("CREATE TABLE bookmarks (url TEXT)")
    other.close()
    before = path.read_bytes()
    assert "an SQLite database of another program (application ID 0x0, 1 things in its schema)" in refused(path)
    assert path.read_bytes() == before


def test_the_state_of_a_newer_podlink_is_refused_and_not_touched(file: Path) -> None:
    newer = sqlite3.connect(file)
    newer.executescript(f"PRAGMA user_version = {len(STEPS) + 1}")
    newer.close()
    before = file.read_bytes()
    assert f"written by a newer podlink (its version is {len(STEPS) + 1}, this podlink knows up to {len(STEPS)})" in refused(file)
    assert file.read_bytes() == before


def test_a_folder_in_the_place_of_the_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "podlink.db").mkdir()
    assert "not a file" in refused(tmp_path / "podlink.db")


def test_a_root_that_is_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "root").touch()
    assert "can't be created" in refused(tmp_path / "root" / "podlink.db")


@pytest.mark.needs("root")
def test_a_read_only_folder_is_refused_with_a_new_file_and_with_an_old_one(small_disk: Path) -> None:
    State.open(small_disk / "old.db", None).close()
    subprocess.run(["mount", "-o", "remount,ro", small_disk], check=True)
    assert "can't be created: Read-only file system" in refused(small_disk / "new.db")
    assert "its folder must be there and writable" in refused(small_disk / "old.db")


@pytest.mark.needs("root")
def test_a_full_disk_is_told_of_and_changes_nothing(small_disk: Path) -> None:
    path, filler = small_disk / "podlink.db", small_disk / "filler"
    state = State.open(path, None)
    state.images.add(ALPINE)
    state.containers.add(container("1", "before"))
    with filler.open("wb", buffering=0) as file, pytest.raises(OSError, match="No space left"):
        while True:
            file.write(bytes(4096))
    with pytest.raises(StorageFailed) as caught:
        for number in range(100):  # what the log had room for may still fit
            state.containers.add(container(f"2{number:02}", f"big{number}"))
    assert str(caught.value) == f"{path}: no space is left on its disk; make room there"
    there = {row.name for row in state.containers.all()}
    assert f"big{number}" not in there
    assert there == {"before", *(f"big{each}" for each in range(number))}
    filler.unlink()
    state.containers.add(container("3", "after"))
    state.close()
    state = State.open(path, None)
    assert {row.name for row in state.containers.all()} == there | {"after"}
    state.close()


def test_memory_is_shared_by_threads_and_by_nobody_else() -> None:
    state, other = State.open(None, None), State.open(None, None)
    state.images.add(ALPINE)
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(lambda _: state.images.all(), range(4))) == [[ALPINE]] * 4
    assert other.images.all() == []
    state.close()
    other.close()
