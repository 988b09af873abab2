"""Values as the interface spells them: times and durations in the notation of Go's programs, which its clients parse.

The form of each is that of Go's standard library, package time: Time.String and Duration.String.
"""

import json
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

SECOND = 10**9
UNITS = (("ns", 1), ("µs", 10**3), ("ms", 10**6))
"""What a duration of less than a second is told in, with the nanoseconds that each one holds."""


def go_time(nanoseconds: int) -> str:
    """A moment since the epoch as Go's Time.String has it: `2026-11-23 08:53:52.567919676 +0000 UTC`."""
    seconds, fraction = divmod(nanoseconds, SECOND)
    return f"{datetime(1970, 1, 1) + timedelta(seconds=seconds)}{_fraction(fraction, 9)} +0000 UTC"


def go_duration(nanoseconds: int) -> str:
    """As Go's Duration.String has it: `0s`, `42.064186ms`, `1m9.460888691s`, `3h0m0.5s`."""
    if nanoseconds < 0:
        return "-" + go_duration(-nanoseconds)
    if 0 < nanoseconds < SECOND:
        unit, size = next((unit, size) for unit, size in reversed(UNITS) if nanoseconds >= size)
        return f"{nanoseconds // size}{_fraction(nanoseconds % size, len(str(size)) - 1)}{unit}"
    seconds, fraction = divmod(nanoseconds, SECOND)
    minutes, hours = seconds // 60, seconds // 3600
    front = (f"{hours}h" if hours else "") + (f"{minutes % 60}m" if minutes else "")
    return f"{front}{seconds % 60}{_fraction(fraction, 9)}s"


def go_uptime(seconds: float) -> str:
    """As the original tells how long the host is up: `2h 10m 50.75s (Approximately 0.08 days)`, whole hours making the days."""
    spaced = go_duration(round(seconds * SECOND)).replace("h", "h ").replace("m", "m ")
    hours = int(seconds // 3600)
    return f"{spaced} (Approximately {hours / 24:.2f} days)" if hours else spaced


def compact(document: Mapping[str, Any]) -> str:
    """JSON without white space, for the replies that carry a document as a string."""
    return json.dumps(document, separators=(",", ":"), ensure_ascii=False)


def _fraction(value: int, digits: int) -> str:
    """A decimal fraction with its dot and without the zeros at its end; nothing for none."""
    return f".{value:0{digits}}".rstrip("0") if value else ""
