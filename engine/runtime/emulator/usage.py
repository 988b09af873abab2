"""What a run has moved, and how much memory it may have. Counted, not measured: so it adds up, and is the same everywhere."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from podlink.engine.runtime.emulator.machine import MEMORY

RESIDENT = 512 * 1024
"""Bytes of memory that a process is reckoned at, beside what it allocates."""
BUFFER = 64 * 1024
"""Bytes that a shell or a command has for itself; what it keeps beyond them counts."""


MOST = 64 * 2**20
"""Bytes that it may keep at all: these are really there, in the process that has the emulator, so this is where memory ends."""


@dataclass
class Usage:
    """Bytes through files and through the network, since the run began."""

    read: int = 0
    written: int = 0
    received: int = 0
    sent: int = 0


def room(spec: Mapping[str, Any]) -> int:
    """Bytes of memory that the spec's container may use: its limit, and never more than the machine has."""
    limit: int = spec.get("linux", {}).get("resources", {}).get("memory", {}).get("limit", 0)
    return limit if 0 < limit < MEMORY else MEMORY
