"""How long a test waits for what has to come: some seconds, and as many times as many as this machine is slower than others.

No test tells time by how long something took: it waits until what is to come is there, and fails when it does not come at all.
"""

import subprocess
import sys
import time
from collections.abc import Callable
from functools import cache
from typing import TypeVar

USUAL = 0.05
"""Seconds that an interpreter takes from start to end on a machine with other work to do. Under emulation it is half a second."""
ENOUGH = 120.0
"""Seconds that nothing takes, however much else a machine has to do."""

Seen = TypeVar("Seen")


@cache
def slowness() -> float:
    """At least 1."""
    began = time.monotonic()
    subprocess.run([sys.executable, "-I", "-S", "-c", ""], check=True)
    return max(1.0, (time.monotonic() - began) / USUAL)


def patience(seconds: float = ENOUGH) -> float:
    """Of this machine. seconds: more than enough on any that is not emulated."""
    return seconds * slowness()


def until(
    true: Callable[[], Seen],
    told: Callable[[], object] | str = "it did not come",
    seconds: float = ENOUGH,
    pause: float = 0.01,
) -> Seen:
    """What `true` gives, once that is true. told: what to say or to look at if it never is. pause: seconds between two looks."""
    end = time.monotonic() + patience(seconds)
    while True:
        is_late = time.monotonic() > end  # asked before the look: there is one after the end, too
        if seen := true():
            return seen
        if is_late:
            raise AssertionError(f"{told if isinstance(told, str) else told()}; last seen: {seen!r}")
        time.sleep(pause)
