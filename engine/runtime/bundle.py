"""The run directories of all containers, as the engine writes and reads them; what is in one is drawn in `monitor/records.py`."""

import fcntl
import json
import os
import shutil
from contextlib import suppress
from pathlib import Path

from podlink.engine.runtime.base import Launch
from podlink.engine.runtime.monitor import records


class Bundles:
    """`runroot/containers`: a directory for each run that is under way, or has ended and was not cleaned up yet."""

    def __init__(self, runroot: Path) -> None:
        self._runroot = runroot
        self._folder = runroot / "containers"

    def path(self, container: str) -> Path:
        return self._folder / container

    def write(self, launch: Launch, runc: list[str], cgroup: str) -> int:
        """Make the run directory of a start; the answer is the descriptor that holds its lock, for the monitor."""
        bundle = self.path(launch.container)
        bundle.mkdir(mode=0o700, parents=True)
        lock = os.open(bundle / records.LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        (bundle / "config.json").write_text(json.dumps(launch.spec))
        orders = records.Orders(
            container=launch.container,
            number=launch.number,
            runc=runc,
            cgroup=cgroup,
            directory=str(launch.directory.absolute()),
            runroot=str(self._runroot.absolute()),
            cleanup=list(launch.cleanup),
        )
        records.write_orders(bundle, orders)
        return lock

    def is_free(self, container: str) -> bool:
        """Whether nobody holds the lock: no start is under way, and no exit record is still to come."""
        try:
            lock = os.open(self.path(container) / records.LOCK, os.O_RDWR | os.O_CLOEXEC)
        except FileNotFoundError:
            return True
        try:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)  # shared: two who ask at once don't mislead each other
        except BlockingIOError:
            return False
        else:
            return True
        finally:
            os.close(lock)

    def remove(self, container: str) -> None:
        """Remove the run directory. Again is no error."""
        shutil.rmtree(self.path(container), ignore_errors=True)

    def known(self) -> list[str]:
        """The containers that have one."""
        with suppress(FileNotFoundError):
            return [path.name for path in self._folder.iterdir()]
        return []
