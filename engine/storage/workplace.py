"""Where a process makes what has no name yet, told from what a dead one has left behind.

    staging/
      a81c…/          of one process; locked (flock(2)) by it for as long as something is in the making
        03f2…         a layer, a container, a blob in the making
      9e04…/          not locked: whoever made it is gone, and it is rubbish

One descriptor is held, however much is in the making.
"""

import os
import secrets
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from podlink.engine.linux import trees
from podlink.engine.storage.held import abandoned, held_folder


class Workplace:
    """Below a folder that exists. Safe to use from several threads, and beside other processes and other workplaces."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._guard = threading.Lock()
        self._busy: set[Path] = set()
        self._own = folder
        self._lock: int | None = None

    def begin(self) -> Path:
        """A path that nothing has yet, for something new. It is nobody else's until `end`."""
        with self._guard:
            if self._lock is None:
                self._own, self._lock = held_folder(self.folder)
            path = self._own / secrets.token_hex(8)
            self._busy.add(path)
            return path

    def end(self, path: Path) -> None:
        """Nothing has this path any more. Again is no error."""
        with self._guard:
            self._busy.discard(path)
            if not self._busy and self._lock is not None:
                with suppress(OSError):  # something was left after all: a sweep's
                    self._own.rmdir()
                self._let_go()

    def close(self) -> None:
        """What is still in the making is given up, and left to the next sweep."""
        with self._guard:
            self._busy.clear()
            self._let_go()

    def _let_go(self) -> None:
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None


def sweep(folder: Path, clear: Callable[[Path], object] = trees.remove) -> None:
    """Clear away what no living process is working on."""
    for path in abandoned(folder):
        with suppress(FileNotFoundError):
            clear(path)
