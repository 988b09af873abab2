"""The steps at which a fault can strike: the methods of a host's parts that change something."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

STEPS = {
    "storage": {"stage", "commit", "discard", "remove", "create", "mount", "unmount", "delete"},
    "runtime": {"run", "create", "start", "signal", "pause", "resume", "delete", "destroy"},
    "network": {"attach", "detach"},
    "containers": {"add", "mark_created", "mark_running", "mark_status", "mark_exited", "remove"},
    "images": {"add", "tag", "untag", "remove"},
}
"""The methods of each part that change something. `containers` and `images` are tables of the state."""


def steps() -> list[str]:
    """Every step by its name."""
    return sorted(f"{part}.{method}" for part, methods in STEPS.items() for method in methods)


def telling(step: str, method: Callable[..., Any], told: Callable[[str], None]) -> Callable[..., Any]:
    """The method, which tells of itself before and after: `storage.mount before`."""

    def tell(*arguments: Any, **named: Any) -> Any:
        told(f"{step} before")
        answer = method(*arguments, **named)
        told(f"{step} after")
        return answer

    return tell


@contextmanager
def shadowed(part: Any, name: str, make: Callable[[Any], Any]) -> Iterator[None]:
    """Have something else in front of an attribute of the part. What was in front of it before comes back."""
    own, before = vars(part).get(name), getattr(part, name)
    setattr(part, name, make(before))
    try:
        yield
    finally:
        if own is None:
            delattr(part, name)
        else:
            setattr(part, name, own)
