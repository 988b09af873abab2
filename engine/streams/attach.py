"""Attach: what a client types and sees, live. The protocol is conmon's, so that clients which know that one know ours.

    client ── bytes ────────────▶ ┌────────┐ ──▶ stdin
           ◀── 0x02 bytes ─────── │ attach │ ◀── stdout, or the terminal
           ◀── 0x03 bytes ─────── └────────┘ ◀── stderr
           ── "1 ROWS COLUMNS" ──▶   ctl      ──▶ the size of the terminal
           ── "2 0 0" ───────────▶            ──▶ the log is opened anew

`attach` is a SOCK_SEQPACKET socket (unix(7)): a packet to the client is one byte that names the stream and at most PAYLOAD
bytes of it; a packet from the client is stdin. `ctl` is a FIFO of lines. The end of a client's writing half
(SHUT_WR) is the end of stdin; a client that closes its socket has left, and nothing ends with it.

A client that does not read is served from a queue of QUEUE bytes. When that is full the client is disconnected: neither is
anything left out for it, nor does the container wait.
"""

import os
import select
import socket
import threading
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

    def send(self, stream: str, data: bytes) -> None:
        """Show it to everybody who is attached."""
        with self._lock:
            if not self._clients:
                return
            for start in range(0, len(data), PAYLOAD):
                packet = STREAMS[stream] + data[start : start + PAYLOAD]
                for client in list(self._clients.values()):
                    if not client.send(packet):
                        self._drop(client)

    @property
    def waits(self) -> bool:
        """Whether anything is queued for anybody."""
        with self._lock:
            return any(client.queue for client in self._clients.values())

    def close(self) -> None:
        """Everybody is disconnected. The files stay: they go with their folder."""
        with self._lock:
            for client in list(self._clients.values()):
                self._drop(client)
            self._listener.close()
            os.close(self._control)

    def _accept(self) -> None:
        with suppress(OSError):
            connection, _ = self._listener.accept()
            with self._lock:
                self._clients[connection.fileno()] = Client(connection)

    def _serve(self, client: Client, events: int) -> None:
        if events & select.POLLOUT and not client.flush():
            return self._drop(client)
        if events & (select.POLLIN | READ_END | select.POLLHUP | select.POLLERR):
            self._receive(client, events)
        return None

    def _receive(self, client: Client, events: int) -> None:
        """One packet to stdin; or the end of what this client has to say; or its end."""
        try:
            data = client.connection.recv(LARGEST)
        except BlockingIOError:
            return None
        except OSError:
            return self._drop(client)
        if data:
            return self._owner.feed(data)
        if events & (select.POLLHUP | select.POLLERR):
            return self._drop(client)
        if events & READ_END:
            client.has_ended = True
            self._owner.end()
        return None  # else an empty packet, which is nothing

    def _drop(self, client: Client) -> None:
        with self._lock:
            self._clients.pop(client.connection.fileno(), None)
            client.connection.close()

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


class Attachment:
    """The client's end: `with container.attach() as terminal: terminal.send(b"date\\n")`.

    io_socket, control_socket: the paths that GetAttachSockets answers. Raises OSError where nobody listens any more.
    """

    def __init__(self, io_socket: str, control_socket: str) -> None:
        self.control = control_socket
        """The FIFO of commands."""
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        try:
            self._socket.connect(io_socket)
        except BaseException:
            self._socket.close()
            raise

    def send(self, data: bytes) -> None:
        """Type it: all of it, waiting while the container does not read."""
        for start in range(0, len(data), PAYLOAD):
            self._socket.sendall(data[start : start + PAYLOAD])

    def end(self) -> None:
        """The end of stdin; what the container writes is still to be received."""
        self._socket.shutdown(socket.SHUT_WR)

    def receive(self, timeout: float | None = None) -> tuple[str, bytes] | None:
        """The next piece, `("stdout", b"…")`; None when the container has ended or has left us behind.

        Raises TimeoutError after so many seconds without one.
        """
        self._socket.settimeout(timeout)
        packet = self._socket.recv(PAYLOAD + 1)
        if not packet:
            return None
        names = {number: name for name, number in STREAMS.items()}
        return names[packet[:1]], packet[1:]

    def resize(self, rows: int, columns: int) -> None:
        """Tell the terminal its size."""
        with Path(self.control).open("wb", buffering=0) as control:
            control.write(f"1 {rows} {columns}\n".encode())

    def reopen_log(self) -> None:
        """Have the log opened anew, after it was moved away."""
        with Path(self.control).open("wb", buffering=0) as control:
            control.write(b"2 0 0\n")

    def close(self) -> None:
        """Leave; the container goes on."""
        self._socket.close()

    def __enter__(self) -> "Attachment":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
