"""The engine's end of the spawner (`monitor/spawner.py`): start it when it is first needed, ask it for monitors, end it."""

import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import podlink
from podlink.engine import trace
from podlink.engine.errors import EngineUnavailable
from podlink.engine.linux import process
from podlink.engine.runtime.monitor.life import AT_ONCE
from podlink.engine.runtime.monitor.start import ENVIRONMENT

ATTEMPTS = 2


class MonitorLost(Exception):
    """A monitor went without an answer: it was killed, or the spawner was, before it came to be."""


class Helper:
    """One spawner for this process, replaced when it has died. log: where it and its monitors tell of their own troubles.

    A monitor is asked for before it is needed: while one runs runc the next comes to be, and the next start finds it waiting at
    the other end of a socket. It ends where that ends before it was told what to do.
    """

    def __init__(self, cgroup: str, log: Path) -> None:
        self._cgroup, self._log = cgroup, log
        self._mutex = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._requests: socket.socket | None = None
        self._spare: socket.socket | None = None

    def monitor(self, bundle: Path, lock: int, held: Sequence[int] = ()) -> dict[str, Any]:
        """Have a monitor live for this run directory; the answer is its first and only word. Raises MonitorLost.

        lock: the descriptor that holds the run directory's lock; it is the monitor's from now on.
        held: descriptors that it is to keep open until the container has ended.
        """
        try:
            with self._taken() as monitor:
                _tell(monitor, bundle, lock, held)
                self._restock()
                answer = _answer(monitor)
        finally:
            os.close(lock)
        if not answer:
            raise MonitorLost(f"the container's monitor was lost while it started; its own words, if any, are in {self._log}")
        values: dict[str, Any] = json.loads(answer)
        return values

    def warm_up(self) -> None:
        """Have a monitor in spare, without waiting for it, so that the first start need not."""
        with self._mutex:
            if self._spare is None:
                self._spare = self._asked_for()

    def close(self) -> None:
        """End the spawner; monitors that are at work live on. Again is no error."""
        with self._mutex:
            if self._spare is not None:
                self._spare.close()
                self._spare = None
            self._end()

    def _taken(self) -> socket.socket:
        """The socket of a monitor that nobody else has."""
        with self._mutex:
            monitor, self._spare = self._spare, None
            return monitor or self._asked_for()

    def _restock(self) -> None:
        """Have the next monitor come to be while this one is at work; that there is none is told to who needs it."""
        with self._mutex, suppress(EngineUnavailable, OSError):
            if self._spare is None and self._requests is not None:
                self._spare = self._asked_for()

    def _asked_for(self) -> socket.socket:
        """The socket of a monitor that is about to be. The mutex is held."""
        ours, theirs = socket.socketpair()
        with theirs:
            for _ in range(ATTEMPTS):
                with suppress(BrokenPipeError, ConnectionResetError):
                    socket.send_fds(self._connected(), [b"m"], [theirs.fileno()])
                    return ours
        ours.close()
        raise EngineUnavailable(f"monitors can't be started; the reason may be in {self._log}")

    def _connected(self) -> socket.socket:
        """The socket of a spawner that lives."""
        if self._process is None or self._process.poll() is not None or self._requests is None:
            self._end()
            self._start()
        assert self._requests is not None
        return self._requests

    def _start(self) -> None:
        self._requests, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._log.parent.mkdir(parents=True, exist_ok=True)
        argv = command(self._cgroup)
        trace.ran(*argv)
        with theirs, self._log.open("ab") as log:
            self._process = subprocess.Popen(
                argv,
                stdin=theirs.fileno(),
                stdout=subprocess.DEVNULL,
                stderr=log,
                cwd="/",
                env=ENVIRONMENT,
                start_new_session=True,
            )

    def _end(self) -> None:
        if self._requests is not None:
            self._requests.close()
            self._requests = None
        if self._process is not None:
            self._process.wait()  # the end of its stdin is its end
            self._process = None


def _tell(monitor: socket.socket, bundle: Path, lock: int, held: Sequence[int]) -> None:
    """Its orders; one that is lost won't answer."""
    with suppress(BrokenPipeError, ConnectionResetError):
        socket.send_fds(monitor, [os.fsencode(bundle)], [lock])
        for start in range(0, len(held), AT_ONCE):
            socket.send_fds(monitor, [b"h"], held[start : start + AT_ONCE])
        monitor.shutdown(socket.SHUT_WR)


def _answer(monitor: socket.socket) -> bytes:
    """All that it says; nothing where it is lost."""
    with suppress(ConnectionResetError):
        return b"".join(iter(lambda: monitor.recv(65536), b""))
    return b""


def command(cgroup: str) -> list[str]:
    """A Python without site-packages and without the caller's environment, that finds podlink and python-prctl alone."""
    places = [str(Path(podlink.__file__).absolute().parent.parent), str(process.place_of_prctl())]
    script = f"import sys; sys.path += {places!r}; from podlink.engine.runtime.monitor.spawner import main; main()"
    return [sys.executable, "-I", "-S", "-c", script, cgroup]
