"""Values of rows that were just written or read, kept for those who ask next: of a state in memory, where nobody else writes.

    writing    put, clear ──▶ waits ── commit ──▶ find answers it          what is rolled back was never there
    reading    put ─────────▶ waits ── end ─────▶ the same                 whoever reads has the turn, so nobody writes meanwhile

`find` takes no turn: what it answers was committed, and nothing that was committed since contradicts it.
"""

from collections.abc import Hashable
from typing import Any, Generic, TypeVar

Value = TypeVar("Value")
Waiting = list[tuple["Kept[Any]", Hashable, Any]]
"""What a transaction changes once it is over: where, under which key (None: everywhere), and to what (None: it goes)."""
MOST = 4096
"""Values of one kind."""


class Kept(Generic[Value]):
    """Of one kind, by key. waiting: where the open transaction collects its changes; None keeps nothing."""

    def __init__(self, waiting: Waiting | None) -> None:
        self._waiting = waiting
        self._values: dict[Hashable, Value] = {}

    def find(self, key: Hashable) -> Value | None:
        """What is known to be there; None: the database has to be asked."""
        return self._values.get(key)

    def put(self, key: Hashable, value: Value) -> None:
        """This is there, as soon as the transaction that is open is over."""
        if self._waiting is not None:
            self._waiting.append((self, key, value))

    def drop(self, key: Hashable) -> None:
        """What is there under this key is to be asked for from then on."""
        if self._waiting is not None:
            self._waiting.append((self, key, None))

    def clear(self) -> None:
        """All of it."""
        self.drop(None)

    def settle(self, key: Hashable, value: Value | None) -> None:
        """The transaction is over."""
        if key is None or len(self._values) >= MOST:
            self._values = {}
        if value is not None:
            self._values[key] = value
        else:
            self._values.pop(key, None)
