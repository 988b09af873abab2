"""One SQLite database, shared by threads and processes.

    with database.reading() as connection:     BEGIN             a snapshot; never waits for a writer (WAL)
    with database.writing() as connection:     BEGIN IMMEDIATE   alone from its first statement; COMMIT has been fsynced
    with database.growing() as connection:     the same, for what is new: refused while the disk is full
    @concluding                                for a table's method that writes down what ended or goes: on a full disk, too

`IMMEDIATE` matters: a transaction that starts by reading and writes later can find that another one wrote in between, and
then SQLite can only fail it. Python's sqlite3 would begin transactions by itself, and too late; it is told not to
(`isolation_level=None`). A connection is sqlite3's own, out of a pool of SQLAlchemy's.

    threads of this process ──▶ one thread lock ──┐
                                                  ├──▶ SQLite's write lock (POSIX locks on the file)
    other processes ──────────────────────────────┘      polled by SQLite, for `patience` seconds at most

Threads queue on a lock of ours first, because SQLite's waiting is sleeping and trying again.

On a full disk there is a reserve (`reserve.py`) for what concludes. A transaction needs room at the end of the log, unless that
begins anew, which takes a checkpoint; and this needs room for the pages by which the file grows. So the log is checkpointed
often, which bounds both, and owns from the beginning what it takes up to then: that nobody else can have meanwhile.
https://sqlite.org/wal.html, https://sqlite.org/isolation.html
"""

import os
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from functools import partial, wraps
from pathlib import Path
from typing import Any, Concatenate, ParamSpec, Protocol, TypeVar, cast

from sqlalchemy.pool import QueuePool

from podlink.engine.errors import EngineError, EngineUnavailable, StorageFailed, StorageFull
from podlink.engine.linux import portable
from podlink.engine.state.owner import require_owner
from podlink.engine.state.reserve import PIECE, Reserve

PATIENCE = 10.0
"""Seconds to wait for a writer in another process."""
CHECKPOINT = 128
"""Pages of 4 KiB: how long the log gets, and how much the file then grows at most."""
PAGE, INDEX = 4096, 2**15
"""Bytes of a page in memory, and of the log's index for its first 4062 pages (walformat.html)."""
LOG = 10 * PIECE
"""Bytes of the log up to a checkpoint, and a transaction more."""
ATTEMPTS = 5
"""How often the reserve is given up for one transaction. Somebody else may be faster to take it."""

_creating = threading.Lock()


class Database:
    """Transactions on one SQLite file. Safe to use from any thread; not across a fork."""

    def __init__(self, path: Path, patience: float = PATIENCE) -> None:
        self.place = str(path)
        self._path = path
        self._patience = patience
        self._closed = False
        self._process = os.getpid()
        self._turn = threading.Lock()
        # No limit above the pool's size: a thread that waits for a connection while it holds a lock would be a deadlock.
        self._pool = QueuePool(cast(Any, self._connect), pool_size=8, max_overflow=-1)
        create_file(path)
        self.is_full = False
        """Whether its disk is to be taken for full."""
        self._owns_log = False
        self._reserve = Reserve(path.parent / "reserve")

    def reading(self) -> AbstractContextManager[sqlite3.Connection]:
        """A snapshot. Raises StorageFailed, or EngineUnavailable for a broken file."""
        require_owner(self._process)
        return self._pooled("BEGIN")

    def writing(self) -> AbstractContextManager[sqlite3.Connection]:
        """A change: on disk when the block ends, undone when it raises. Not to be nested.

        Raises StorageFailed when another process writes for too long or the disk is full, EngineUnavailable for a broken file.
        """
        require_owner(self._process)
        return self._in_turn()

    @contextmanager
    def growing(self) -> Iterator[sqlite3.Connection]:
        """A change by which there is more than before. Raises StorageFull while the disk is full, and as `writing` does."""
        self.require_room()
        with self.writing() as connection:
            yield connection

    def require_room(self) -> None:
        """Raises StorageFull where there is none for something new."""
        if self.is_full or not self._reserve.has_more():
            raise self._full()

    def conclude(self, change: Callable[[], "Answer"]) -> "Answer":
        """Make a change that ends or removes something. Where there is no room for it, it gets what is kept for it."""
        try:
            answer = change()
        except StorageFull:
            return self._conclude_from_reserve(change)
        self._reserve.fill()
        return answer

    def _conclude_from_reserve(self, change: Callable[[], "Answer"]) -> "Answer":
        try:
            for _ in range(ATTEMPTS):
                self._reserve.give_up()
                self._allocate_log()
                self._checkpoint()
                with suppress(StorageFull):
                    return change()
            return change()
        finally:
            self._reserve.fill()

    def own_log(self) -> None:
        """Have the log own the room that it needs, what is kept for it where there is no other; `close` gives that back."""
        self._owns_log = True
        if not self._allocate_log():
            self._reserve.give_up()
            self._allocate_log()
        if os.statvfs(self._path).f_frsize < PAGE:
            _allocate_index(self._path)
        self._reserve.fill()

    def _allocate_log(self) -> bool:
        """Whether the log has it now. What is behind the last frame means nothing to SQLite (fileformat2.html, "WAL reset")."""
        path = Path(f"{self._path}-wal")
        try:
            if path.stat().st_size < LOG:
                with self.writing(), path.open("r+b", buffering=0) as log:  # SQLite has no POSIX locks on this one to be dropped
                    portable.allocate(log.fileno(), LOG)
        except (OSError, StorageFailed):
            return False
        return True

    def _checkpoint(self) -> None:
        """Have the log begin anew, if nobody reads in it: then it needs no more room than it has."""
        with suppress(sqlite3.DatabaseError, StorageFull), self._connected() as connection:
            connection.execute("PRAGMA wal_checkpoint(PASSIVE)")

    def close(self) -> None:
        """Close the connections; what is asked afterwards is EngineUnavailable."""
        self._closed = True
        self._pool.dispose()
        if self._owns_log:
            self._reserve.fill()
        self._reserve.close()

    def use_wal(self) -> None:
        """Switch the file to write-ahead logging, for good. SQLite does not wait here when others open it too, so we do."""
        deadline = time.monotonic() + self._patience
        while True:
            try:
                with self._connected() as connection:
                    (mode,) = connection.execute("PRAGMA journal_mode = WAL").fetchone()
                break
            except sqlite3.DatabaseError as error:
                if _code(error) != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                    raise self._told(error) from error
                time.sleep(0.005)
        if mode != "wal":
            raise EngineUnavailable(f"{self.place}: its file system can't hold a write-ahead log (SQLite stays in mode {mode!r})")

    def _connect(self) -> sqlite3.Connection:
        if self._closed:
            raise EngineUnavailable(f"{self.place}: closed; open the engine again")
        # The pool hands a connection to any thread, to one at a time; sqlite3's check for its maker would be in the way.
        connection = sqlite3.connect(self._path, timeout=self._patience, isolation_level=None, check_same_thread=False)
        try:
            for pragma in (
                "foreign_keys = ON",
                "synchronous = FULL",
                f"wal_autocheckpoint = {CHECKPOINT}",
                f"journal_size_limit = {2 * CHECKPOINT * 4096}",
            ):
                connection.execute(f"PRAGMA {pragma}")
        except BaseException:
            connection.close()
            raise
        return connection

    @contextmanager
    def _connected(self) -> Iterator[sqlite3.Connection]:
        """One of the pool. Whatever was not committed is rolled back when it returns there.

        Raises StorageFull where not even what is kept has room for the index of the log, which readers write to as well.
        """
        while not self._reserve.has_pages():
            if not self._reserve.give_piece():
                raise self._full()
        borrowed = self._pool.connect()
        try:
            yield cast(sqlite3.Connection, borrowed.driver_connection)
        finally:
            borrowed.close()

    @contextmanager
    def _pooled(self, begin: str) -> Iterator[sqlite3.Connection]:
        """A connection in a transaction."""
        try:
            with self._connected() as connection:
                connection.execute(begin)
                yield connection
        except sqlite3.IntegrityError:  # a constraint's answer, which those who asked can tell in their own words
            raise
        except sqlite3.DatabaseError as error:
            raise self._told(error) from error

    @contextmanager
    def _in_turn(self) -> Iterator[sqlite3.Connection]:
        """The same, and nobody else of this process writes."""
        self._wait_for_turn()
        try:
            with self._pooled("BEGIN IMMEDIATE") as connection:
                yield connection
                self._commit(connection)
        finally:
            self._turn.release()

    def _wait_for_turn(self) -> None:
        if not self._turn.acquire(timeout=self._patience):
            raise StorageFailed(f"{self.place}: another thread writes for over {self._patience:g} s now; nothing was changed")

    def _commit(self, connection: sqlite3.Connection) -> None:
        """COMMIT. Where the log could not be synced we can't know what is on the disk, and say so."""
        try:
            connection.commit()
        except sqlite3.DatabaseError as error:
            if _code(error) == sqlite3.SQLITE_IOERR_FSYNC:
                raise StorageFailed(f"{self.place}: the disk failed to sync; whether the change is there is not known") from error
            raise

    def _told(self, error: sqlite3.DatabaseError) -> EngineError:
        """SQLite's trouble in our words. Whatever fails before a COMMIT succeeds changes nothing."""
        found = f"{self.place}: {error} ({getattr(error, 'sqlite_errorname', 'unknown error')})"
        match _code(error) & 0xFF:  # the low byte is the primary result code, https://sqlite.org/rescode.html
            case sqlite3.SQLITE_BUSY | sqlite3.SQLITE_LOCKED:
                return StorageFailed(
                    f"{self.place}: another process writes for over {self._patience:g} s now; nothing was changed"
                )
            case sqlite3.SQLITE_FULL:
                return self._full()
            case sqlite3.SQLITE_IOERR if _code(error) == sqlite3.SQLITE_IOERR_SHMSIZE:
                return self._full()
            case sqlite3.SQLITE_IOERR if self._reserve.is_refused():  # by a quota, which to SQLite is no lack of room
                return self._full()
            case sqlite3.SQLITE_CANTOPEN if _is_full(self._path) or self._reserve.is_refused():
                return self._full()
            case sqlite3.SQLITE_NOTADB:
                return EngineUnavailable(f"{self.place}: not an SQLite database; move it away or choose another root")
            case sqlite3.SQLITE_CORRUPT:
                return EngineUnavailable(f"{found}; restore it, or rescue it with the .recover command of sqlite3")
            case sqlite3.SQLITE_CANTOPEN | sqlite3.SQLITE_READONLY | sqlite3.SQLITE_PERM:
                return EngineUnavailable(f"{found}; its folder must be there and writable")
        return StorageFailed(f"{found}; nothing was changed")

    def _full(self) -> StorageFull:
        return StorageFull(f"{self.place}: no space is left on its disk; make room there")


Answer = TypeVar("Answer")
Given = ParamSpec("Given")


class Table(Protocol):
    """Whatever has a database."""

    _database: Database


SomeTable = TypeVar("SomeTable", bound=Table)


def concluding(method: Callable[Concatenate[SomeTable, Given], Answer]) -> Callable[Concatenate[SomeTable, Given], Answer]:
    """For a method of one transaction that writes down what has happened, ended or goes: it is not to fail on a full disk."""

    @wraps(method)
    def concludes(table: SomeTable, /, *args: Given.args, **kwargs: Given.kwargs) -> Answer:
        return table._database.conclude(partial(method, table, *args, **kwargs))

    return concludes


def create_file(path: Path) -> None:
    """Make an empty file that only its owner may read (environments hold secrets); one that is there stays as it is.

    Closing any descriptor of a file drops all POSIX locks that this process has on it, SQLite's too. So the file is opened only
    when it is new, and no other thread of ours gets to SQLite before it is closed again. SQLite gives its log the same mode.
    """
    with _creating:
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
            folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)
        except OSError as error:
            if isinstance(error, FileExistsError) and path.is_file():
                return
            if isinstance(error, FileExistsError) and path.exists():
                raise EngineUnavailable(f"{path}: not a file; the state is one SQLite file") from None
            raise EngineUnavailable(f"{path}: can't be created: {error.strerror}; its folder must be writable") from error


def _is_full(path: Path) -> bool:
    """Whether the disk has no room for one more file: the log and its index are two."""
    found = os.statvfs(path.parent)
    return found.f_bfree * found.f_frsize < PIECE or (found.f_files > 0 and found.f_ffree < 2)


def _allocate_index(path: Path) -> None:
    """Have the index of the log own its room. SQLite sees to that by a byte in each page, which is one of several blocks here: a
    write to another one, by way of memory, would be SIGBUS on a full disk. Another process does it: if this one closed the
    file, all of SQLite's locks on it would be gone.
    """
    script = "import os, sys; os.posix_fallocate(os.open(sys.argv[1], os.O_RDWR), 0, int(sys.argv[2]))"
    with suppress(OSError):
        subprocess.run([sys.executable, "-ISc", script, f"{path}-shm", str(INDEX)], stderr=subprocess.DEVNULL)


def _code(error: sqlite3.DatabaseError) -> int:
    return int(getattr(error, "sqlite_errorcode", 0))
