"""The table of events, in SQLite; a trigger of the schema drops the oldest.

An event is written in the transaction of the change that it tells of: both are there or neither, and it costs no sync of its own.
"""

import json
import sqlite3

from sqlalchemy import bindparam, insert, select

from podlink.engine.state.db import Database
from podlink.engine.state.documents import compact
from podlink.engine.state.schema import events
from podlink.engine.state.spelled import Row, spelled
from podlink.engine.state.values import Event

_columns = tuple(column.name for column in events.columns)
APPEND = spelled(insert(events), *(name for name in _columns if name != "number"))
NEWER = spelled(
    select(events)
    .where(events.c.number > bindparam("after"), events.c.at >= bindparam("since"))
    .order_by(events.c.number)
    .limit(bindparam("limit"))
)
OF = spelled(select(events).where(events.c.id == bindparam("which")).order_by(events.c.number.desc()))


def append(connection: sqlite3.Connection, event: Event) -> None:
    """Write an event in the transaction of what it tells of."""
    attributes = compact(dict(event.attributes))
    APPEND(connection, at=event.at, type=event.type, action=event.action, id=event.id, name=event.name, attributes=attributes)


class Events:
    def __init__(self, database: Database) -> None:
        self._database = database

    def append(self, event: Event) -> None:
        with self._database.growing() as connection:
            append(connection, event)

    def read(self, *, after: int = 0, since: int = 0, limit: int = -1) -> list[Event]:
        with self._database.reading() as connection:
            return [_event(row) for row in NEWER(connection, after=after, since=since, limit=limit)]

    def of(self, id: str) -> list[Event]:
        with self._database.reading() as connection:
            return [_event(row) for row in OF(connection, which=id)]


def _event(row: Row) -> Event:
    values = dict(zip(_columns, row, strict=True))
    return Event(**{**values, "attributes": json.loads(values["attributes"])})
