"""Failures on demand: have the n-th change that a verb makes to the host fail, or kill the process there.

    def trip(step: Step) -> None:
        if step.number == 3:
            raise StorageFailed("no space left on device")

    start(wired(host, trip), "web")         # what does it leave behind?

Only changes are counted, each twice: as it is about to be made, and when it has been.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, cast

from podlink.engine.host import Host

CHANGES = {
    "storage": {"stage", "commit", "discard", "remove", "create", "mount", "unmount", "delete"},
    "runtime": {"run", "create", "start", "signal", "pause", "resume", "delete", "destroy"},
    "network": {"attach", "detach"},
    "containers": {"add", "mark_created", "mark_running", "mark_status", "mark_exited", "remove"},
    "images": {"add", "tag", "untag", "remove"},
}
"""The methods of each part that change something."""


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
        if name in CHANGES and self._name == "state":
            return Tripwire(found, name, self._told)
        if name not in CHANGES.get(self._name, ()):
            return found

        def told(*arguments: Any, **named: Any) -> Any:
            self._told(f"{self._name}.{name} before")
            answer = found(*arguments, **named)
            self._told(f"{self._name}.{name} after")
            return answer

        return told


def wired(host: Host, trip: Callable[[Step], None]) -> Host:
    """The host with a tripwire at each change."""
    count = 0

    def told(name: str) -> None:
        nonlocal count
        count += 1
        trip(Step(count, name))

    parts = {name: cast(Any, Tripwire(getattr(host, name), name, told)) for name in ("storage", "runtime", "network", "state")}
    return replace(host, **parts)
