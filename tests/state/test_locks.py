"""Locks among threads, processes and forks."""

import os
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
import state_workers
from other_processes import Start
from patience import patience, until

from podlink.engine.cancel import Never
from podlink.engine.errors import Cancelled, EngineUnavailable, StorageFailed
from podlink.engine.state.locks import Locks


@pytest.fixture(params=["memory", "folder"])
def locks(request: pytest.FixtureRequest, tmp_path: Path) -> Locks:
    return Locks(tmp_path / "locks" if request.param == "folder" else None)


def in_thread(locks: Locks, key: str) -> bool:
    """Whether another thread would get the lock now."""
    answers: list[bool] = []

    def attempt() -> None:
        with locks.try_hold(key) as mine:
            answers.append(mine)

    thread = threading.Thread(target=attempt)
    thread.start()
    thread.join()
    return answers[0]


def test_a_held_lock_is_busy_for_other_threads_until_it_is_let_go(locks: Locks) -> None:
    with locks.hold("web"):
        assert not in_thread(locks, "web")
        assert in_thread(locks, "db")
    assert in_thread(locks, "web")


def test_a_lock_is_let_go_when_its_block_raises(locks: Locks) -> None:
    with pytest.raises(ZeroDivisionError), locks.hold("web"):
        raise ZeroDivisionError
    assert in_thread(locks, "web")


def test_threads_take_turns(locks: Locks) -> None:
    inside, most = 0, 0

    def work() -> None:
        nonlocal inside, most
        for _ in range(20):
            with locks.hold("web"):
                inside += 1
                most = max(most, inside)
                time.sleep(0.0002)
                inside -= 1

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == 1
    assert locks._turns == {}, "what nobody holds takes no memory"


@pytest.mark.parametrize("again", ["hold", "try_hold"])
def test_asking_for_what_one_holds_is_an_error_and_no_deadlock(locks: Locks, again: str) -> None:
    with locks.hold("web"):
        with pytest.raises(RuntimeError, match="holds the lock web already"), getattr(locks, again)("web"):
            pass
        assert not in_thread(locks, "web"), "the error let go of the lock"
    assert in_thread(locks, "web")


@pytest.mark.parametrize("key", ["", ".", "..", "../x", "a/b", "a\0", "x" * 129])
def test_a_key_that_could_leave_the_folder_is_refused(locks: Locks, key: str) -> None:
    with pytest.raises(ValueError, match="can't be the name of a lock"), locks.hold(key):
        pass


def test_another_process_waits_for_the_lock(tmp_path: Path, start: Start) -> None:
    locks = Locks(tmp_path)
    _, pipe = start(state_workers.hold_lock, tmp_path, "web")
    assert pipe.recv() == "held"
    assert not in_thread(locks, "web")
    pipe.send("let go")
    with locks.hold("web"):
        assert pipe.recv() == "released"


class Leaves(Never):
    """A caller who leaves once `waits` is true."""

    def __init__(self, waits: Callable[[], bool] = lambda: True) -> None:
        self._waits = waits

    def is_set(self) -> bool:
        return self._waits()


def test_who_leaves_waits_no_longer_for_another_thread(locks: Locks) -> None:
    got: list[BaseException] = []

    def wait() -> None:
        try:
            with locks.hold("web", Leaves()):
                raise AssertionError("it is somebody else's")
        except Cancelled as error:
            got.append(error)

    with locks.hold("web"):
        thread = threading.Thread(target=wait)
        thread.start()
        thread.join(patience())
        assert not thread.is_alive() and "the caller left" in str(got[0])
        assert not in_thread(locks, "web"), "who left took the lock along"
    assert in_thread(locks, "web") and locks._turns == {}


def test_who_leaves_waits_no_longer_for_another_process(tmp_path: Path, start: Start) -> None:
    locks, path = Locks(tmp_path), tmp_path / "web.lock"
    _, pipe = start(state_workers.hold_lock, tmp_path, "web")
    assert pipe.recv() == "held"
    with pytest.raises(Cancelled, match="the caller left"), locks.hold("web", Leaves(lambda: opened(path) == 1)):
        pass
    assert opened(path) == 0
    pipe.send("let go")
    with locks.hold("web"):
        assert pipe.recv() == "released"


def test_who_may_leave_and_stays_gets_the_lock(tmp_path: Path, start: Start) -> None:
    locks = Locks(tmp_path)
    _, pipe = start(state_workers.hold_lock, tmp_path, "web")
    assert pipe.recv() == "held"
    pipe.send("let go")
    with locks.hold("web", Leaves(lambda: False)):
        assert pipe.recv() == "released"
        assert not in_thread(locks, "web")


def test_the_lock_of_a_killed_process_is_free(tmp_path: Path, start: Start) -> None:
    process, pipe = start(state_workers.hold_lock, tmp_path, "web")
    assert pipe.recv() == "held"
    process.kill()
    process.join()
    assert in_thread(Locks(tmp_path), "web")


def test_a_forgotten_lock_leaves_no_file_and_stays_exclusive_to_the_end(tmp_path: Path) -> None:
    locks = Locks(tmp_path)
    with locks.hold("web"):
        locks.forget("web")
        assert (tmp_path / "web.lock").exists(), "the file goes last, or another could lock a new one"
        assert not in_thread(Locks(tmp_path), "web")
    assert list(tmp_path.iterdir()) == []
    with locks.hold("web"):
        assert not in_thread(Locks(tmp_path), "web")


def test_forgetting_what_nobody_holds_removes_the_file(tmp_path: Path) -> None:
    locks = Locks(tmp_path)
    with locks.hold("web"):
        pass
    assert (tmp_path / "web.lock").exists()
    locks.forget("web")
    locks.forget("web")
    assert list(tmp_path.iterdir()) == []


def test_forgetting_what_another_holds_leaves_its_file(tmp_path: Path) -> None:
    holder = Locks(tmp_path)
    with holder.hold("web"):
        Locks(tmp_path).forget("web")
    assert (tmp_path / "web.lock").exists()


def test_who_waited_on_a_removed_file_starts_over_with_the_new_one(tmp_path: Path) -> None:
    """Two `Locks` over one folder stand for two processes: their flocks exclude each other all the same."""
    first, second = Locks(tmp_path), Locks(tmp_path)
    path, got, done = tmp_path / "web.lock", threading.Event(), threading.Event()

    def wait_and_hold() -> None:
        with second.hold("web"):
            got.set()
            done.wait()

    waiter = threading.Thread(target=wait_and_hold)
    with first.hold("web"):
        waiter.start()
        until(lambda: opened(path) == 2)  # the waiter has the old file open, too
        first.forget("web")
    got.wait()
    assert path.exists(), "the waiter holds a file without a name"
    assert not in_thread(first, "web")
    done.set()
    waiter.join()


def opened(path: Path) -> int:
    """How many descriptors of this process lead to the file."""
    found = 0
    for entry in Path("/proc/self/fd").iterdir():
        with suppress(FileNotFoundError):
            found += entry.readlink() == path
    return found


def test_forgetting_all_the_time_never_lets_two_processes_in(tmp_path: Path, start: Start) -> None:
    (tmp_path / "number").write_text("0")
    pipes = [start(state_workers.count_under_lock, tmp_path, 200)[1] for _ in range(3)]
    assert [pipe.recv() for pipe in pipes] == ["ready"] * 3
    for pipe in pipes:
        pipe.send("go")
    assert [pipe.recv() for pipe in pipes] == ["done"] * 3
    assert (tmp_path / "number").read_text() == "600"


def in_fork(work: object) -> int:
    """The exit status of a forked child that does the work."""
    child = os.fork()
    if child == 0:
        try:
            assert callable(work)
            work()
            os._exit(0)
        except BaseException as error:
            os._exit(3 if isinstance(error, EngineUnavailable) and "in its fork" in str(error) else 4)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def test_a_fork_is_told_not_to_use_the_locks(locks: Locks) -> None:
    def work() -> None:
        with locks.hold("web"):
            pass

    assert in_fork(work) == 3


def test_a_fork_that_unwinds_does_not_let_go_of_its_parents_lock(tmp_path: Path) -> None:
    locks = Locks(tmp_path)
    held = locks.hold("web")
    held.__enter__()
    assert in_fork(lambda: held.__exit__(None, None, None)) == 0
    assert not in_thread(Locks(tmp_path), "web")
    held.__exit__(None, None, None)
    assert in_thread(Locks(tmp_path), "web")


def test_a_fork_that_lives_on_does_not_keep_the_lock(tmp_path: Path) -> None:
    locks = Locks(tmp_path)
    ours, theirs = os.pipe()
    with locks.hold("web"):
        child = os.fork()
        if child == 0:
            os.close(theirs)
            os.read(ours, 1)  # until the parent closes its end
            os._exit(0)
    assert in_thread(Locks(tmp_path), "web")
    os.close(theirs)
    os.close(ours)
    os.waitpid(child, 0)


def test_a_symbolic_link_in_place_of_a_lock_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "web.lock").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(StorageFailed, match=r"web\.lock: can't be locked"), Locks(tmp_path).hold("web"):
        pass
    assert not (tmp_path / "elsewhere").exists()


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(EngineUnavailable, match="file/locks: no folder for locks can be made"):
        Locks(tmp_path / "file" / "locks")
