"""Times as images spell them (RFC 3339, section 5.6), exact to the nanosecond and back to year 1.

An image that wants to be reproducible is often dated 1970, or year 1, the zero time of Go's programs. So here, unlike in the
engine's own records, 0 is the epoch itself, and it is the zero time that means "not known": an image that says nothing of its
time and one that says year 1 are the same.

Python's datetime stops at microseconds, and images carry nine digits: the seconds go through datetime, the fraction past it.
"""

import re
from datetime import UTC, datetime, timedelta

from podlink.engine.errors import InvalidArchive

NANOSECONDS = 1_000_000_000
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
UNKNOWN = -62_135_596_800 * NANOSECONDS
"""`0001-01-01T00:00:00Z`."""
FORM = re.compile(r"(\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d)(?:\.(\d{1,30}))?([Zz]|[+-]\d\d:\d\d)", re.ASCII)


def rfc3339(moment: int) -> str:
    """`2026-11-23T08:53:50.664805896Z`: in UTC, the fraction without the zeros at its end."""
    seconds, fraction = divmod(moment, NANOSECONDS)
    calendar = (EPOCH + timedelta(seconds=seconds)).replace(tzinfo=None)
    return calendar.isoformat() + f".{fraction:09}".rstrip("0").rstrip(".") + "Z"


def parse(text: str) -> int:
    """Nanoseconds since the epoch, negative before 1970. Raises InvalidArchive for what is no RFC 3339 time."""
    if not (found := FORM.fullmatch(text)):
        raise InvalidArchive(f"not an RFC 3339 time: {text[:60]!r}")
    second, fraction, offset = found.groups(default="")
    # a leap second has no place of its own in the count; it is the last second of its minute
    second = re.sub(":60$", ":59", second.upper())
    try:
        moment = datetime.fromisoformat(second + offset.upper().replace("Z", "+00:00"))
        seconds = (moment - EPOCH) // timedelta(seconds=1)
    except (ValueError, OverflowError) as trouble:
        raise InvalidArchive(f"not an RFC 3339 time: {text[:60]!r}: {trouble}") from None
    return max(UNKNOWN, seconds * NANOSECONDS + int(fraction[:9].ljust(9, "0")))
