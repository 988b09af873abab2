"""The socket `runroot/engine.sock`, at which monitors ask for a cleanup when their container has ended.

    monitor ── "4f1d…\\n" ──▶ engine: cleanup("4f1d…")
            ◀── "done\\n" ──          or the end of the connection: then the monitor cleans up by itself

Of several engines on one run directory the first one listens: it holds `engine.lock` (flock(2)) as long as it lives, so a
socket that a killed engine left behind belongs to nobody and may be replaced. Requests wait for containers' locks, so a
few are served at once.
"""

import fcntl
import logging
import os
import socket
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

from podlink.engine.runtime.monitor.finish import DONE
from podlink.engine.runtime.monitor.records import SOCKET

LOCK = "engine.lock"
AT_ONCE = 8
PATIENCE = 10.0
"""Seconds for a monitor to say which container it means."""
LARGEST = 256

log = logging.getLogger(__name__)


def listen(runroot: Path, cleanup: Callable[[str], None]) -> "Listener | None":
    """Listen in the run directory; None where another engine does."""
    lock = os.open(runroot / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(lock)
        return None
    return Listener(runroot, lock, cleanup)


class Listener:
    """A thread that accepts, and a few that serve."""

    def __init__(self, runroot: Path, lock: int, cleanup: Callable[[str], None]) -> None:
        self._path, self._lock, self._cleanup = runroot / SOCKET, lock, cleanup
        self._path.unlink(missing_ok=True)
        self._socket = _bound(runroot)
        self._pool = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="podlink-cleanup")
        self._thread = threading.Thread(target=self._accept, name="podlink-listener", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop. What is being cleaned up is finished first; monitors that were not answered clean up by themselves."""
        self._path.unlink(missing_ok=True)
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)  # wakes accept(2)
        self._thread.join()
        self._socket.close()
        self._pool.shutdown(cancel_futures=True)
        os.close(self._lock)

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            served = self._pool.submit(self._serve, connection)
            served.add_done_callback(lambda _, connection=connection: connection.close())  # type: ignore[misc]

    def _serve(self, connection: socket.socket) -> None:
        try:
            connection.settimeout(PATIENCE)
            container = b""
            while not container.endswith(b"\n"):
                if len(container) > LARGEST or not (chunk := connection.recv(LARGEST)):
                    return
                container += chunk
            self._cleanup(container.decode().strip())
            connection.sendall(DONE)
        except Exception as trouble:
            log.warning("cleaning up after a container: %s", trouble)


def _bound(runroot: Path) -> socket.socket:
    """A socket that listens, bound by way of a descriptor: a path of more than 107 bytes doesn't fit in sun_path (unix(7))."""
    directory = os.open(runroot, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    made = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        made.bind(f"/proc/self/fd/{directory}/{SOCKET}")
        (runroot / SOCKET).chmod(0o600)
        made.listen(128)
    except BaseException:
        made.close()
        raise
    finally:
        os.close(directory)
    return made
