"""The client's end of an attach: `with container.attach() as terminal: terminal.send(b"date\\n")`."""

import socket
from abc import ABC, abstractmethod
from contextlib import suppress
from pathlib import Path

from podlink.engine.streams.attach import PAYLOAD, STREAMS


class Attachment(ABC):
    """What a container's streams are to one who is attached, however that is done."""

    @abstractmethod
    def send(self, data: bytes) -> None:
        """Type it: all of it, waiting while the container does not read. Raises OSError where it has ended."""

    @abstractmethod
    def end(self) -> None:
        """The end of stdin, after all that was sent: waits as `send` does. What the container writes is still to be received.

        Nothing happens where the container has ended.
        """

    @abstractmethod
    def receive(self, timeout: float | None = None) -> tuple[str, bytes] | None:
        """The next piece, `("stdout", b"…")`; None when the container has ended or has left us behind.

        Raises TimeoutError after so many seconds without one.
        """

    @abstractmethod
    def resize(self, rows: int, columns: int) -> None:
        """Tell the terminal its size."""

    @abstractmethod
    def reopen_log(self) -> None:
        """Have the log opened anew, after it was moved away."""

    @abstractmethod
    def close(self) -> None:
        """Leave; the container goes on. Again is no error."""

    def __enter__(self) -> "Attachment":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class SocketAttachment(Attachment):
    """By the paths that GetAttachSockets answers. Raises OSError where nobody listens any more."""

    def __init__(self, io_socket: str, control_socket: str) -> None:
        self._control = Path(control_socket)
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        try:
            self._socket.connect(io_socket)
        except BaseException:
            self._socket.close()
            raise

    def send(self, data: bytes) -> None:
        for start in range(0, len(data), PAYLOAD):
            self._socket.sendall(data[start : start + PAYLOAD])

    def end(self) -> None:
        with suppress(ConnectionError):
            self._socket.send(b"")
            self._socket.shutdown(socket.SHUT_WR)

    def receive(self, timeout: float | None = None) -> tuple[str, bytes] | None:
        self._socket.settimeout(timeout)
        packet = self._socket.recv(PAYLOAD + 1)
        if not packet:
            return None
        names = {number: name for name, number in STREAMS.items()}
        return names[packet[:1]], packet[1:]

    def resize(self, rows: int, columns: int) -> None:
        self._command(f"1 {rows} {columns}")

    def reopen_log(self) -> None:
        self._command("2 0 0")

    def _command(self, line: str) -> None:
        with self._control.open("wb", buffering=0) as control:
            control.write(f"{line}\n".encode())

    def close(self) -> None:
        self._socket.close()
