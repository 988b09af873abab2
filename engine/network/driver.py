"""The network of a container: what the engine asks of whatever wires it.

Only the modes that need nothing built are there yet (`local.py`): none, host, and a private namespace with loopback.
"""

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Attachment:
    """The network namespace that a container is to run in: `private` (a fresh one), `host`, or the path of one."""

    namespace: str


class Network(Protocol):
    """Refusals are NotHonoured (a mode that is not there) or ErrorOccurred."""

    def attach(self, container: str, mode: str) -> Attachment:
        """Wire a container before it starts. mode: `private`, `none` or `host`."""
        ...

    def detach(self, container: str) -> None:
        """Undo `attach`. Again is no error."""
        ...
