"""The sockets of one emulated run, for clients in other processes, and the thread that serves them."""

import os
import select
import shutil
import socket
import tempfile
from contextlib import suppress
from pathlib import Path

from podlink.engine.errors import NotHonoured
from podlink.engine.linux import sockets
from podlink.engine.runtime.base import Sockets
from podlink.engine.streams.attach import CONTROL, SOCKET, Attach, Owner

PARTING = 1.0
"""Seconds for those who are attached to read the last words."""
SHORT = Path("/tmp")
"""Where sockets live when the usual folder's path is too long to be connected to: unix(7)."""


class Desk:
    """owner: has the streams. Raises NotHonoured where this system has no such sockets (macOS)."""

    def __init__(self, owner: Owner) -> None:
        self._folder = _folder()
        try:
            self._attach = Attach(self._folder, owner)
        except OSError as error:
            shutil.rmtree(self._folder)
            reason = (error.strerror or str(error)).lower()
            raise NotHonoured("GetAttachSockets", f"this system has no SOCK_SEQPACKET ({reason}); attach in Python") from None
        self.sockets = Sockets(str(self._folder / SOCKET), str(self._folder / CONTROL))
        self._woken, self._waker = socket.socketpair()
        for end in (self._woken, self._waker):
            end.setblocking(False)
        self._is_over = False

    def send(self, stream: str, data: bytes) -> None:
        """Show it to everybody who is attached here; what a client does not take at once, the thread passes on."""
        if self._attach.send(stream, data):
            self.wake()

    def wake(self) -> None:
        """Have the thread look again at what there is to wait for."""
        with suppress(OSError):  # it is awake enough, or has ended
            self._waker.send(b"\0")

    def close(self) -> None:
        """The run is over: the thread parts from everybody and ends."""
        self._is_over = True
        self.wake()

    def serve(self) -> None:
        """What the thread does."""
        try:
            while not self._is_over:
                self._once()
            self._attach.part(PARTING)
        finally:
            self._woken.close()
            self._waker.close()
            shutil.rmtree(self._folder, ignore_errors=True)

    def _once(self) -> None:
        poll = select.poll()
        for descriptor, events in {**self._attach.interests(), self._woken.fileno(): select.POLLIN}.items():
            poll.register(descriptor, events)
        for descriptor, events in poll.poll():
            if descriptor == self._woken.fileno():
                self._woken.recv(4096)
            else:
                self._attach.ready(descriptor, events)


def _folder() -> Path:
    """A new one, of its owner alone, whose sockets can be connected to."""
    place = Path(tempfile.gettempdir())
    longest = len(os.fsencode(place / "podlink-12345678" / SOCKET))
    return Path(tempfile.mkdtemp(prefix="podlink-", dir=place if longest <= sockets.LONGEST else SHORT))
