"""A temporary folder that goes with whoever holds it, at the latest with the process that made it."""

import os
import shutil
import tempfile
import weakref
from pathlib import Path


class Scratch:
    """Nobody else removes it: not a fork, which holds a copy of this object and ends on its own."""

    def __init__(self) -> None:
        self.path = Path(tempfile.mkdtemp(prefix="podlink-"))
        self._finalizer = weakref.finalize(self, _remove, self.path, os.getpid())

    def remove(self) -> None:
        """With all that is in it. Again is no error."""
        self._finalizer()


def _remove(path: Path, owner: int) -> None:
    if os.getpid() == owner:
        shutil.rmtree(path, ignore_errors=True)
