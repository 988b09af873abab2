"""The table of containers: what each was created with, and how its last run stands.

    add ──▶ configured ── mark_running ──▶ running ── mark_exited ──▶ exited ──▶ remove
                                            ▲  │ mark_status             │
                                            │  ▼                         │ mark_running
                                           paused                     (running)

Which moves are legal is for `containers/lifecycle.py`; this table only refuses what could never be true: the news of an older run
over a newer one. Every change writes its event in the same transaction.
"""

import json
import re
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from functools import lru_cache
from typing import Any

from sqlalchemy import Connection, Select, and_, bindparam, case, delete, insert, or_, select, update
from sqlalchemy.exc import IntegrityError

from podlink.engine.errors import AmbiguousName, ContainerNotFound, ImageNotFound, InvalidState, NameInUse
from podlink.engine.oci.spec.values import ContainerConfig
from podlink.engine.state.db import Database, spelled
from podlink.engine.state.documents import revive
from podlink.engine.state.events import Event, append
from podlink.engine.state.schema import containers, storable


class Status(StrEnum):
    """created: in the OCI runtime and not started; configured: only here."""

    CONFIGURED = "configured"
    CREATED = "created"
    RUNNING = "running"
    PAUSED = "paused"
    EXITED = "exited"


@dataclass(frozen=True, slots=True, kw_only=True)
class Container:
    """One container. Times are nanoseconds since the epoch, 0 for never; sizes are bytes.

    image: the image's ID; image_name: what the client called it. layers: chain IDs, base first; root_size: theirs together.
    start: the number of the last start, 0 before the first. pid, pid_start, boot: that run's init while it lives, else 0 and "";
    pid_start is field 22 of /proc/PID/stat and boot the boot ID, since a number alone may be another process by now.

    unreadable: why config is not what was written; it is then all defaults, and the container good for being shown, stopped and
    removed. Not a column.
    """

    id: str
    name: str
    image: str
    image_name: str
    layers: tuple[str, ...]
    created_at: int
    config: ContainerConfig
    root_size: int = 0
    status: Status = Status.CONFIGURED
    start: int = 0
    pid: int = 0
    pid_start: int = 0
    boot: str = ""
    started_at: int = 0
    finished_at: int = 0
    exit_code: int = 0
    oom_killed: bool = False
    error: str = ""
    rw_size: int = 0
    unreadable: str = ""


ACTIONS = {Status.CREATED: "init", Status.RUNNING: "unpause", Status.PAUSED: "pause"}
"""What `mark_status` is called in the events."""
PREFIX = re.compile(r"[0-9a-f]{1,64}")
AFTER_HEX = "g"
"""Sorts after every hex digit: the IDs that start with PREFIX lie between PREFIX and PREFIX + "g". No LIKE, no wildcards."""
COLUMNS = tuple(column.name for column in containers.columns)
SHOWN = 5
"""How many matches an ambiguous name lists."""

_c = containers.c
BY_ID = select(containers).where(_c.id == bindparam("which"))
BY_NAME = select(containers).where(_c.name == bindparam("which"))
FITTING = (
    select(containers)
    .where(or_(_c.name == bindparam("which"), and_(_c.id >= bindparam("which"), _c.id < bindparam("end"))))
    .order_by(case((_c.id == bindparam("which"), 0), (_c.name == bindparam("which"), 1), else_=2), _c.name)
)
ALL = select(containers).order_by(_c.created_at, _c.id)
OF_IMAGE = ALL.where(_c.image == bindparam("which"))
HOLDER = select(_c.id).where(_c.name == bindparam("which"))
ADD = insert(containers)
CHANGE = update(containers).where(_c.id == bindparam("which")).returning(_c.name, _c.image_name)
TO_RUNNING = CHANGE.where(
    or_(_c.start < bindparam("number"), and_(_c.start == bindparam("number"), _c.status == Status.CREATED.value))
)
TO_CREATED = CHANGE.where(_c.start < bindparam("number"))
TO_EXITED = CHANGE.where(_c.start <= bindparam("number"))
REMOVE = delete(containers).where(_c.id == bindparam("which")).returning(_c.name, _c.image_name)


SPELLED = {each: spelled(each) for each in (BY_ID, BY_NAME, FITTING, ALL, OF_IMAGE)}
"""What is asked most often, in SQLite's own words."""


class Containers:
    """The containers that exist. Reads take no lock; changes are durable when they return."""

    def __init__(self, database: Database, now: Callable[[], int] = time.time_ns) -> None:
        self._database = database
        self._now = now

    def add(self, container: Container) -> None:
        """Make it exist. Raises NameInUse naming the holder, ImageNotFound when the image went away meanwhile."""
        with self._database.writing() as connection:
            try:
                connection.execute(ADD, _row(container))
            except IntegrityError as error:
                raise _refusal(connection, container, error) from error
            _tell(connection, container.created_at, "create", container.id, container.name, container.image_name)

    def get(self, id: str) -> Container:
        """The container with this full ID."""
        if not (found := self._select(BY_ID, which=id)):
            raise ContainerNotFound(id)
        return found[0]

    def find(self, name: str) -> Container:
        """By full ID, full name, or an ID prefix that fits one alone, in this order: an ID always means its container.

        Raises ContainerNotFound, or AmbiguousName with the matches.
        """
        if PREFIX.fullmatch(name):
            found = self._select(FITTING, which=name, end=name + AFTER_HEX)
        else:
            found = self._select(BY_NAME, which=name)
        if not found:
            raise ContainerNotFound(name)
        if len(found) > 1 and name not in (found[0].id, found[0].name):
            raise AmbiguousName(_ambiguous(name, found))
        return found[0]

    def all(self) -> list[Container]:
        """Every container, oldest first."""
        return self._select(ALL)

    def of_image(self, image: str) -> list[Container]:
        """The containers of the image with this ID, oldest first."""
        return self._select(OF_IMAGE, which=image)

    def mark_running(self, id: str, *, start: int, pid: int, pid_start: int, boot: str, at: int) -> None:
        """Start number `start` runs. Raises InvalidState when that run, or a later one, is in the books already."""
        change = {"status": Status.RUNNING, "start": start, "pid": pid, "pid_start": pid_start, "boot": boot, "started_at": at}
        blank = {"finished_at": 0, "exit_code": 0, "oom_killed": False, "error": ""}
        with self._database.writing() as connection:
            row = connection.execute(TO_RUNNING, {"which": id, "number": start} | change | blank).one_or_none()
            name, image = row or _stale(connection, id, start)
            _tell(connection, at, "start", id, name, image)

    def mark_created(self, id: str, *, start: int, pid: int, pid_start: int, boot: str) -> None:
        """Start number `start` has an init that waits. Raises InvalidState when that run, or a later one, is in the books."""
        change = {"status": Status.CREATED, "start": start, "pid": pid, "pid_start": pid_start, "boot": boot, "started_at": 0}
        blank = {"finished_at": 0, "exit_code": 0, "oom_killed": False, "error": ""}
        with self._database.writing() as connection:
            row = connection.execute(TO_CREATED, {"which": id, "number": start} | change | blank).one_or_none()
            name, image = row or _stale(connection, id, start)
            _tell(connection, self._now(), ACTIONS[Status.CREATED], id, name, image)

    def mark_status(self, id: str, status: Status) -> None:
        """It is `paused`, or `running` again."""
        action = ACTIONS[status]
        with self._database.writing() as connection:
            row = connection.execute(CHANGE, {"which": id, "status": status}).one_or_none()
            if row is None:
                raise ContainerNotFound(id)
            _tell(connection, self._now(), action, id, *row)

    def mark_exited(self, id: str, *, start: int, code: int, at: int, oom_killed: bool, error: str, rw_size: int) -> None:
        """Start number `start` has ended. Raises InvalidState when a later one is in the books."""
        change = {"status": Status.EXITED, "start": start, "pid": 0, "pid_start": 0, "boot": "", "finished_at": at}
        outcome = {"exit_code": code, "oom_killed": oom_killed, "error": error, "rw_size": rw_size}
        with self._database.writing() as connection:
            row = connection.execute(TO_EXITED, {"which": id, "number": start} | change | outcome).one_or_none()
            name, image = row or _stale(connection, id, start)
            _tell(connection, at, "die", id, name, image, exit_code=str(code), **({"oom_killed": "true"} if oom_killed else {}))

    def remove(self, id: str) -> None:
        """Make it not exist. Raises ContainerNotFound."""
        with self._database.writing() as connection:
            row = connection.execute(REMOVE, {"which": id}).one_or_none()
            if row is None:
                raise ContainerNotFound(id)
            _tell(connection, self._now(), "remove", id, *row)

    def _select(self, statement: Select[Any], **values: str) -> list[Container]:
        text, fixed = SPELLED[statement]
        with self._database.reading() as connection:
            rows = connection.exec_driver_sql(text, fixed | {name: storable(value) for name, value in values.items()}).all()
        return [_container(row) for row in rows]


def _tell(connection: Connection, at: int, action: str, id: str, name: str, image: str, **more: str) -> None:
    """The event of a change, in the change's own transaction."""
    append(connection, Event(at=at, type="container", action=action, id=id, name=name, attributes={"image": image, **more}))


def _refusal(connection: Connection, container: Container, error: IntegrityError) -> Exception:
    """Which constraint said no, in words: the name's, or the image's. No other can be broken by a request."""
    if holder := connection.execute(HOLDER, {"which": container.name}).scalar_one_or_none():
        return NameInUse(f"the name {container.name} is in use by container {holder}; remove that one or choose another name")
    if "FOREIGN KEY" in str(error.orig):
        return ImageNotFound(container.image_name)
    return error


def _stale(connection: Connection, id: str, start: int) -> tuple[str, str]:
    """Raise for the change that found no row to change: there is none, or it is further than the news."""
    row = connection.execute(BY_ID, {"which": id}).one_or_none()
    if row is None:
        raise ContainerNotFound(id)
    found = f"it is {row.status} after start {row.start}"
    raise InvalidState(f"news of start {start} come too late for container {row.name} ({id[:12]}): {found}")


def _ambiguous(name: str, found: Sequence[Container]) -> str:
    matches = ", ".join(f"{container.name} ({container.id[:12]})" for container in found[:SHOWN])
    more = f" and {len(found) - SHOWN} more" if len(found) > SHOWN else ""
    return f"{name} fits {len(found)} containers: {matches}{more}; give more digits, or the name"


def _row(container: Container) -> dict[str, Any]:
    row = {name: getattr(container, name) for name in COLUMNS}
    return row | {"layers": json.dumps(container.layers), "config": json.dumps(asdict(container.config), separators=(",", ":"))}


def _container(row: Any) -> Container:
    values = dict(zip(COLUMNS, row, strict=True))  # faster than the row's own mapping: a listing is mostly this
    values["status"] = Status(row.status)
    values["oom_killed"] = bool(row.oom_killed)
    values["layers"] = _layers(row.layers)
    values["config"], values["unreadable"] = _config(row.config)
    return Container(**values)


# The two documents never change once written, so each is decoded once. Keyed by the text itself, an entry can't be stale.


@lru_cache(maxsize=1024)
def _layers(text: str) -> tuple[str, ...]:
    return tuple(json.loads(text))


@lru_cache(maxsize=1024)
def _config(text: str) -> tuple[ContainerConfig, str]:
    """The settings back from JSON, or why there are none. A field that we don't know may matter: no guessing. One container's
    trouble is not the others', so it is told with the container and raised nowhere.
    """
    try:
        config = revive(ContainerConfig, json.loads(text))
        if not isinstance(config.args, tuple) or not all(isinstance(word, str) for word in config.args):
            raise TypeError(f"args is {config.args!r}")
    except (TypeError, KeyError, ValueError, AttributeError, RecursionError) as error:
        return ContainerConfig(args=()), f"its settings can't be read: {error}; did a newer podlink create it?"
    return config, ""
