"""The machine that an engine runs on, as GetInfo tells of it."""

import os
import platform
import sys
from typing import Protocol

from podlink.engine.linux import proc


class Machine(Protocol):
    """kernel: its release; system: as Python calls it; sizes in bytes, uptime in seconds."""

    def hostname(self) -> str: ...

    def kernel(self) -> str: ...

    def system(self) -> str: ...

    def cpus(self) -> int: ...

    def memory(self) -> proc.Memory: ...

    def uptime(self) -> float: ...


class ThisMachine:
    """What is really there."""

    def hostname(self) -> str:
        return platform.node()

    def kernel(self) -> str:
        return platform.release()

    def system(self) -> str:
        return sys.platform

    def cpus(self) -> int:
        return os.cpu_count() or 1

    def memory(self) -> proc.Memory:
        return proc.memory()

    def uptime(self) -> float:
        return proc.uptime()
