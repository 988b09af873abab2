"""Many who wait for what happens in a directory, and one thread for all of them, for as long as there are any.

    join ──▶ ┌─────────────────────────────┐ ◀── notify ── the runtime's `watch`, one for each directory
    leave ─▶ │ directory: who waits there  │ ────────────▶ thread `podlink-waits`: judge(who waits there)
             └─────────────────────────────┘                      │ hand
                                                                  ▼
                                              threads `podlink-answers`, a few: what takes a moment before they are told

Changes that come while one is being judged fold into one more look.
"""

import logging
import threading
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from podlink.engine.clock import Clock
from podlink.engine.runtime.base import Wakeup

if TYPE_CHECKING:
    from concurrent.futures import ThreadPoolExecutor

AT_ONCE = 8
"""Answers that may wait for something at a time, as for a container's lock."""

log = logging.getLogger(__name__)


class Waiter(Protocol):
    """One who waits. It is told by `judge`, which knows what it waits for."""

    def give_up(self) -> None:
        """Nothing will be told any more: the engine closes."""
        ...


Judge = Callable[[Sequence[Any]], Sequence[Any]]
"""Looks what became of a directory, tells those of the waiters who waited for that, and returns them."""


class Room(Wakeup):
    """Those who wait for one directory. It is notified of what changes there, and has the thread look."""

    def __init__(self, directory: Path, judge: Judge, look: Callable[["Room"], None]) -> None:
        super().__init__()
        self.directory, self.judge = directory, judge
        self.waiters: dict[int, Waiter] = {}
        self.watch = ExitStack()
        self._look = look

    def notify(self) -> None:
        self._look(self)


class Waits:
    """watch: the runtime's. clock: in whose sense somebody waits."""

    def __init__(self, watch: Callable[[Path, Wakeup], AbstractContextManager[Wakeup]], clock: Clock) -> None:
        self._watch, self._clock = watch, clock
        self._lock = threading.Lock()
        self._rooms: dict[Path, Room] = {}
        self._changed: dict[Room, None] = {}
        self._bell = Wakeup(clock)
        self._thread: threading.Thread | None = None
        self._answers: ThreadPoolExecutor | None = None

    def join(self, directory: Path, waiter: Waiter, judge: Judge) -> Callable[[], None]:
        """Wait until `judge` returns the waiter, or the answer is called. It is asked at once, and after each change.

        The first one's `judge` serves all who wait there. Raises FileNotFoundError where there is no such directory.
        """
        with self._lock:
            if (room := self._rooms.get(directory)) is None:
                room = Room(directory, judge, self._look)
                room.watch.enter_context(self._watch(directory, room))
                self._rooms[directory] = room
            room.waiters[id(waiter)] = waiter
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="podlink-waits", daemon=True)
                self._thread.start()
        self._look(room)
        return lambda: self._leave(room, waiter)

    def hand(self, answer: Callable[[], None]) -> None:
        """Have it called by a thread that has the time. For a judge: the engine waits for it when it closes."""
        from concurrent.futures import ThreadPoolExecutor  # of the engines that are made by the hundred, few come here

        def at_work() -> None:
            with known:
                try:
                    answer()
                except Exception:
                    log.exception("who waited could not be answered")

        known = self._clock.starting("podlink-answers")
        self._answers = self._answers or ThreadPoolExecutor(AT_ONCE, thread_name_prefix="podlink-answers")
        self._answers.submit(at_work)

    def close(self) -> None:
        """Whoever still waits gives up, and the threads end. Again is no error."""
        with self._lock:
            thread = self._thread
            left = [(room, waiter) for room in self._rooms.values() for waiter in room.waiters.values()]
        for room, waiter in left:
            self._leave(room, waiter)
            waiter.give_up()
        if thread:
            thread.join()
        if self._answers:
            self._answers.shutdown()

    def _look(self, room: Room) -> None:
        self._changed[room] = None
        self._bell.notify()

    def _run(self) -> None:
        with self._clock.working():
            while self._is_wanted():
                self._bell.wait()
                while self._changed:
                    room, _ = self._changed.popitem()  # what changes from here on is looked at once more
                    self._judge(room)

    def _is_wanted(self) -> bool:
        with self._lock:
            if not self._rooms:
                self._thread = None
            return bool(self._rooms)

    def _judge(self, room: Room) -> None:
        with self._lock:
            waiters = list(room.waiters.values())
        try:
            done = room.judge(waiters) if waiters else ()
        except Exception:  # a defect, or a host in trouble: the next change is looked at all the same
            log.exception("%s: what became of it can't be told", room.directory)
            return
        for waiter in done:
            self._leave(room, waiter)

    def _leave(self, room: Room, waiter: Waiter) -> None:
        """Again is no error."""
        with self._lock:
            room.waiters.pop(id(waiter), None)
            if not room.waiters and self._rooms.get(room.directory) is room:
                del self._rooms[room.directory]
                room.watch.close()
        self._bell.notify()
