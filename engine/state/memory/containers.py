"""The table of containers, in memory."""

import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from podlink.engine.errors import ContainerNotFound, ImageNotFound
from podlink.engine.state.memory.store import Memory
from podlink.engine.state.rules import ACTIONS, PREFIX, end_told, late, only, storable, taken, told
from podlink.engine.state.values import Container, Status


class Containers:
    def __init__(self, memory: Memory, now: Callable[[], int] = time.time_ns) -> None:
        self._memory = memory
        self._now = now
        self._rows = memory.containers
        self._names: dict[str, str] = {}
        """IDs by name."""

    def add(self, container: Container) -> None:
        self._memory.require_room()
        with self._memory:
            if holder := self._names.get(container.name):
                raise taken(container.name, holder)
            if container.image not in self._memory.images:
                raise ImageNotFound(container.image_name)
            self._rows[container.id] = container
            self._names[container.name] = container.id
            self._memory.tell(told(container, container.created_at, "create"))

    def get(self, id: str) -> Container:
        with self._memory:
            return self._row(id)

    def find(self, name: str) -> Container:
        with self._memory:
            if found := self._rows.get(name) or self._rows.get(self._names.get(name, "")):
                return found
            fitting = [each for each in self._rows.values() if each.id.startswith(name)] if PREFIX.fullmatch(name) else []
        return only(name, sorted(fitting, key=lambda each: each.name))

    def all(self) -> list[Container]:
        return self._such(lambda each: True)

    def of_image(self, image: str) -> list[Container]:
        return self._such(lambda each: each.image == image)

    def mentioning(self, id: str) -> list[Container]:
        return self._such(lambda each: any(id in mode for mode in each.config.modes()))

    def mark_running(self, id: str, *, start: int, pid: int, pid_start: int, boot: str, at: int) -> None:
        with self._memory:
            row = self._row(id)
            if row.start > start or (row.start == start and row.status is not Status.CREATED):
                raise late(row, start)
            self._begin(row, Status.RUNNING, at, "start", start=start, pid=pid, pid_start=pid_start, boot=boot, started_at=at)

    def mark_created(self, id: str, *, start: int, pid: int, pid_start: int, boot: str) -> None:
        with self._memory:
            row = self._row(id)
            if row.start >= start:
                raise late(row, start)
            at, action = self._now(), ACTIONS[Status.CREATED]
            self._begin(row, Status.CREATED, at, action, start=start, pid=pid, pid_start=pid_start, boot=boot, started_at=0)

    def mark_status(self, id: str, status: Status) -> None:
        action = ACTIONS[status]
        with self._memory:
            self._change(self._row(id), self._now(), action, {}, status=status)

    def mark_exited(self, id: str, *, start: int, code: int, at: int, oom_killed: bool, error: str, rw_size: int) -> Container:
        outcome = {"exit_code": code, "oom_killed": oom_killed, "error": storable(error), "rw_size": rw_size}
        ended = {"start": start, "pid": 0, "pid_start": 0, "boot": "", "finished_at": at}
        with self._memory:
            row = self._row(id)
            if row.start > start:
                raise late(row, start)
            return self._change(row, at, "die", end_told(code, oom_killed), status=Status.EXITED, **ended, **outcome)

    def remove(self, id: str) -> None:
        with self._memory:
            row = self._row(id)
            del self._rows[id], self._names[row.name]
            self._memory.tell(told(row, self._now(), "remove"))

    def _row(self, id: str) -> Container:
        if row := self._rows.get(id):
            return row
        raise ContainerNotFound(id)

    def _such(self, wanted: Callable[[Container], bool]) -> list[Container]:
        with self._memory:
            rows = list(self._rows.values())
        return sorted(filter(wanted, rows), key=lambda each: (each.created_at, each.id))

    def _begin(self, row: Container, status: Status, at: int, action: str, **run: Any) -> None:
        """A run begins, and nothing is left of how the last one ended."""
        self._change(row, at, action, {}, status=status, finished_at=0, exit_code=0, oom_killed=False, error="", **run)

    def _change(self, row: Container, at: int, action: str, more: dict[str, str], **fields: Any) -> Container:
        changed = self._rows[row.id] = replace(row, **fields)
        self._memory.tell(told(changed, at, action, **more))
        return changed
