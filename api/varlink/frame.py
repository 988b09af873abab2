"""Messages on a stream: a JSON object in UTF-8, then a NUL byte."""

import json
import re
import secrets
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from socket import socket as Socket
from typing import Any

LIMIT = 16 * 2**20
"""Bytes of the longest message that a service takes. What a client takes is the client's affair."""
NESTING = 256
"""How deep brackets may be nested in a message; the deepest that the interface needs is 5."""
CHUNK = 65536
TOKENS = re.compile(rb'"(?:[^"\\]|\\.)*+"?|[\[\]{}]', re.DOTALL)
"""What nesting is told by: brackets, and strings, in which brackets are text."""

_encode = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode


class Malformed(ValueError):
    """What came is no message: the connection has no meaning any more and is closed."""


def encode(message: Mapping[str, Any]) -> bytes:
    """A message as it goes on the wire, NUL included. Compact; text that isn't valid Unicode goes as escapes."""
    return _utf8(_encode(message)) + b"\0"


@dataclass(frozen=True, eq=False)
class Batches:
    """An array of a message that need not fit into memory: its elements, some at a time, encoded as they come."""

    items: Iterable[Sequence[Any]]


def pieces(message: Mapping[str, Any]) -> Iterator[bytes]:
    """The same as `encode`, a piece after the other, where the message holds `Batches`."""
    found: list[Batches] = []
    mark = secrets.token_hex(16)

    def stand_in(value: object) -> str:
        if not isinstance(value, Batches):
            raise TypeError(f"{type(value).__name__} is no value of a message")
        found.append(value)
        return mark

    text = json.dumps(message, separators=(",", ":"), ensure_ascii=False, allow_nan=False, default=stand_in)
    before, *rest = text.split(f'"{mark}"')
    for batches, after in zip(found, rest, strict=True):
        yield _utf8(before + "[")
        comma = ""
        for batch in batches.items:
            if batch:
                yield _utf8(comma + _encode(batch)[1:-1])
                comma = ","
        before = "]" + after
    yield _utf8(before) + b"\0"


def _utf8(text: str) -> bytes:
    """Encoded; a lone surrogate, which only strings can hold, as its escape."""
    try:
        return text.encode()
    except UnicodeEncodeError:
        return re.sub("[\ud800-\udfff]", lambda found: f"\\u{ord(found[0]):04x}", text).encode()


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
    depth = 0
    for found in TOKENS.finditer(text):
        if found[0] in (b"[", b"{"):
            depth += 1
            if depth > NESTING:
                return True
        elif found[0] in (b"]", b"}"):
            depth -= 1
    return False


class Reader:
    """The messages that come over a socket, in order. What is read ahead is kept. limit: bytes of a message; None is any."""

    def __init__(self, socket: Socket, limit: int | None = LIMIT) -> None:
        self._socket, self._limit = socket, limit
        self._ready: deque[bytes] = deque()
        self._rest = bytearray()

    def has_more(self) -> bool:
        """Whether a message was read ahead."""
        return bool(self._ready)

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
            if self._limit is not None and max(len(self._rest), len(self._ready[0]) if self._ready else 0) > self._limit:
                raise Malformed(f"a message longer than {self._limit} bytes")
        return self._ready.popleft()
