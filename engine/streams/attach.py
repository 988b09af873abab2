"""Attach: what a client types and sees, live. The protocol is conmon's, so that clients which know that one know ours.

    client ── bytes ────────────▶ ┌────────┐ ──▶ stdin
           ◀── 0x02 bytes ─────── │ attach │ ◀── stdout, or the terminal
           ◀── 0x03 bytes ─────── └────────┘ ◀── stderr
           ── "1 ROWS COLUMNS" ──▶   ctl      ──▶ the size of the terminal
           ── "2 0 0" ───────────▶            ──▶ the log is opened anew

`attach` is a SOCK_SEQPACKET socket (unix(7)): a packet to the client is one byte that names the stream and at most PAYLOAD
bytes of it; a packet from the client is stdin. `ctl` is a FIFO of lines. An empty packet is the end of stdin, and so is the end
of a client's writing half (SHUT_WR); a client that closes its socket has left, and nothing ends with it. A half that ended just
before that looks the same to whoever comes to look later, so one who is to leave at once sends the packet.

A client that does not read is served from a queue of QUEUE bytes. When that is full the client is disconnected: neither is
anything left out for it, nor does the container wait.
"""

import os
import select
import socket
import threading
import time
from collections import deque
from contextlib import suppress
from pathlib import Path
from typing import Protocol

from podlink.engine.linux import sockets

SOCKET, CONTROL = "attach", "ctl"
STREAMS = {"stdout": b"\2", "stderr": b"\3"}
PAYLOAD = 8192
"""Bytes of a stream in one packet: clients of the time have room for as many, and a packet is cut to the room there is."""
QUEUE = 2**20
"""Bytes that wait for one client at most."""
LARGEST = 256 * 1024
"""Bytes: no client's packet can be larger, for no more fits in its send buffer."""
ANCILLARY = socket.CMSG_SPACE(12)
"""Bytes: a struct ucred, which comes with each packet (SO_PASSCRED) and not with the end. An empty packet is told by it."""
LINE = 256
"""Bytes of a line of the control FIFO."""
READ_END = select.POLLRDHUP if hasattr(select, "POLLRDHUP") else 0


class Owner(Protocol):
    """What clients ask for, done by whoever has the container's streams."""

    def has_room(self) -> bool:
        """Whether stdin takes more now. While it doesn't, clients' packets wait in their sockets."""
        ...

    def feed(self, data: bytes) -> None:
        """For stdin: take all of it."""
        ...

    def end(self) -> None:
        """Nothing more will come for stdin."""
        ...

    def resize(self, rows: int, columns: int) -> None:
        """The terminal has this size now."""
        ...

    def reopen(self) -> None:
        """The log is to be opened anew, for somebody has moved it."""
        ...


class Client:
    """One that is attached, and what waits for it."""

    def __init__(self, connection: socket.socket) -> None:
        connection.setblocking(False)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
        self.connection = connection
        self.queue: deque[bytes] = deque()
        self.queued = 0
        self.has_ended = False
        """Its stdin; it may still listen."""

    def send(self, packet: bytes) -> bool:
        """Whether the client keeps up."""
        self.queue.append(packet)
        self.queued += len(packet)
        return self.flush() and self.queued <= QUEUE

    def flush(self) -> bool:
        """Send what the socket takes; whether the client is still there."""
        try:
            while self.queue:
                self.connection.send(self.queue[0], socket.MSG_NOSIGNAL)
                self.queued -= len(self.queue.popleft())
        except BlockingIOError:
            return True
        except OSError:
            return False
        return True

    def close(self) -> None:
        """Part. What was sent and nobody will read is let go of first: unread, it would make a reset of the end there."""
        with suppress(OSError):
            self.connection.shutdown(socket.SHUT_RD)
            while self.connection.recv(LARGEST):
                pass
        self.connection.close()


class Attach:
    """The sockets of one container in `folder`, and everybody who is attached.

    It has no thread of its own: whoever owns it polls what `interests` names, and calls `ready` for what is. `send` may be
    called by any thread.
    """

    def __init__(self, folder: Path, owner: Owner) -> None:
        self._owner = owner
        self._clients: dict[int, Client] = {}
        self._lock = threading.RLock()
        self._line = b""
        self._listener = sockets.bind(folder, SOCKET, socket.SOCK_SEQPACKET)
        try:
            self._listener.setblocking(False)
            self._listener.listen(128)
            os.mkfifo(folder / CONTROL, 0o600)
            self._control = os.open(folder / CONTROL, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)  # it is its own writer: no end
        except BaseException:
            self._listener.close()
            raise

    def interests(self) -> dict[int, int]:
        """The events of poll(2) to wait for, by descriptor."""
        hungry = self._owner.has_room()
        with self._lock:
            found = {
                number: (select.POLLIN | READ_END if hungry and not client.has_ended else 0)
                | (select.POLLOUT if client.queue else 0)
                for number, client in self._clients.items()
            }
        return {self._listener.fileno(): select.POLLIN, self._control: select.POLLIN, **found}

    def ready(self, descriptor: int, events: int) -> None:
        """Something that `interests` named has happened."""
        if descriptor == self._listener.fileno():
            self._accept()
        elif descriptor == self._control:
            self._command()
        elif client := self._clients.get(descriptor):
            self._serve(client, events)

    def send(self, stream: str, data: bytes) -> bool:
        """Show it to everybody who is attached; whether there is now more to wait for than `interests` named.

        Those who have connected by now see it, too, though nobody has told us of them yet.
        """
        with self._lock:
            is_more = self._accept()
            for start in range(0, len(data), PAYLOAD) if self._clients else ():
                packet = STREAMS[stream] + data[start : start + PAYLOAD]
                for client in list(self._clients.values()):
                    if not client.send(packet):
                        self._drop(client)
            return is_more or self.waits

    @property
    def waits(self) -> bool:
        """Whether anything is queued for anybody."""
        with self._lock:
            return any(client.queue for client in self._clients.values())

    def part(self, seconds: float) -> None:
        """Give everybody so long to read what waits for them, then close."""
        deadline = time.monotonic() + seconds
        self._accept()
        while self.waits and (left := deadline - time.monotonic()) > 0:
            poll = select.poll()
            for descriptor, events in self.interests().items():
                poll.register(descriptor, events)
            for descriptor, events in poll.poll(left * 1000):
                self.ready(descriptor, events)
        self.close()

    def close(self) -> None:
        """Everybody is disconnected. The files stay: they go with their folder."""
        with self._lock:
            for client in list(self._clients.values()):
                self._drop(client)
            self._listener.close()
            os.close(self._control)

    def _accept(self) -> bool:
        """Whether anybody came."""
        before = len(self._clients)
        with self._lock, suppress(OSError):  # there is nobody more
            while True:
                connection, _ = self._listener.accept()
                self._clients[connection.fileno()] = Client(connection)
        return len(self._clients) > before

    def _serve(self, client: Client, events: int) -> None:
        if events & select.POLLOUT and not client.flush():
            return self._drop(client)
        if events & (select.POLLIN | READ_END | select.POLLHUP | select.POLLERR):
            self._receive(client, events)
        return None

    def _receive(self, client: Client, events: int) -> None:
        """One packet to stdin; or the end of what this client has to say; or its end."""
        try:
            data, credentials, _, _ = client.connection.recvmsg(LARGEST, ANCILLARY)
        except BlockingIOError:
            return None
        except OSError:
            return self._drop(client)
        if data:
            return self._owner.feed(data)
        if not credentials and events & (select.POLLHUP | select.POLLERR):
            return self._drop(client)
        if not client.has_ended:
            client.has_ended = True
            self._owner.end()
        return None

    def _drop(self, client: Client) -> None:
        with self._lock:
            self._clients.pop(client.connection.fileno(), None)
            client.close()

    def _command(self) -> None:
        with suppress(BlockingIOError):
            self._line += os.read(self._control, 4096)
        *lines, self._line = self._line.split(b"\n")
        self._line = self._line[-LINE:]
        for line in lines:
            match line.split():
                case [b"1", rows, columns] if _is_size(rows) and _is_size(columns):
                    self._owner.resize(int(rows), int(columns))
                case [b"2", *_]:
                    self._owner.reopen()


def _is_size(word: bytes) -> bool:
    """Whether it is a number that struct winsize has room for: ioctl_tty(2)."""
    return word.isdigit() and int(word) < 2**16
