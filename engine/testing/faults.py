"""Failures by number: have the n-th change that a verb makes to the host fail, or kill the process there.

    def trip(step: Step) -> None:
        if step.number == 3:
            raise StorageFailed("no space left on device")

    start(wired(host, trip), "web")         # what does it leave behind?

Only changes are counted (`podlink.engine.faults`), each twice: as it is about to be made, and when it has been.

`each_change` looks closer: every single message of netlink, transaction of nft, mount and process is a step, once it is done.
"""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, cast

from podlink.engine import trace
from podlink.engine.faults.steps import STEPS, telling
from podlink.engine.host import Host


@dataclass(frozen=True, slots=True)
class Step:
    """One moment of a verb: `storage.mount before` is number 1, `storage.mount after` number 2, and so on."""

    number: int
    name: str


class Tripwire:
    """A part of the host that tells `trip` of each change before it passes it on, and after."""

    def __init__(self, part: Any, name: str, told: Callable[[str], None]) -> None:
        self._part, self._name, self._told = part, name, told

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._part, name)
        if name in STEPS and self._name == "state":
            return Tripwire(found, name, self._told)
        if name not in STEPS.get(self._name, ()):
            return found
        return telling(f"{self._name}.{name}", found, self._told)


def wired(host: Host, trip: Callable[[Step], None]) -> Host:
    """The host with a tripwire at each change."""
    count = 0

    def told(name: str) -> None:
        nonlocal count
        count += 1
        trip(Step(count, name))

    parts = {name: cast(Any, Tripwire(getattr(host, name), name, told)) for name in ("storage", "runtime", "network", "state")}
    return replace(host, **parts)


class _Teller(logging.Handler):
    """Counts what the trace tells."""

    def __init__(self, trip: Callable[[Step], None]) -> None:
        super().__init__(logging.INFO)
        self._trip, self._count = trip, 0

    def emit(self, record: logging.LogRecord) -> None:
        self._count += 1
        self._trip(Step(self._count, record.getMessage()))


@contextmanager
def each_change(trip: Callable[[Step], None]) -> Iterator[None]:
    """Have `trip` told of each change to the host just after it was made. What it raises is raised there."""
    teller, level = _Teller(trip), trace.log.level
    trace.log.addHandler(teller)
    trace.log.setLevel(logging.INFO)
    try:
        yield
    finally:
        trace.log.removeHandler(teller)
        trace.log.setLevel(level)
