"""The run directories of all containers, as the engine writes and reads them; what is in one is drawn in `monitor/records.py`."""

import fcntl
import json
import os
import shutil
from collections.abc import Mapping
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import Any

from podlink.engine.config import RUN
from podlink.engine.linux import mounts, sockets
from podlink.engine.runtime.base import Given, Launch, Sockets
from podlink.engine.runtime.monitor import records
from podlink.engine.runtime.record import Damaged
from podlink.engine.streams.attach import CONTROL
from podlink.engine.streams.attach import SOCKET as ATTACH

SHORT = RUN / "attach"
"""Where links to run directories are whose own paths are too long to be connected to."""


CONFIG = "config.json"
"""runtime-spec, bundle.md."""


@lru_cache(maxsize=1024)
def _read(path: Path, inode: int, time: int) -> Given:
    """inode, time: of the file, which is written once; another run's is another file."""
    return Given.of(json.loads(path.read_text()))


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
        spec = dict(launch.spec)
        spec["mounts"] = [self._reachable(each, bundle) for each in launch.spec.get("mounts", ())]
        (bundle / CONFIG).write_text(json.dumps(spec))
        orders = records.Orders(
            container=launch.container,
            number=launch.number,
            runc=runc,
            cgroup=cgroup,
            directory=str(launch.directory.absolute()),
            runroot=str(self._runroot.absolute()),
            cleanup=list(launch.cleanup),
            pid_file=launch.pid_file,
            tty=launch.spec["process"].get("terminal", False),
            interactive=launch.interactive,
            log=launch.log,
        )
        records.write_orders(bundle, orders)
        return lock

    def cgroup(self, container: str) -> str | None:
        """The container's cgroup; None where there is no run directory. Where the orders can't tell, runc's configuration can."""
        try:
            orders = records.read_orders(self.path(container))
        except Damaged:
            spec = json.loads((self.path(container) / CONFIG).read_bytes())
            return str(spec["linux"]["cgroupsPath"])
        return orders.cgroup if orders else None

    def given(self, container: str) -> Given | None:
        """What is in the configuration that runc was given; None where there is none, or a damaged one."""
        path = self.path(container) / CONFIG
        try:
            status = path.stat()
            return _read(path, status.st_ino, status.st_mtime_ns)
        except (FileNotFoundError, ValueError, KeyError, TypeError):
            return None

    def sockets(self, container: str) -> Sockets:
        """Where the run is attached to. A path too long for a client is had by a shorter one, a symbolic link (unix(7))."""
        folder = self.path(container)
        if len(os.fsencode(folder / ATTACH)) > sockets.LONGEST:
            SHORT.mkdir(mode=0o700, parents=True, exist_ok=True)
            link = SHORT / container
            with suppress(FileExistsError):
                link.symlink_to(folder)
            folder = link
        return Sockets(str(folder / ATTACH), str(folder / CONTROL))

    def shared_memory(self, container: str) -> str:
        """Where the container's /dev/shm is mounted; empty where it has none of its own."""
        place = self.path(container) / records.SHM
        return str(place) if place.exists() else ""

    def _reachable(self, mount: Mapping[str, Any], bundle: Path) -> Mapping[str, Any]:
        """A /dev/shm of its own is mounted here and bound inside.

        What is mounted only inside, nobody else can be given: mount(2) refuses to bind across mount namespaces.
        """
        if (mount["destination"], mount["type"]) != ("/dev/shm", "tmpfs"):
            return mount
        place = bundle / records.SHM
        place.mkdir()
        data = ",".join(option for option in mount.get("options", ()) if "=" in option)
        mounts.mount("tmpfs", "shm", place, data)
        flags = [option for option in mount.get("options", ()) if "=" not in option]
        return {**mount, "type": "bind", "source": str(place), "options": ["rbind", *flags]}

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
        if (place := self.path(container) / records.SHM).exists():
            mounts.unmount(place)
        shutil.rmtree(self.path(container), ignore_errors=True)
        with suppress(OSError):
            (SHORT / container).unlink()
            SHORT.rmdir()  # the last one only: it is refused while there are others

    def known(self) -> list[str]:
        """The containers that have one."""
        with suppress(FileNotFoundError):
            return [path.name for path in self._folder.iterdir()]
        return []
