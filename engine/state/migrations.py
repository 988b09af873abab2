"""How a state file grows from nothing to today's schema: numbered steps, never edited once released.

The file's version is `PRAGMA user_version`. A step and its number land in one transaction or not at all, and the number is
read inside that transaction, because another process may be opening the same file. To change the schema, append a
step, bring `schema.py` in line, and add a dump of the new version to `tests/state/versions/`.
"""

import sqlite3
from collections.abc import Callable, Sequence
from pathlib import Path

from podlink.engine.errors import EngineUnavailable, StorageFailed
from podlink.engine.state.db import PATIENCE, Database
from podlink.engine.state.schema import APPLICATION_ID

OLDEST_SQLITE = (3, 37)
"""The first with STRICT tables; RETURNING is older."""

FIRST = (
    f"PRAGMA application_id = {APPLICATION_ID}",
    """CREATE TABLE images (
        id TEXT PRIMARY KEY,
        digest TEXT NOT NULL,
        created_at INTEGER NOT NULL,
        size INTEGER NOT NULL,
        config BLOB NOT NULL,
        manifest BLOB NOT NULL
    ) STRICT""",
    "CREATE INDEX images_by_digest ON images (digest)",
    """CREATE TABLE image_names (
        number INTEGER PRIMARY KEY,
        name TEXT NOT NULL UNIQUE,
        image TEXT NOT NULL REFERENCES images (id) ON DELETE CASCADE
    ) STRICT""",
    "CREATE INDEX image_names_by_image ON image_names (image)",
    """CREATE TABLE layers (
        chain TEXT PRIMARY KEY,
        diff_id TEXT NOT NULL,
        blob TEXT NOT NULL,
        media_type TEXT NOT NULL,
        size INTEGER NOT NULL,
        blob_size INTEGER NOT NULL,
        parent TEXT REFERENCES layers (chain)
    ) STRICT""",
    "CREATE INDEX layers_by_parent ON layers (parent)",
    """CREATE TABLE image_layers (
        image TEXT NOT NULL REFERENCES images (id) ON DELETE CASCADE,
        position INTEGER NOT NULL,
        layer TEXT NOT NULL REFERENCES layers (chain),
        PRIMARY KEY (image, position)
    ) STRICT""",
    "CREATE INDEX image_layers_by_layer ON image_layers (layer)",
    """CREATE TABLE containers (
        id TEXT PRIMARY KEY,
        name TEXT NOT NULL UNIQUE,
        image TEXT NOT NULL REFERENCES images (id),
        image_name TEXT NOT NULL,
        layers TEXT NOT NULL,
        config TEXT NOT NULL,
        created_at INTEGER NOT NULL,
        root_size INTEGER NOT NULL,
        status TEXT NOT NULL CHECK (status IN ('configured', 'created', 'running', 'paused', 'exited')),
        start INTEGER NOT NULL,
        pid INTEGER NOT NULL,
        pid_start INTEGER NOT NULL,
        boot TEXT NOT NULL,
        started_at INTEGER NOT NULL,
        finished_at INTEGER NOT NULL,
        exit_code INTEGER NOT NULL,
        oom_killed INTEGER NOT NULL,
        error TEXT NOT NULL,
        rw_size INTEGER NOT NULL
    ) STRICT""",
    "CREATE INDEX containers_by_image ON containers (image)",
    """CREATE TABLE events (
        number INTEGER PRIMARY KEY AUTOINCREMENT,
        at INTEGER NOT NULL,
        type TEXT NOT NULL,
        action TEXT NOT NULL,
        id TEXT NOT NULL,
        name TEXT NOT NULL,
        attributes TEXT NOT NULL
    ) STRICT""",
    "CREATE INDEX events_by_id ON events (id)",
    """CREATE TRIGGER events_are_bounded AFTER INSERT ON events BEGIN
        DELETE FROM events WHERE number <= NEW.number - 10000;
    END""",
)

DIGESTS = (
    """CREATE TABLE image_digests (
        number INTEGER PRIMARY KEY,
        name TEXT NOT NULL UNIQUE,
        image TEXT NOT NULL REFERENCES images (id) ON DELETE CASCADE
    ) STRICT""",
    "CREATE INDEX image_digests_by_image ON image_digests (image)",
)

NETWORKS = (
    """CREATE TABLE networks (
        name TEXT PRIMARY KEY,
        bridge TEXT NOT NULL UNIQUE,
        subnet TEXT NOT NULL UNIQUE,
        subnet6 TEXT NOT NULL UNIQUE,
        fixed INTEGER NOT NULL,
        created_at INTEGER NOT NULL
    ) STRICT""",
    """CREATE TABLE leases (
        container TEXT PRIMARY KEY,
        network TEXT NOT NULL REFERENCES networks (name),
        number INTEGER NOT NULL,
        ports TEXT NOT NULL,
        UNIQUE (network, number)
    ) STRICT""",
)

WHOLE_NETWORKS = (
    "ALTER TABLE networks ADD COLUMN asked TEXT NOT NULL DEFAULT ''",
    "ALTER TABLE leases ADD COLUMN ipv6 INTEGER NOT NULL DEFAULT 1",
)

LEASES_IN_TURN = (
    "ALTER TABLE networks ADD COLUMN leased INTEGER NOT NULL DEFAULT 1",
    "UPDATE networks SET leased = (SELECT ifnull(max(number), 1) FROM leases WHERE network = name)",
)

PUBLISHED = (
    """CREATE TABLE published (
        port INTEGER NOT NULL,
        protocol TEXT NOT NULL,
        container TEXT NOT NULL REFERENCES leases (container) ON DELETE CASCADE,
        PRIMARY KEY (port, protocol, container)
    ) STRICT, WITHOUT ROWID""",
    "CREATE INDEX published_by_container ON published (container)",
    """INSERT OR IGNORE INTO published
        SELECT json_extract(value, '$[1]'), json_extract(value, '$[2]'), container FROM leases, json_each(leases.ports)""",
)

STEPS: tuple[Sequence[str], ...] = (FIRST, DIGESTS, NETWORKS, WHOLE_NETWORKS, LEASES_IN_TURN, PUBLISHED)


def open_database(
    path: Path,
    patience: float = PATIENCE,
    steps: Sequence[Sequence[str]] = STEPS,
    *,
    before_new: Callable[[], None] = lambda: None,
) -> Database:
    """Open the state; create it, or bring it up to today's version, where needed.

    before_new: called before a file begins from nothing, to raise EngineUnavailable where that would be wrong.
    Raises EngineUnavailable, naming the file, when it is broken, foreign, newer than this podlink, or can't be written.
    """
    _require_sqlite()
    _begin(before_new, lambda: not path.exists())
    database = Database(path, patience)
    try:
        database.conclude(lambda: _bring_up(database, steps, before_new))
        database.own_log()
    except BaseException as failure:
        database.close()
        if isinstance(failure, StorageFailed):
            raise EngineUnavailable(failure.reason) from failure
        raise
    return database


def _bring_up(database: Database, steps: Sequence[Sequence[str]], before_new: Callable[[], None]) -> None:
    """Open the file, for which the log and its index need room, and have it as it is today."""
    version = version_of(database, len(steps))  # first of all: a file that is not ours is not to be touched
    if not version:
        _begin(before_new, lambda: version_of(database, len(steps)) == 0)
    database.use_wal()
    if version < len(steps):
        migrate(database, steps)


def _require_sqlite() -> None:
    if sqlite3.sqlite_version_info < OLDEST_SQLITE:
        raise EngineUnavailable(f"SQLite {sqlite3.sqlite_version} is too old; podlink needs {'.'.join(map(str, OLDEST_SQLITE))}")


def _begin(before_new: Callable[[], None], is_new: Callable[[], bool]) -> None:
    """Let `before_new` have its say. What it finds another process may just have made: then the state is no longer new."""
    if is_new():
        try:
            before_new()
        except EngineUnavailable:
            if is_new():
                raise


def migrate(database: Database, steps: Sequence[Sequence[str]]) -> None:
    """Take the steps that the database lacks."""
    for number, statements in enumerate(steps, start=1):
        with database.writing() as connection:
            if _number(connection, "PRAGMA user_version") < number:
                for statement in (*statements, f"PRAGMA user_version = {number}"):
                    connection.execute(statement)


def version_of(database: Database, known: int) -> int:
    """The version of the file, 0 for an empty one. Raises EngineUnavailable for a foreign one, or one newer than `known`."""
    with database.reading() as connection:
        things = _number(connection, "SELECT count(*) FROM sqlite_master")
        application = _number(connection, "PRAGMA application_id")
        version = _number(connection, "PRAGMA user_version")
    if application != APPLICATION_ID and (things or application or version):
        raise EngineUnavailable(
            f"{database.place}: an SQLite database of another program"
            f" (application ID {application:#x}, {things} things in its schema); move it away or choose another root"
        )
    if version > known:
        raise EngineUnavailable(
            f"{database.place}: written by a newer podlink (its version is {version}, this podlink knows up to {known})"
            "; upgrade podlink or choose another root"
        )
    return version


def _number(connection: sqlite3.Connection, question: str) -> int:
    """The answer to a question that has one row of one column."""
    return int(connection.execute(question).fetchone()[0])
