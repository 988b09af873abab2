"""`process.capabilities`: which of root's powers the container holds. runtime-spec, config.md, "Linux Process"; capabilities(7).

Root inside a container is the host's root with most of its powers taken away. What is left is what a package manager, a
web server or a login needs: change owners and modes, bind low ports, switch users, signal its own.

Five sets decide what a program has after execve(2):

    bounding      nothing outside it is ever gained, not by a setuid program either
    permitted     what the process may switch on
    effective     what is switched on
    inheritable   } kept over execve(2) by a process that is not root, when both hold it
    ambient       }
"""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

from podlink.engine.errors import InvalidRequest, NotHonoured
from podlink.engine.linux.capabilities import NAMES

DEFAULT = frozenset(
    {
        "CAP_CHOWN",
        "CAP_DAC_OVERRIDE",
        "CAP_FOWNER",
        "CAP_FSETID",
        "CAP_KILL",
        "CAP_NET_BIND_SERVICE",
        "CAP_SETFCAP",
        "CAP_SETGID",
        "CAP_SETPCAP",
        "CAP_SETUID",
        "CAP_SYS_CHROOT",
    }
)
"""The default of today's podman: containers.conf(5), default_capabilities.

Earlier ones, and docker, also gave CAP_AUDIT_WRITE, CAP_MKNOD and CAP_NET_RAW. The last lets a container forge packets on a
shared bridge; who needs one of the three adds it.
"""

ALL = "ALL"


@dataclass(frozen=True, slots=True)
class Granted:
    """bounding: all that the container may ever hold, added: those that were asked for by name (or all); both in kernel order."""

    bounding: tuple[str, ...]
    added: tuple[str, ...] = ()


@lru_cache(maxsize=64)
def resolve(cap_add: tuple[str, ...], cap_drop: tuple[str, ...], privileged: bool, available: frozenset[str]) -> Granted:
    """What a request for capabilities comes to on a host that has the `available` ones.

    The start is the default set, all for a privileged container, none when ALL is dropped; then what is added, less what
    is dropped. Names go with or without `CAP_`, in any case. Raises InvalidRequest for a name that is none and for one
    that is both added and dropped, NotHonoured for one that was asked for by name and that the host lacks.
    """
    add, drop = _named("cap_add", cap_add), _named("cap_drop", cap_drop)
    if both := sorted(add & drop):
        raise InvalidRequest(f"cap_add: {both[0]} is also in cap_drop; leave it out of one of them")
    if lacking := _ordered(add - {ALL} - available):
        raise NotHonoured("cap_add", f"{lacking[0]} is not in this host's bounding set, so no container can have it")
    added = (available if ALL in add else add) - drop
    start = available if privileged else DEFAULT & available
    kept = frozenset() if ALL in drop else start - drop
    return Granted(bounding=_ordered(kept | added), added=_ordered(added))


def sets(granted: Granted, uid: int) -> dict[str, list[str]]:
    """The five sets for an init that runs as `uid`.

    Root gets all at once; the inheritable set stays empty, or a program with file capabilities would gain from it. Any
    other user gets, as with podman, only what was added by name, and keeps it over execve(2) by the ambient set; the bounding
    set stays, so that sudo(8) and su(1) work inside.
    """
    bounding, added = list(granted.bounding), list(granted.added)
    held, kept = (bounding, []) if uid == 0 else (added, added)
    return {"bounding": bounding, "effective": held, "permitted": list(held), "inheritable": list(kept), "ambient": list(kept)}


def _named(field: str, words: Iterable[str]) -> frozenset[str]:
    """The full names of what was asked for."""
    return frozenset(_name(field, word) for word in words)


def _name(field: str, word: str) -> str:
    upper = word.strip().upper()
    name = upper if upper == ALL or upper.startswith("CAP_") else f"CAP_{upper}"
    if name != ALL and name not in NAMES:
        raise InvalidRequest(f"{field}: {word!r} is not a capability; see capabilities(7) for their names, or say ALL")
    return name


def _ordered(names: frozenset[str]) -> tuple[str, ...]:
    """In the order of the kernel's numbers, so that the same set is always written alike."""
    return tuple(name for name in NAMES if name in names)
