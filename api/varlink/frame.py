"""Messages on a stream: a JSON object in UTF-8, then a NUL byte."""

import json
from collections import deque
from collections.abc import Mapping
from socket import socket as Socket
from typing import Any

LIMIT = 16 * 2**20
"""Bytes of the longest message that is taken."""
NESTING = 256
"""How deep brackets may be nested in a message; the deepest that the interface needs is 5."""
CHUNK = 65536

_encode = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode


class Malformed(ValueError):
    """What came is no message: the connection has no meaning any more and is closed."""


def encode(message: Mapping[str, Any]) -> bytes:
    """A message as it goes on the wire, NUL included. Compact; text that isn't valid Unicode goes as escapes."""
    try:
        return _encode(message).encode() + b"\0"
    except UnicodeEncodeError:  # a lone surrogate, from a name that is not UTF-8
        return json.dumps(message, separators=(",", ":"), allow_nan=False).encode() + b"\0"


def decode(text: bytes) -> dict[str, Any]:
    """The JSON object of a message. Raises Malformed."""
    if _too_deep(text):
        raise Malformed(f"a message nested deeper than {NESTING}")
    try:
        message = json.loads(text.decode(), parse_constant=_refuse)
    except (ValueError, RecursionError) as error:
        raise Malformed(f"not JSON: {error}") from None
    if type(message) is not dict:
        raise Malformed("not a JSON object")
    return message


def _refuse(word: str) -> None:
    raise ValueError(f"{word} is not JSON")


def _too_deep(text: bytes) -> bool:
    """Whether brackets are nested too deep, told before the parser recurses. Brackets within strings count too where there
    are many of them: then the exact walk decides."""
    if text.count(b"[") + text.count(b"{") <= NESTING:
        return False
    depth, inside, escaped = 0, False, False
    for byte in text:
        if inside:
            inside, escaped = escaped or byte != 0x22, byte == 0x5C and not escaped
        elif byte == 0x22:
            inside = True
        elif byte in b"[{":
            depth += 1
            if depth > NESTING:
                return True
        elif byte in b"]}":
            depth -= 1
    return False


class Reader:
    """The messages that come over a socket, in order. What is read ahead is kept; memory is bounded by the limit."""

    def __init__(self, socket: Socket, limit: int = LIMIT) -> None:
        self._socket, self._limit = socket, limit
        self._ready: deque[bytes] = deque()
        self._rest = bytearray()

    def next(self) -> bytes | None:
        """The next message without its NUL; None at the end of the stream. Raises Malformed when it is too long."""
        while not self._ready:
            chunk = self._socket.recv(CHUNK)
            if not chunk:
                return None
            *whole, rest = chunk.split(b"\0")
            if whole:
                self._rest += whole[0]
                self._ready.append(bytes(self._rest))
                self._ready.extend(whole[1:])
                self._rest = bytearray(rest)
            else:
                self._rest += rest
            if len(self._rest) > self._limit or len(self._ready[0] if self._ready else b"") > self._limit:
                raise Malformed(f"a message longer than {self._limit} bytes")
        return self._ready.popleft()
