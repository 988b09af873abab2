"""The machine that emulated containers run on. There is none: it is made up, and the same wherever the emulator runs."""

from podlink.engine.clock import Clock
from podlink.engine.linux.proc import Memory

HOSTNAME = "emulated"
KERNEL = "6.1.0"
CPUS = 4
MEMORY = 8 * 2**30
FREE = 6 * 2**30
"""Bytes."""


class EmulatedMachine:
    """clock: by which it is up since this was made."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._since = clock.monotonic()

    def hostname(self) -> str:
        return HOSTNAME

    def kernel(self) -> str:
        return KERNEL

    def system(self) -> str:
        return "linux"

    def cpus(self) -> int:
        return CPUS

    def memory(self) -> Memory:
        return Memory(total=MEMORY, free=FREE, swap_total=0, swap_free=0)

    def uptime(self) -> float:
        return self._clock.monotonic() - self._since
