"""SIGINT and SIGTERM as a request to end, from a command's first moment to its last.

with Ending() as ending:        a signal raises Ended: what was begun is undone on the way out
    …
    ending.defer()              from here on it is remembered: these few steps are to be taken whole
    …
    ending.call(server.close)   from here on it calls this
    server.serve()
"""

import signal
import sys
from collections.abc import Callable
from types import FrameType, TracebackType
from typing import Self

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Ended(BaseException):
    """The command was asked to end before it was ready."""


class Ending:
    """For the main thread. One request is enough: a second one does not interrupt the unwinding."""

    def __init__(self) -> None:
        self._asked = False
        self._act = self._unwind
        self._tell_lost = sys.unraisablehook

    def defer(self) -> None:
        """Have signals remembered, no more."""
        self._act = self._remember

    def call(self, end: Callable[[], None]) -> None:
        """Have signals call `end`; at once where one came and ended nothing."""
        self._act = end
        if self._asked:
            end()

    def __enter__(self) -> Self:
        sys.unraisablehook = self._lost
        for number in SIGNALS:
            signal.signal(number, self._signalled)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """What comes now is too late to matter."""
        for number in SIGNALS:
            signal.signal(number, signal.SIG_IGN)
        sys.unraisablehook = self._tell_lost

    def _signalled(self, number: int, frame: FrameType | None) -> None:
        self._act()

    def _unwind(self) -> None:
        """What is raised may be lost, for Python drops it in a finalizer; that a signal came is not."""
        if not self._asked:
            self._asked = True
            raise Ended

    def _lost(self, raised: "sys.UnraisableHookArgs", /) -> None:
        """Python complains of what it drops. An Ended is nobody's trouble."""
        if not isinstance(raised.exc_value, Ended):
            self._tell_lost(raised)

    def _remember(self) -> None:
        self._asked = True
