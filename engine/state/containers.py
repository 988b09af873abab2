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
import sqlite3
import time
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any, NoReturn

from sqlalchemy import and_, bindparam, case, delete, func, insert, or_, select, update

from podlink.engine.errors import AmbiguousName, ContainerNotFound, ImageNotFound, InvalidState, NameInUse
from podlink.engine.oci.spec.values import ContainerConfig
from podlink.engine.state.db import Database, concluding
from podlink.engine.state.documents import Remembered, revive, spell
from podlink.engine.state.events import append
from podlink.engine.state.kept import Kept
from podlink.engine.state.schema import containers
from podlink.engine.state.spelled import Row, Spelled, spelled
from podlink.engine.state.values import Container, Event, Status

ACTIONS = {Status.CREATED: "init", Status.RUNNING: "unpause", Status.PAUSED: "pause"}
"""What `mark_status` is called in the events."""
STATUSES = {each.value: each for each in Status}
PREFIX = re.compile(r"[0-9a-f]{1,64}")
AFTER_HEX = "g"
"""Sorts after every hex digit: the IDs that start with PREFIX lie between PREFIX and PREFIX + "g". No LIKE, no wildcards."""
COLUMNS = tuple(column.name for column in containers.columns)
SHOWN = 5
"""How many matches an ambiguous name lists."""

_c = containers.c
_by_id = select(containers).where(_c.id == bindparam("which"))
_fitting = (
    select(containers)
    .where(or_(_c.name == bindparam("which"), and_(_c.id >= bindparam("which"), _c.id < bindparam("end"))))
    .order_by(case((_c.id == bindparam("which"), 0), (_c.name == bindparam("which"), 1), else_=2), _c.name)
)
_all = select(containers).order_by(_c.created_at, _c.id)
_change = update(containers).where(_c.id == bindparam("which")).returning(containers)
_newer = or_(_c.start < bindparam("number"), and_(_c.start == bindparam("number"), _c.status == Status.CREATED.value))
_settings: Remembered[tuple[ContainerConfig, str]] = Remembered()
_identity = ("pid", "pid_start", "boot")
_outcome = ("finished_at", "exit_code", "oom_killed", "error")

BY_ID = spelled(_by_id)
BY_NAME = spelled(select(containers).where(_c.name == bindparam("which")))
FITTING = spelled(_fitting)
ALL = spelled(_all)
OF_IMAGE = spelled(_all.where(_c.image == bindparam("which")))
MENTIONING = spelled(_all.where(func.instr(_c.config, bindparam("which")) > 0))
HOLDER = spelled(select(_c.id).where(_c.name == bindparam("which")))
ADD = spelled(insert(containers))
TO_STATUS = spelled(_change, "status")
TO_RUNNING = spelled(_change.where(_newer), "status", "start", "started_at", *_identity, *_outcome)
TO_CREATED = spelled(_change.where(_c.start < bindparam("number")), "status", "start", "started_at", *_identity, *_outcome)
TO_EXITED = spelled(_change.where(_c.start <= bindparam("number")), "status", "start", "rw_size", *_identity, *_outcome)
REMOVE = spelled(delete(containers).where(_c.id == bindparam("which")).returning(containers))


class Containers:
    """The containers that exist. Reads take no lock; changes are durable when they return."""

    def __init__(self, database: Database, now: Callable[[], int] = time.time_ns) -> None:
        self._database = database
        self._now = now
        self._kept: Kept[Container] = database.keeping()

    def add(self, container: Container) -> None:
        """Make it exist. Raises NameInUse naming the holder, ImageNotFound when the image went away meanwhile."""
        with self._database.growing() as connection:
            try:
                ADD(connection, **_row(container))
            except sqlite3.IntegrityError as error:
                raise _refusal(connection, container, error) from error
            _tell(connection, container.created_at, "create", container)
            self._kept.put(container.id, container)

    def get(self, id: str) -> Container:
        """The container with this full ID."""
        if kept := self._kept.find(id):
            return kept
        if not (found := self._select(BY_ID, which=id)):
            raise ContainerNotFound(id)
        return found[0]

    def find(self, name: str) -> Container:
        """By full ID, full name, or an ID prefix that fits one alone, in this order: an ID always means its container.

        Raises ContainerNotFound, or AmbiguousName with the matches.
        """
        if kept := self._kept.find(name):  # by its full ID, which comes first
            return kept
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

    def mentioning(self, id: str) -> list[Container]:
        """The containers whose settings speak of this full ID, oldest first: all that depend on it, and perhaps others."""
        return self._select(MENTIONING, which=id)

    @concluding
    def mark_running(self, id: str, *, start: int, pid: int, pid_start: int, boot: str, at: int) -> None:
        """Start number `start` runs. Raises InvalidState when that run, or a later one, is in the books already."""
        change = {"status": Status.RUNNING, "start": start, "pid": pid, "pid_start": pid_start, "boot": boot, "started_at": at}
        blank = {"finished_at": 0, "exit_code": 0, "oom_killed": False, "error": ""}
        with self._database.writing() as connection:
            row = TO_RUNNING.one(connection, **{"which": id, "number": start} | change | blank)
            self._changed(connection, row or _stale(connection, id, start), at, "start")

    @concluding
    def mark_created(self, id: str, *, start: int, pid: int, pid_start: int, boot: str) -> None:
        """Start number `start` has an init that waits. Raises InvalidState when that run, or a later one, is in the books."""
        change = {"status": Status.CREATED, "start": start, "pid": pid, "pid_start": pid_start, "boot": boot, "started_at": 0}
        blank = {"finished_at": 0, "exit_code": 0, "oom_killed": False, "error": ""}
        with self._database.writing() as connection:
            row = TO_CREATED.one(connection, **{"which": id, "number": start} | change | blank)
            self._changed(connection, row or _stale(connection, id, start), self._now(), ACTIONS[Status.CREATED])

    @concluding
    def mark_status(self, id: str, status: Status) -> None:
        """It is `paused`, or `running` again."""
        action = ACTIONS[status]
        with self._database.writing() as connection:
            row = TO_STATUS.one(connection, which=id, status=status)
            if row is None:
                raise ContainerNotFound(id)
            self._changed(connection, row, self._now(), action)

    @concluding
    def mark_exited(self, id: str, *, start: int, code: int, at: int, oom_killed: bool, error: str, rw_size: int) -> Container:
        """Start number `start` has ended: the container as it is now. Raises InvalidState when a later one is in the books."""
        change = {"status": Status.EXITED, "start": start, "pid": 0, "pid_start": 0, "boot": "", "finished_at": at}
        outcome = {"exit_code": code, "oom_killed": oom_killed, "error": error, "rw_size": rw_size}
        with self._database.writing() as connection:
            row = TO_EXITED.one(connection, **{"which": id, "number": start} | change | outcome)
            killed = {"oom_killed": "true"} if oom_killed else {}
            return self._changed(connection, row or _stale(connection, id, start), at, "die", exit_code=str(code), **killed)

    @concluding
    def remove(self, id: str) -> None:
        """Make it not exist. Raises ContainerNotFound."""
        with self._database.writing() as connection:
            row = REMOVE.one(connection, which=id)
            if row is None:
                raise ContainerNotFound(id)
            _tell(connection, self._now(), "remove", _container(row))
            self._kept.drop(id)

    def _changed(self, connection: sqlite3.Connection, row: Row, at: int, action: str, **more: str) -> Container:
        """The container as the change that is under way leaves it, with its event."""
        container = _container(row)
        _tell(connection, at, action, container, **more)
        self._kept.put(container.id, container)
        return container

    def _select(self, statement: Spelled, **values: str) -> list[Container]:
        with self._database.reading() as connection:
            rows = statement(connection, **values)
        return [_container(row) for row in rows]


def _tell(connection: sqlite3.Connection, at: int, action: str, changed: Container, **more: str) -> None:
    """The event of a change, in the change's own transaction."""
    attributes = {"image": changed.image_name, **more}
    append(connection, Event(at=at, type="container", action=action, id=changed.id, name=changed.name, attributes=attributes))


def _refusal(connection: sqlite3.Connection, container: Container, error: sqlite3.IntegrityError) -> Exception:
    """Which constraint said no, in words: the name's, or the image's. No other can be broken by a request."""
    if holder := HOLDER.one(connection, which=container.name):
        return NameInUse(f"the name {container.name} is in use by container {holder[0]}; remove that one or choose another name")
    if "FOREIGN KEY" in str(error):
        return ImageNotFound(container.image_name)
    return error


def _stale(connection: sqlite3.Connection, id: str, start: int) -> NoReturn:
    """Raise for the change that found no row to change: there is none, or it is further than the news."""
    row = BY_ID.one(connection, which=id)
    if row is None:
        raise ContainerNotFound(id)
    container = _container(row)
    found = f"it is {container.status} after start {container.start}"
    raise InvalidState(f"news of start {start} come too late for container {container.name} ({id[:12]}): {found}")


def _ambiguous(name: str, found: Sequence[Container]) -> str:
    matches = ", ".join(f"{container.name} ({container.id[:12]})" for container in found[:SHOWN])
    more = f" and {len(found) - SHOWN} more" if len(found) > SHOWN else ""
    return f"{name} fits {len(found)} containers: {matches}{more}; give more digits, or the name"


def _row(container: Container) -> dict[str, Any]:
    row = {name: getattr(container, name) for name in COLUMNS}
    row |= {"layers": json.dumps(container.layers), "config": spell(container.config)}
    _settings.keep(row["config"], (container.config, ""))
    return row


def _container(row: Row) -> Container:
    values = dict(zip(COLUMNS, row, strict=True))
    values["status"] = STATUSES[values["status"]]
    values["oom_killed"] = bool(values["oom_killed"])
    values["layers"] = _layers(values["layers"])
    text = values["config"]
    values["config"], values["unreadable"] = _settings.find(text) or _settings.keep(text, _config(text))
    return Container(**values)


@lru_cache(maxsize=1024)
def _layers(text: str) -> tuple[str, ...]:
    return tuple(json.loads(text))


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
