"""Moments as text. Inside the engine a moment is nanoseconds since the epoch, UTC; 0 is "never"."""

import time

NEVER = "0001-01-01T00:00:00Z"


def rfc3339(moment: int) -> str:
    """`2026-11-23T08:53:52.567919676Z`: RFC 3339 with as many digits as are needed; year 1 for "never"."""
    if not moment:
        return NEVER
    seconds, nanoseconds = divmod(moment, 10**9)
    fraction = f".{nanoseconds:09}".rstrip("0").rstrip(".")
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds)) + fraction + "Z"
