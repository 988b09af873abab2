"""Locks by name: exclusive among the threads of this process and among the processes that share a folder.

    with locks.hold(id):                  waits
    with locks.hold(id, cancel):          waits for as long as the caller stays
    with locks.try_hold(id) as mine:      does not; `mine` says whether it was free

                    threads of one process ──▶ a thread lock ──▶ flock(2) on DIRECTORY/KEY.lock ◀── other processes
                                               (first)           (second)

The thread lock comes first: a flock belongs to an open file, not to a thread, and threads queue more cheaply among themselves.
The kernel drops a flock with its process, so a crash leaves no lock behind, at most an empty file.

Removing a lock's file is the classic race: B waits for the flock on a file that A holds, A unlinks it and lets go, B now has a
lock on a file without a name, and C makes a new file and has "the lock" too. So whoever gets a flock looks again whether the
name still leads to that very file, and starts over when it does not; and `forget` unlinks as the last act of the holder.
"""

import fcntl
import os
import re
import threading
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from podlink.engine.cancel import NEVER, Cancel
from podlink.engine.errors import Cancelled, EngineUnavailable, StorageFailed
from podlink.engine.state.owner import require_owner

KEY = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:-]{0,127}")
SUFFIX = ".lock"
LOOK = 0.05
"""Seconds after which who waits and may leave looks whether he has, and whether the lock is free: nothing but a signal interrupts
flock(2), and signals are the main thread's.
"""


class _Turn:
    """The thread lock of one key, there only while somebody holds it or waits for it."""

    __slots__ = ("forgotten", "holder", "lock", "users")

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.users = 0
        self.holder = 0
        self.forgotten = False


class Locks:
    """Not reentrant: a thread that asks for what it holds gets a RuntimeError. A fork gets EngineUnavailable."""

    def __init__(self, directory: Path | None) -> None:
        self._directory = directory
        self._process = os.getpid()
        self._turns: dict[str, _Turn] = {}
        self._guard = threading.Lock()
        if directory:
            try:
                directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            except OSError as error:
                raise EngineUnavailable(f"{directory}: no folder for locks can be made: {error.strerror}") from error

    def hold(self, key: str, cancel: Cancel = NEVER) -> AbstractContextManager[object]:
        """Have the lock for as long as the block lasts; wait for it, if need be. Raises Cancelled for who leaves meanwhile."""
        return self._held(key, cancel)

    def try_hold(self, key: str) -> AbstractContextManager[bool]:
        """Have the lock if it is free now; the answer says whether."""
        return self._held(key, None)

    def forget(self, key: str) -> None:
        """The key will not be used again: remove its file. The holder's file goes when it lets go; one that others hold stays."""
        turn = self._turns.get(key)
        if turn and turn.holder == threading.get_ident():
            turn.forgotten = True
            return
        with self._held(key, None) as mine:
            if mine:
                self._turns[key].forgotten = True

    def known(self) -> list[str]:
        """The keys that have a file: they are held, were not forgotten, or a crash kept somebody from it."""
        return [path.name.removesuffix(SUFFIX) for path in self._directory.glob(f"*{SUFFIX}")] if self._directory else []

    @contextmanager
    def _held(self, key: str, cancel: Cancel | None) -> Iterator[bool]:
        """cancel: of who waits; None doesn't."""
        turn = self._enter(key)
        try:
            if not _taken(turn.lock, cancel):
                yield False
                return
            try:
                turn.holder, turn.forgotten = threading.get_ident(), False
                if self._directory is None:
                    yield True
                    return
                with self._flocked(self._directory / f"{key}{SUFFIX}", turn, cancel) as mine:
                    yield mine
            finally:
                turn.holder = 0
                turn.lock.release()
        finally:
            self._leave(key, turn)

    def _enter(self, key: str) -> _Turn:
        """Join those who want the key."""
        if not KEY.fullmatch(key):
            raise ValueError(f"{key!r} can't be the name of a lock: it must match {KEY.pattern}")
        require_owner(self._process)
        with self._guard:
            turn = self._turns.setdefault(key, _Turn())
            if turn.holder == threading.get_ident():
                raise RuntimeError(f"this thread holds the lock {key} already, and waiting for itself would be forever")
            turn.users += 1
        return turn

    def _leave(self, key: str, turn: _Turn) -> None:
        with self._guard:
            turn.users -= 1
            if not turn.users:
                del self._turns[key]

    @contextmanager
    def _flocked(self, path: Path, turn: _Turn, cancel: Cancel | None) -> Iterator[bool]:
        try:
            descriptor = _flock(path, cancel)
        except OSError as error:
            raise StorageFailed(f"{path}: can't be locked: {error.strerror}") from error
        if descriptor is None:
            yield False
            return
        try:
            yield True
        finally:
            if os.getpid() == self._process:  # a fork that unwinds must not let go of its parent's lock
                if turn.forgotten:
                    path.unlink(missing_ok=True)
                fcntl.flock(descriptor, fcntl.LOCK_UN)  # closing is not enough while a fork has a copy of the descriptor
            os.close(descriptor)


def _taken(lock: threading.Lock, cancel: Cancel | None) -> bool:
    """Whether this thread has the lock now."""
    if cancel is None or cancel is NEVER:
        return lock.acquire(blocking=cancel is not None)
    while not lock.acquire(timeout=LOOK):
        _stay(cancel)
    return True


def _flock(path: Path, cancel: Cancel | None) -> int | None:
    """A descriptor with the flock on the file that has this name; None when it is taken and we are not to wait."""
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        try:
            if not _flocked(descriptor, cancel):
                os.close(descriptor)
                return None
            if _still_named(path, descriptor):
                return descriptor
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)


def _flocked(descriptor: int, cancel: Cancel | None) -> bool:
    """Whether the flock is ours now."""
    if cancel is NEVER:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        return True
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        except BlockingIOError:
            if cancel is None:
                return False
        _stay(cancel)
        time.sleep(LOOK)


def _stay(cancel: Cancel) -> None:
    if cancel.is_set():
        raise Cancelled("the caller left while somebody else was at it")


def _still_named(path: Path, descriptor: int) -> bool:
    try:
        return os.path.samestat(path.stat(), os.fstat(descriptor))
    except FileNotFoundError:
        return False
