"""Whoever is attached to a container in a scenario: what is typed, and what is seen."""

from patience import patience

from podlink.engine.streams.attachment import SocketAttachment


class Attached:
    """By the sockets that GetAttachSockets answers."""

    def __init__(self, io_socket: str, control_socket: str) -> None:
        self._streams = SocketAttachment(io_socket, control_socket)
        self._seen: dict[str, bytes] = {}
        self._looked: dict[str, int] = {}
        """How far, by the name of the stream."""

    def type(self, text: str) -> None:
        """`\\n` is the newline, and `^D` the character that control and D make."""
        keys = [keys.encode() for keys in text.replace("\\n", "\n").split("^")]
        self._streams.send(keys[0] + b"".join(bytes([each[0] ^ 0x40]) + each[1:] for each in keys[1:]))

    def end(self) -> None:
        self._streams.end()

    def resize(self, rows: int, columns: int) -> None:
        self._streams.resize(rows, columns)

    def see(self, text: str) -> None:
        """Wait until it has come in one stream, behind what `see` found there before."""
        while not self._found(text.encode()):
            assert self._receive(), f"{text!r} did not come, but {self._seen}"

    def _found(self, text: bytes) -> bool:
        for name, seen in self._seen.items():
            if (place := seen.find(text, self._looked.get(name, 0))) >= 0:
                self._looked[name] = place + len(text)
                return True
        return False

    def all(self) -> dict[str, str]:
        """Wait for the container's end: what came, by the name of the stream."""
        while self._receive():
            pass
        return {name: seen.decode() for name, seen in sorted(self._seen.items())}

    def close(self) -> None:
        self._streams.close()

    def _receive(self) -> bool:
        """Whether there was more to come."""
        try:
            piece = self._streams.receive(patience())
        except TimeoutError:
            raise AssertionError(f"nothing more came, but {self._seen}") from None
        if piece is None:
            return False
        name, data = piece
        self._seen[name] = self._seen.get(name, b"") + data
        return True
