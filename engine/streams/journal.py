"""The journal of systemd as a log: its native protocol (https://systemd.io/JOURNAL_NATIVE_PROTOCOL), one datagram an entry.

MESSAGE=a whole line                    any bytes but newlines, of which a line has none inside
PRIORITY=6                              stdout; stderr has 3 (syslog(3))
CONTAINER_ID=1a2b…, CONTAINER_ID_FULL=…, CONTAINER_NAME=web, CONTAINER_TAG=…, SYSLOG_IDENTIFIER=…
CONTAINER_PARTIAL_MESSAGE=true          a piece; the next entry of this stream has more of the line
"""

import socket
import struct
from pathlib import Path

SOCKET = Path("/run/systemd/journal/socket")
PRIORITIES = {"stdout": b"6", "stderr": b"3"}
PATIENCE = 5
"""Seconds for a journal that takes nothing. Then its lines are lost, and said to be."""


class Journal:
    """A log of which the journal is the keeper. id, name: the container's; tag: what else to find it by, the name where empty."""

    def __init__(self, path: Path, id: str, name: str, tag: str = "") -> None:
        self._path = path
        self._socket: socket.socket | None = None
        self.trouble = ""
        fields = {"CONTAINER_ID": id[:12], "CONTAINER_ID_FULL": id, "CONTAINER_NAME": name}
        fields |= {"CONTAINER_TAG": tag} if tag else {}
        fields["SYSLOG_IDENTIFIER"] = tag or name
        self._about = b"".join(_field(key, value.encode()) for key, value in fields.items())

    def write(self, stream: str, at: int, chunk: bytes) -> None:
        """An entry for each line, and one for what has no end yet. The time of an entry is the journal's own."""
        *whole, rest = chunk.split(b"\n")
        for line in whole:
            self._send(stream, line, is_partial=False)
        if rest:
            self._send(stream, rest, is_partial=True)

    def waits(self) -> float:
        """Nobody reads here."""
        return 0.0

    def reopen(self) -> None:
        """Connect anew: the journal may have been started again."""
        self.close()

    def close(self) -> None:
        """Let go of the socket."""
        if self._socket:
            self._socket.close()
        self._socket = None

    def discard(self) -> None:
        """Nothing was sent."""
        self.close()

    def _send(self, stream: str, text: bytes, is_partial: bool) -> None:
        entry = _field("MESSAGE", text) + _field("PRIORITY", PRIORITIES[stream]) + self._about
        if is_partial:
            entry += _field("CONTAINER_PARTIAL_MESSAGE", b"true")
        try:
            self._connected().send(entry)
        except OSError as error:
            self.trouble = f"the journal has not got all of the log: {(error.strerror or str(error)).lower()}"
            self.close()

    def _connected(self) -> socket.socket:
        if self._socket is None:
            link = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
            try:
                link.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, struct.pack("@ll", PATIENCE, 0))
                link.connect(str(self._path))
            except OSError:
                link.close()
                raise
            self._socket = link
        return self._socket


def is_there(path: Path) -> bool:
    """Whether a journal listens: tried, not guessed."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as link:
        try:
            link.connect(str(path))
        except OSError:
            return False
    return True


def _field(key: str, value: bytes) -> bytes:
    """Values hold no newline: lines are split at them, and of names and tags they are refused."""
    return key.encode() + b"=" + value + b"\n"
