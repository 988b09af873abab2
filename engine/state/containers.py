"""The table of containers, in SQLite. Every change writes its event in the same transaction."""

import json
import sqlite3
import time
from collections.abc import Callable
from functools import lru_cache
from typing import Any, NoReturn

from sqlalchemy import and_, bindparam, case, delete, func, insert, or_, select, update

from podlink.engine.errors import ContainerNotFound, ImageNotFound
from podlink.engine.oci.spec.values import ContainerConfig
from podlink.engine.state.db import Database, concluding
from podlink.engine.state.documents import Remembered, revive, spell
from podlink.engine.state.events import append
from podlink.engine.state.rules import ACTIONS, PREFIX, end_told, late, only, taken, told
from podlink.engine.state.schema import containers
from podlink.engine.state.spelled import Row, Spelled, spelled
from podlink.engine.state.values import Container, Status

STATUSES = {each.value: each for each in Status}
AFTER_HEX = "g"
"""Sorts after every hex digit: the IDs that start with PREFIX lie between PREFIX and PREFIX + "g". No LIKE, no wildcards."""
COLUMNS = tuple(column.name for column in containers.columns)

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
    def __init__(self, database: Database, now: Callable[[], int] = time.time_ns) -> None:
        self._database = database
        self._now = now

    def add(self, container: Container) -> None:
        with self._database.growing() as connection:
            try:
                ADD(connection, **_row(container))
            except sqlite3.IntegrityError as error:
                raise _refusal(connection, container, error) from error
            append(connection, told(container, container.created_at, "create"))

    def get(self, id: str) -> Container:
        if not (found := self._select(BY_ID, which=id)):
            raise ContainerNotFound(id)
        return found[0]

    def find(self, name: str) -> Container:
        if PREFIX.fullmatch(name):
            found = self._select(FITTING, which=name, end=name + AFTER_HEX)
        else:
            found = self._select(BY_NAME, which=name)
        return only(name, found)

    def all(self) -> list[Container]:
        return self._select(ALL)

    def of_image(self, image: str) -> list[Container]:
        return self._select(OF_IMAGE, which=image)

    def mentioning(self, id: str) -> list[Container]:
        return self._select(MENTIONING, which=id)

    @concluding
    def mark_running(self, id: str, *, start: int, pid: int, pid_start: int, boot: str, at: int) -> None:
        change = {"status": Status.RUNNING, "start": start, "pid": pid, "pid_start": pid_start, "boot": boot, "started_at": at}
        blank = {"finished_at": 0, "exit_code": 0, "oom_killed": False, "error": ""}
        with self._database.writing() as connection:
            row = TO_RUNNING.one(connection, **{"which": id, "number": start} | change | blank)
            self._changed(connection, row or _stale(connection, id, start), at, "start")

    @concluding
    def mark_created(self, id: str, *, start: int, pid: int, pid_start: int, boot: str) -> None:
        change = {"status": Status.CREATED, "start": start, "pid": pid, "pid_start": pid_start, "boot": boot, "started_at": 0}
        blank = {"finished_at": 0, "exit_code": 0, "oom_killed": False, "error": ""}
        with self._database.writing() as connection:
            row = TO_CREATED.one(connection, **{"which": id, "number": start} | change | blank)
            self._changed(connection, row or _stale(connection, id, start), self._now(), ACTIONS[Status.CREATED])

    @concluding
    def mark_status(self, id: str, status: Status) -> None:
        action = ACTIONS[status]
        with self._database.writing() as connection:
            row = TO_STATUS.one(connection, which=id, status=status)
            if row is None:
                raise ContainerNotFound(id)
            self._changed(connection, row, self._now(), action)

    @concluding
    def mark_exited(self, id: str, *, start: int, code: int, at: int, oom_killed: bool, error: str, rw_size: int) -> Container:
        change = {"status": Status.EXITED, "start": start, "pid": 0, "pid_start": 0, "boot": "", "finished_at": at}
        outcome = {"exit_code": code, "oom_killed": oom_killed, "error": error, "rw_size": rw_size}
        with self._database.writing() as connection:
            row = TO_EXITED.one(connection, **{"which": id, "number": start} | change | outcome)
            return self._changed(connection, row or _stale(connection, id, start), at, "die", **end_told(code, oom_killed))

    @concluding
    def remove(self, id: str) -> None:
        with self._database.writing() as connection:
            row = REMOVE.one(connection, which=id)
            if row is None:
                raise ContainerNotFound(id)
            append(connection, told(_container(row), self._now(), "remove"))

    def _changed(self, connection: sqlite3.Connection, row: Row, at: int, action: str, **more: str) -> Container:
        """The container as the change that is under way leaves it, with its event."""
        container = _container(row)
        append(connection, told(container, at, action, **more))
        return container

    def _select(self, statement: Spelled, **values: str) -> list[Container]:
        with self._database.reading() as connection:
            rows = statement(connection, **values)
        return [_container(row) for row in rows]


def _refusal(connection: sqlite3.Connection, container: Container, error: sqlite3.IntegrityError) -> Exception:
    """Which constraint said no, in words: the name's, or the image's. No other can be broken by a request."""
    if holder := HOLDER.one(connection, which=container.name):
        return taken(container.name, holder[0])
    if "FOREIGN KEY" in str(error):
        return ImageNotFound(container.image_name)
    return error


def _stale(connection: sqlite3.Connection, id: str, start: int) -> NoReturn:
    """Raise for the change that found no row to change: there is none, or it is further than the news."""
    row = BY_ID.one(connection, which=id)
    if row is None:
        raise ContainerNotFound(id)
    raise late(_container(row), start)


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
