"""What happened to containers and images, newest 10,000 kept (a trigger of the schema drops the oldest).

An event is written in the transaction of the change that it tells of: both are there or neither, and it costs no sync of its own.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, bindparam, insert, select

from podlink.engine.state.db import Database
from podlink.engine.state.schema import events


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One thing that happened. number: grows with each event and is never used twice. at: nanoseconds since the epoch.

    type and action:
        container   create, init, start, pause, unpause, die, remove
        image       import, pull, commit, load, tag, untag, remove
    """

    number: int = 0
    at: int
    type: str
    action: str
    id: str
    name: str
    attributes: Mapping[str, str] = field(default_factory=dict)


APPEND = insert(events)
NEWER = (
    select(events)
    .where(events.c.number > bindparam("after"), events.c.at >= bindparam("since"))
    .order_by(events.c.number)
    .limit(bindparam("limit"))
)
OF = select(events).where(events.c.id == bindparam("which")).order_by(events.c.number.desc())


def append(connection: Connection, event: Event) -> None:
    """Write an event in the transaction of what it tells of."""
    row = {"at": event.at, "type": event.type, "action": event.action, "id": event.id, "name": event.name}
    connection.execute(APPEND, row | {"attributes": json.dumps(dict(event.attributes), separators=(",", ":"))})


class Events:
    """The table of events."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def append(self, event: Event) -> None:
        """Write an event that goes with no change of the state. The database gives it its number."""
        with self._database.writing() as connection:
            append(connection, event)

    def read(self, *, after: int = 0, since: int = 0, limit: int = -1) -> list[Event]:
        """The events with a number above `after`, not before the time `since`, oldest first; `limit` of them, -1 for all."""
        with self._database.reading() as connection:
            return [_event(row) for row in connection.execute(NEWER, {"after": after, "since": since, "limit": limit}).all()]

    def of(self, id: str) -> list[Event]:
        """The events of one container or image, newest first; they outlive it."""
        with self._database.reading() as connection:
            return [_event(row) for row in connection.execute(OF, {"which": id}).all()]


def _event(row: Any) -> Event:
    return Event(**{**row._mapping, "attributes": json.loads(row.attributes)})
