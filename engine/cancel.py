"""A caller who may leave. What waits takes a `Cancel`, so that nobody waits for a client that is gone."""

from collections.abc import Callable
from typing import Protocol


class Cancel(Protocol):
    """A flag that is raised once. The adapter raises it when the client hangs up."""

    def is_set(self) -> bool:
        """Whether the caller has left."""
        ...

    def on_set(self, wake: Callable[[], None]) -> Callable[[], None]:
        """Have `wake` called when the flag is raised (at once if it is); the answer takes that back."""
        ...


class Never:
    """A caller who stays."""

    def is_set(self) -> bool:
        return False

    def on_set(self, wake: Callable[[], None]) -> Callable[[], None]:
        return lambda: None


NEVER = Never()
