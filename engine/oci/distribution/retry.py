"""Patience: which failures are worth another try, and how long to wait before it.

    try ── 0.5 s ── try ── 1 s ── try ── 2 s ── try ── 4 s ── last try

A connection that broke, an answer 5xx, and 429 Too Many Requests pass by themselves. How long, the server may say
(RFC 9110, section 10.2.3, Retry-After); it is believed up to a bound.
"""

import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from email.utils import parsedate_to_datetime

from podlink.engine.cancel import Cancel
from podlink.engine.errors import Cancelled

PASSING = frozenset({429, 500, 502, 503, 504})
"""Answers that say nothing about the request itself."""


def sleep(seconds: float, cancel: Cancel) -> None:
    """Wait so long, or until the caller leaves."""
    left = threading.Event()
    forget = cancel.on_set(left.set)
    try:
        left.wait(seconds)
    finally:
        forget()


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """tries: of one request, in all. first: seconds before the second, then doubled. longest: what Retry-After may ask for."""

    tries: int = 5
    first: float = 0.5
    longest: float = 60
    sleep: Callable[[float, Cancel], None] = sleep
    now: Callable[[], float] = time.time

    def wait(self, failures: int, cancel: Cancel, retry_after: str | None = None) -> None:
        """Wait as long as `failures` failed tries, or the server, ask for. Raises Cancelled when the caller leaves meanwhile."""
        asked = seconds_of(retry_after, self.now()) if retry_after else None
        # A little chance keeps many clients that were dropped at once from coming back at once.
        pause = self.first * 2 ** (failures - 1) * random.uniform(0.75, 1.25) if asked is None else asked
        self.sleep(min(pause, self.longest), cancel)
        leave(cancel)


class Tries:
    """The tries of one thing: how often it has failed by now, and the wait before the next one."""

    def __init__(self, patience: Patience, cancel: Cancel) -> None:
        self._patience, self._cancel = patience, cancel
        self._failures = 0

    def fail(self, weight: int = 1, retry_after: str | None = None) -> bool:
        """Count a failure and wait, as long as the server says (Retry-After) where it does; false where no try is left.

        Raises Cancelled when the caller leaves meanwhile.
        """
        self._failures += weight
        if self._failures >= self._patience.tries:
            return False
        self._patience.wait(self._failures, self._cancel, retry_after)
        return True

    @property
    def is_last(self) -> bool:
        """Whether no try is left after this one."""
        return self._failures + 1 >= self._patience.tries

    def forgive(self) -> None:
        """Forget the failures: there was progress."""
        self._failures = 0


def leave(cancel: Cancel) -> None:
    """Raises Cancelled once the caller has left."""
    if cancel.is_set():
        raise Cancelled("the caller left before the registry answered")


def seconds_of(retry_after: str, now: float) -> float | None:
    """The header's value, seconds or a date, as seconds from now; None where it is neither."""
    if retry_after.strip().isascii() and retry_after.strip().isdecimal():
        return float(retry_after.strip()[:9])
    try:
        return max(0.0, parsedate_to_datetime(retry_after).timestamp() - now)
    except (ValueError, OverflowError):
        return None
