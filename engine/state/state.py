"""The state as one object: the tables over one database, and the locks."""

import time
from collections.abc import Callable
from pathlib import Path

from podlink.engine.state.containers import Containers
from podlink.engine.state.db import Database
from podlink.engine.state.events import Events
from podlink.engine.state.images import Images
from podlink.engine.state.locks import Locks
from podlink.engine.state.migrations import open_database, open_in_memory
from podlink.engine.state.networks import Networks


class State:
    """What the engine remembers. Safe to use from any thread; several processes may have the same files open."""

    def __init__(self, database: Database, locks: Locks, now: Callable[[], int] = time.time_ns) -> None:
        self.containers = Containers(database, now)
        self.images = Images(database, now)
        self.networks = Networks(database)
        self.events = Events(database)
        self.locks = locks
        self.database = database

    @classmethod
    def open(
        cls,
        path: Path | None,
        locks: Path | None,
        now: Callable[[], int] = time.time_ns,
        *,
        before_new: Callable[[], None] = lambda: None,
    ) -> "State":
        """Open or create the state. path: the SQLite file, None for memory; locks: a folder, None for this process alone.

        now: nanoseconds since the epoch, for events whose time nobody tells. before_new: called before a state begins from
        nothing, to raise where that would be wrong. Raises EngineUnavailable.
        """
        holders = Locks(locks)
        database = open_database(path, before_new=before_new) if path else open_in_memory()
        return cls(database, holders, now)

    def require_room(self) -> None:
        """For a verb that is to be refused before it begins. Raises StorageFull where what is new finds no room on the disk."""
        self.database.require_room()

    def close(self) -> None:
        """Let go of the files."""
        self.database.close()
