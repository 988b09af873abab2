"""The one source of time in an emulated container. Whatever sleeps, times out or is dated asks it, so that another clock
than the real one (one that a test steps) can take its place."""

import threading
import time
from typing import Protocol


class Clock(Protocol):
    """now: nanoseconds since the epoch. monotonic: seconds since some moment; deadlines are counted in these."""

    def now(self) -> int: ...

    def monotonic(self) -> float: ...

    def wait(self, changed: threading.Condition, deadline: float | None) -> None:
        """Wait for a notice, with the condition's lock held, no longer than until the deadline."""
        ...


class RealClock:
    """The host's time."""

    def now(self) -> int:
        return time.time_ns()

    def monotonic(self) -> float:
        return time.monotonic()

    def wait(self, changed: threading.Condition, deadline: float | None) -> None:
        changed.wait(None if deadline is None else max(deadline - time.monotonic(), 0))
