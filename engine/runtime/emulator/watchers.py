"""Who is to be woken up by what happens in a container's directory. Everything that happens there happens in this process,
so whoever does it says so; nothing watches the disk."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from podlink.engine.clock import Clock
from podlink.engine.runtime.base import Wakeup


class Watchers:
    """A lock of its own, the last one to be taken: a process tells of its output while it holds its run's.

    clock: of those who wait.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._waiting: dict[Path, list[Wakeup]] = {}

    @contextmanager
    def watch(self, directory: Path, wakeup: Wakeup | None = None) -> Iterator[Wakeup]:
        """Raises FileNotFoundError where the directory is not there: looked at last, so that no removal falls between."""
        wakeup = wakeup or Wakeup(self._clock)
        with self._lock:
            self._waiting.setdefault(directory, []).append(wakeup)
        try:
            if not directory.is_dir():
                raise FileNotFoundError(f"{directory} is not there")
            yield wakeup
        finally:
            self._leave(directory, wakeup)

    def tell(self, directory: Path) -> None:
        """Something changed in the directory."""
        with self._lock:
            told = list(self._waiting.get(directory, ()))
        for wakeup in told:
            wakeup.notify()

    def tell_all(self) -> None:
        """Nothing will ever change again."""
        for directory in list(self._waiting):
            self.tell(directory)

    def _leave(self, directory: Path, wakeup: Wakeup) -> None:
        with self._lock:
            self._waiting[directory].remove(wakeup)
            if not self._waiting[directory]:
                del self._waiting[directory]
