"""One SQLite database, shared by threads and processes.

    with database.reading() as connection:     BEGIN             a snapshot; never waits for a writer (WAL)
    with database.writing() as connection:     BEGIN IMMEDIATE   alone from its first statement; COMMIT has been fsynced

`IMMEDIATE` matters: a transaction that starts by reading and writes later can find that another one wrote in between, and
then SQLite can only fail it. Python's sqlite3 would begin transactions by itself, and too late; it is told not to
(`isolation_level=None`), and SQLAlchemy's own idea of a transaction then is only the COMMIT or ROLLBACK at its end.

    threads of this process ──▶ one thread lock ──┐
                                                  ├──▶ SQLite's write lock (POSIX locks on the file)
    other processes ──────────────────────────────┘      polled by SQLite, for `patience` seconds at most

Threads queue on a lock of ours first, because SQLite's waiting is sleeping and trying again. In memory there is one
connection for all threads, and readers take the lock as well: then nobody writes, and they need no transaction.
https://sqlite.org/wal.html, https://sqlite.org/isolation.html
"""

import os
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import ClauseElement, Connection, Engine, create_engine
from sqlalchemy.dialects import sqlite
from sqlalchemy.exc import DatabaseError, IntegrityError
from sqlalchemy.pool import QueuePool, StaticPool

from podlink.engine.errors import EngineError, EngineUnavailable, StorageFailed

PATIENCE = 10.0
"""Seconds to wait for a writer in another process."""

_creating = threading.Lock()


class Database:
    """Transactions on one SQLite file, or on one in memory. Safe to use from any thread; not across a fork."""

    def __init__(self, path: Path | None, patience: float = PATIENCE) -> None:
        self.place = str(path) if path else "the state in memory"
        self._path = path
        self._patience = patience
        self._closed = False
        self._turn = threading.Lock()
        self._only: Connection | None = None
        if path:
            create_file(path)
        self._engine = self._make_engine()

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """A snapshot. Raises StorageFailed, or EngineUnavailable for a broken file."""
        if self._path is None:
            with self._my_turn(), self._alone() as connection:
                yield connection
            return
        with self._transaction("BEGIN") as connection:
            yield connection

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """A change: on disk when the block ends, undone when it raises. Not to be nested.

        Raises StorageFailed when another process writes for too long or the disk is full, EngineUnavailable for a broken file.
        """
        with self._my_turn(), self._transaction("BEGIN IMMEDIATE") if self._path else self._alone() as connection:
            if self._path is None:
                connection.exec_driver_sql("BEGIN IMMEDIATE")
            yield connection
            self._commit(connection)

    def close(self) -> None:
        """Close the connections; what is asked afterwards is EngineUnavailable."""
        self._closed = True
        if self._only is not None:
            self._only.close()
            self._only = None
        self._engine.dispose()

    def use_wal(self) -> None:
        """Switch the file to write-ahead logging, for good. SQLite does not wait here when others open it too, so we do."""
        deadline = time.monotonic() + self._patience
        while True:
            try:
                with self._engine.connect() as connection:
                    mode = connection.exec_driver_sql("PRAGMA journal_mode = WAL").scalar_one()
                break
            except DatabaseError as error:
                if _code(error) != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                    raise self._told(error) from error
                time.sleep(0.005)
        if self._path and mode != "wal":
            raise EngineUnavailable(f"{self.place}: its file system can't hold a write-ahead log (SQLite stays in mode {mode!r})")

    def _make_engine(self) -> Engine:
        if self._path is None:
            return create_engine("sqlite://", creator=self._connect, poolclass=StaticPool)
        # No limit above the pool's size: a thread that waits for a connection while it holds a lock would be a deadlock.
        return create_engine("sqlite://", creator=self._connect, poolclass=QueuePool, pool_size=8, max_overflow=-1)

    def _connect(self) -> sqlite3.Connection:
        if self._closed:
            raise EngineUnavailable(f"{self.place}: closed; open the engine again")
        target = self._path or ":memory:"
        # The pool hands a connection to any thread, to one at a time; sqlite3's check for its maker would be in the way.
        connection = sqlite3.connect(target, timeout=self._patience, isolation_level=None, check_same_thread=False)
        try:
            for pragma in ("foreign_keys = ON", "synchronous = FULL"):
                connection.execute(f"PRAGMA {pragma}")
        except BaseException:
            connection.close()
            raise
        return connection

    @contextmanager
    def _my_turn(self) -> Iterator[None]:
        if not self._turn.acquire(timeout=self._patience):
            raise StorageFailed(f"{self.place}: another thread writes for over {self._patience:g} s now; nothing was changed")
        try:
            yield
        finally:
            self._turn.release()

    @contextmanager
    def _transaction(self, begin: str) -> Iterator[Connection]:
        """A connection in a transaction; whatever was not committed is rolled back when it returns to the pool."""
        try:
            with self._engine.connect() as connection:
                connection.exec_driver_sql(begin)
                yield connection
        except IntegrityError:
            raise  # a constraint's answer, which those who asked can tell in their own words
        except DatabaseError as error:
            raise self._told(error) from error

    @contextmanager
    def _alone(self) -> Iterator[Connection]:
        """The one connection of a database in memory, which stays out of the pool: whoever has the turn has it to himself, so
        that a reader's snapshot needs no transaction. What was begun and not committed is rolled back.
        """
        try:
            if self._only is None:
                self._only = self._engine.connect()
            try:
                yield self._only
            except BaseException:
                self._only.rollback()
                raise
        except IntegrityError:
            raise
        except DatabaseError as error:
            raise self._told(error) from error

    def _commit(self, connection: Connection) -> None:
        """COMMIT. Where the log could not be synced we can't know what is on the disk, and say so."""
        try:
            connection.commit()
        except DatabaseError as error:
            if _code(error) == sqlite3.SQLITE_IOERR_FSYNC:
                raise StorageFailed(f"{self.place}: the disk failed to sync; whether the change is there is not known") from error
            raise

    def _told(self, error: DatabaseError) -> EngineError:
        """SQLite's trouble in our words. Whatever fails before a COMMIT succeeds changes nothing."""
        found = f"{self.place}: {error.orig} ({getattr(error.orig, 'sqlite_errorname', 'unknown error')})"
        match _code(error) & 0xFF:  # the low byte is the primary result code, https://sqlite.org/rescode.html
            case sqlite3.SQLITE_BUSY | sqlite3.SQLITE_LOCKED:
                return StorageFailed(
                    f"{self.place}: another process writes for over {self._patience:g} s now; nothing was changed"
                )
            case sqlite3.SQLITE_FULL:
                return StorageFailed(f"{self.place}: no space is left on its disk; nothing was changed")
            case sqlite3.SQLITE_NOTADB:
                return EngineUnavailable(f"{self.place}: not an SQLite database; move it away or choose another root")
            case sqlite3.SQLITE_CORRUPT:
                return EngineUnavailable(f"{found}; restore it, or rescue it with the .recover command of sqlite3")
            case sqlite3.SQLITE_CANTOPEN | sqlite3.SQLITE_READONLY | sqlite3.SQLITE_PERM:
                return EngineUnavailable(f"{found}; its folder must be there and writable")
        return StorageFailed(f"{found}; nothing was changed")


def spelled(statement: ClauseElement) -> tuple[str, dict[str, Any]]:
    """The statement in SQLite's own words, and the parameters that have their value already; the others are called as in
    `bindparam`. For `Connection.exec_driver_sql`, which does not go through SQLAlchemy's compiler at each execution, nor through
    the types of the columns: rows hold what SQLite holds.
    """
    compiled = statement.compile(dialect=sqlite.dialect(paramstyle="named"))
    return str(compiled), {name: value for name, value in compiled.params.items() if value is not None}


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


def _code(error: DatabaseError) -> int:
    return int(getattr(error.orig, "sqlite_errorcode", 0))
