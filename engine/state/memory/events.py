"""The table of events, in memory."""

from collections.abc import Callable
from dataclasses import replace

from podlink.engine.state.memory.store import Memory
from podlink.engine.state.values import Event


class Events:
    def __init__(self, memory: Memory) -> None:
        self._memory = memory

    def append(self, event: Event) -> None:
        self._memory.require_room()
        with self._memory:
            self._memory.tell(event)

    def read(self, *, after: int = 0, since: int = 0, limit: int = -1) -> list[Event]:
        found = self._such(lambda number, event: number > after and event.at >= since)
        return found[:limit] if limit >= 0 else found

    def of(self, id: str) -> list[Event]:
        return self._such(lambda number, event: event.id == id)[::-1]

    def _such(self, wanted: Callable[[int, Event], bool]) -> list[Event]:
        """Those that are wanted, with their numbers."""
        with self._memory:
            first = self._memory.told - len(self._memory.events) + 1
            rows = list(enumerate(self._memory.events, first))
        return [replace(event, number=number) for number, event in rows if wanted(number, event)]
