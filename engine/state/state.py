"""The state as one object: its tables, in a file or in memory, and the locks."""

import time
from collections.abc import Callable
from pathlib import Path

from podlink.engine.state.locks import Locks
from podlink.engine.state.tables import ContainerTable, EventTable, ImageTable, NetworkTable, Store


class State:
    """What the engine remembers. Safe to use from any thread; several processes may have the same files open."""

    def __init__(
        self,
        database: Store,
        locks: Locks,
        *,
        containers: ContainerTable,
        images: ImageTable,
        networks: NetworkTable,
        events: EventTable,
    ) -> None:
        self.database = database
        self.locks = locks
        self.containers = containers
        self.images = images
        self.networks = networks
        self.events = events

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
        return cls._in_file(path, holders, now, before_new) if path else cls._in_memory(holders, now)

    @classmethod
    def _in_memory(cls, locks: Locks, now: Callable[[], int]) -> "State":
        from podlink.engine.state.memory import containers, events, images, networks, store

        memory = store.Memory()
        return cls(
            memory,
            locks,
            containers=containers.Containers(memory, now),
            images=images.Images(memory, now),
            networks=networks.Networks(memory),
            events=events.Events(memory),
        )

    @classmethod
    def _in_file(cls, path: Path, locks: Locks, now: Callable[[], int], before_new: Callable[[], None]) -> "State":
        from podlink.engine.state import containers, events, images, migrations, networks  # SQLAlchemy: slow to import

        database = migrations.open_database(path, before_new=before_new)
        return cls(
            database,
            locks,
            containers=containers.Containers(database, now),
            images=images.Images(database, now),
            networks=networks.Networks(database),
            events=events.Events(database),
        )

    def require_room(self) -> None:
        """For a verb that is to be refused before it begins. Raises StorageFull where what is new finds no room on the disk."""
        self.database.require_room()

    def close(self) -> None:
        """Let go of the files."""
        self.database.close()
