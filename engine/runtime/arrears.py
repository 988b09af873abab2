"""What was refused and has to be done all the same: tried again until it is done, for as long as the engine is open.

add ──▶ ┌────────────────┐ ◀── soon ── something made room
        │ keys, a thread │ ──▶ settle(key)    done: it leaves, and the thread with the last one
        └────────────────┘     refused: again after FIRST seconds, then twice as many, at most LONGEST
"""

import threading
from collections.abc import Callable

from podlink.engine.clock import Clock
from podlink.engine.runtime.base import Wakeup

FIRST, LONGEST = 0.1, 10.0


class Arrears:
    """By key, each once. clock: whose seconds count. Before `begin` and after `close` nothing is kept: the next one who opens the
    root finds it."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._settle: Callable[[str], bool] | None = None
        self._owed: dict[str, None] = {}
        self._bell = Wakeup(clock)
        self._thread: threading.Thread | None = None

    def begin(self, settle: Callable[[str], bool]) -> None:
        """From here on what is added is tried again. settle: does it, and says whether it is done; it raises nothing."""
        self._settle = settle

    def add(self, key: str) -> None:
        """It was refused just now. Again is no error."""
        with self._lock:
            if self._settle is None:
                return
            self._owed[key] = None
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="podlink-arrears", daemon=True)
                self._thread.start()

    def soon(self) -> None:
        """What stood in the way may be gone: look at once."""
        if self._owed:
            self._bell.notify()

    def close(self) -> None:
        """Stop trying. Again is no error."""
        with self._lock:
            self._settle, thread = None, self._thread
        self._bell.notify()
        if thread:
            thread.join()

    def _run(self) -> None:
        with self._clock.working():
            pause = FIRST
            while settle := self._goes_on():
                pause = FIRST if self._bell.wait(pause) else min(2 * pause, LONGEST)
                for key in list(self._owed):
                    if settle(key):
                        self._owed.pop(key, None)

    def _goes_on(self) -> Callable[[str], bool] | None:
        """What settles, while there is anything to be settled."""
        with self._lock:
            if self._settle is None or not self._owed:
                self._thread = None
                return None
            return self._settle
