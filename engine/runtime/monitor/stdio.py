"""What init has for stdin, stdout and stderr, and the ends of it that stay with the monitor.

              tty                           else
    stdin     the terminal                  interactive: a pipe; else /dev/null
    stdout    the terminal                  a pipe
    stderr    the terminal                  a pipe

runc makes the terminal (pty(7)) inside the container's own devpts, and sends its controlling end through `console.sock` before it
leaves. What comes out of a terminal is one stream, and is called stdout.
"""

import errno
import fcntl
import os
import select
import socket
import struct
import termios
from pathlib import Path

from podlink.engine.linux import sockets

CONSOLE = "console.sock"
PATIENCE = 5.0
"""Seconds for runc's message, which was sent before runc ended."""
ROOM = 64 * 1024
"""Bytes that wait to be taken by the container's stdin before clients have to wait."""


class Stdin:
    """The writing end of a container's stdin: what it doesn't take yet waits here. Without a descriptor everything is let go.

    is_open: whether anything is passed on; a terminal that is none to type at can still be given a size.
    """

    def __init__(self, descriptor: int = -1, is_terminal: bool = False, is_open: bool = True) -> None:
        self._descriptor = descriptor
        self._is_terminal = is_terminal
        self._waiting = bytearray()
        self._has_ended = not is_open
        if descriptor >= 0:
            os.set_blocking(descriptor, False)

    def has_room(self) -> bool:
        return len(self._waiting) < ROOM

    def feed(self, data: bytes) -> None:
        if self._descriptor >= 0 and not self._has_ended:
            self._waiting += data
            self.flush()

    def end(self) -> None:
        """Of a terminal there is none: what ends its input is a character that somebody types (termios(3), VEOF)."""
        self._has_ended = self._has_ended or not self._is_terminal
        self.flush()

    def interests(self) -> dict[int, int]:
        """The events of poll(2) to wait for."""
        return {self._descriptor: select.POLLOUT} if self._waiting else {}

    def flush(self) -> None:
        """Write what is taken."""
        try:
            while self._waiting:
                del self._waiting[: os.write(self._descriptor, self._waiting)]
        except BlockingIOError:
            return
        except OSError:  # nobody has the other end any more
            self._has_ended = True
            self._waiting.clear()
        if self._has_ended and not self._is_terminal:
            self.close()

    def resize(self, rows: int, columns: int) -> None:
        """TIOCSWINSZ: ioctl_tty(2). The kernel tells the container by SIGWINCH."""
        if self._is_terminal and self._descriptor >= 0:
            fcntl.ioctl(self._descriptor, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def close(self) -> None:
        """Let go of it. Again is no error."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1
        self._waiting.clear()


class Console:
    """The socket at which runc hands over a terminal. path: of this process's descriptor, and so short: unix(7)."""

    def __init__(self, bundle: Path) -> None:
        self._folder = os.open(bundle, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            self._listener = sockets.bind(bundle, CONSOLE, socket.SOCK_STREAM)
            self._listener.listen(1)
        except BaseException:
            os.close(self._folder)
            raise
        self.path = f"/proc/{os.getpid()}/fd/{self._folder}/{CONSOLE}"

    def receive(self) -> int:
        """The terminal's controlling end. Raises OSError where none was sent."""
        self._listener.settimeout(PATIENCE)
        connection, _ = self._listener.accept()
        with connection:
            connection.settimeout(PATIENCE)
            _, descriptors, _, _ = socket.recv_fds(connection, 4096, 1, socket.MSG_CMSG_CLOEXEC)
        if not descriptors:
            raise OSError(errno.EPROTO, "runc sent no terminal")
        return descriptors[0]

    def close(self) -> None:
        self._listener.close()
        os.close(self._folder)
