"""How long a test waits for what has to come: some seconds, and as many times as many as this machine is slower than others."""

import subprocess
import sys
import time
from functools import cache

USUAL = 0.05
"""Seconds that an interpreter takes from start to end on a machine with other work to do. Under emulation it is half a second."""


@cache
def slowness() -> float:
    """At least 1."""
    began = time.monotonic()
    subprocess.run([sys.executable, "-I", "-S", "-c", ""], check=True)
    return max(1.0, (time.monotonic() - began) / USUAL)


def patience(seconds: float) -> float:
    """Of this machine. seconds: more than enough on any that is not emulated."""
    return seconds * slowness()
