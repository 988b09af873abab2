"""Changes to an image's configuration, in the words of a Dockerfile: the `changes` of ImportImage and Commit.

    CMD=/bin/sh                one element, however many words: ["/bin/sh"]
    CMD ["/bin/sh", "-c"]      a JSON array: its elements
    ENV=A=B=C                  the variable A with the value B=C
    LABEL author=me            a space after the word does as well as an equals sign
    EXPOSE 80/tcp

Each change is one instruction. A value reaches to the end and is taken as it stands: no shell, no quotes, no variables.
The first ENV, EXPOSE, LABEL or VOLUME replaces what was inherited of its kind and the next ones add to it; the others
say one thing, and the last one counts.
"""

import json
import posixpath
import re
from collections.abc import Callable, Sequence
from dataclasses import replace

from podlink.engine.errors import InvalidRequest
from podlink.engine.linux import signals
from podlink.engine.oci.image.config import Execution

INSTRUCTION = re.compile(r"\s*(\w+)(?:\s*=|\s)\s*(.*?)\s*", re.DOTALL)
PORT = re.compile(r"(\d{1,5})(?:-(\d{1,5}))?(?:/(?:tcp|udp|sctp))?", re.ASCII)


def apply_changes(execution: Execution, changes: Sequence[str]) -> Execution:
    """What the image says once the changes are made. Raises InvalidRequest, naming the instruction."""
    begun: set[str] = set()
    for change in changes:
        word, value = _split(change)
        if word in COLLECTIONS:
            clear, add = COLLECTIONS[word]
            execution = add(execution if word in begun else clear(execution), value)
            begun.add(word)
        else:
            execution = SINGLE[word](execution, value)
    return execution


def _split(change: str) -> tuple[str, str]:
    """The instruction, in capitals, and its value."""
    found = INSTRUCTION.fullmatch(change)
    word = found[1].upper() if found else change.strip()
    if word not in SINGLE and word not in COLLECTIONS:
        raise InvalidRequest(
            f"changes: unknown instruction {word[:40]!r} in {change[:80]!r}; known are {', '.join([*SINGLE, *COLLECTIONS])}"
        )
    if not found:
        raise InvalidRequest(f"changes: {change[:80]!r} has no value; write {word}=VALUE")
    if "\0" in found[2]:
        raise InvalidRequest(f"changes: {word} has a NUL in its value")
    return word, found[2]


def _words(word: str, value: str) -> tuple[str, ...]:
    """The elements of a JSON array, or else the whole value as one; an empty value is none."""
    if not value.startswith("["):
        return (value,) if value else ()
    try:
        found = json.loads(value)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, list) or not all(isinstance(each, str) and "\0" not in each for each in found):
        raise InvalidRequest(f"changes: {word} {value[:80]!r} begins like a JSON array and is not one of strings")
    return tuple(found)


def _pair(word: str, value: str) -> tuple[str, str, str]:
    """`K=V`, or as old Dockerfiles have it `K V`: the key, what is between, the value."""
    separator = "=" if "=" in value else " "
    key, between, rest = value.partition(separator)
    if not key:
        raise InvalidRequest(f"changes: {word} {value[:80]!r} has no name; write {word}=NAME=VALUE")
    return key, between, rest


def _cmd(execution: Execution, value: str) -> Execution:
    return replace(execution, cmd=_words("CMD", value))


def _entrypoint(execution: Execution, value: str) -> Execution:
    return replace(execution, entrypoint=_words("ENTRYPOINT", value))


def _stop_signal(execution: Execution, value: str) -> Execution:
    """Checked here, because an image whose stop signal is none could not be stopped as it asks."""
    if not is_signal(value):
        raise InvalidRequest(f"changes: STOPSIGNAL {value[:40]!r} is neither the name nor the number of a signal")
    return replace(execution, stop_signal=value)


def is_signal(text: str) -> bool:
    """`SIGTERM`, `TERM`, `15`, `SIGRTMIN+3`: what signal(7) knows, with or without SIG in front."""
    if text.isascii() and text.isdecimal():
        return 1 <= int(text[:3]) <= signals.RTMAX
    name = text.upper().removeprefix("SIG")
    if found := re.fullmatch(r"(?:RTMIN\+|RTMAX-)(\d{1,2})", name, re.ASCII):
        return int(found[1]) <= signals.RTMAX - signals.RTMIN
    return name in ("RTMIN", "RTMAX") or signals.named(name) is not None


def _user(execution: Execution, value: str) -> Execution:
    return replace(execution, user=value)


def _working_dir(execution: Execution, value: str) -> Execution:
    """A relative path goes on from the one before."""
    return replace(execution, working_dir=posixpath.normpath(posixpath.join("/", execution.working_dir, value)))


def _env(execution: Execution, value: str) -> Execution:
    name, between, rest = _pair("ENV", value)
    if not between:
        raise InvalidRequest(f"changes: ENV {value[:80]!r} has no value; write ENV=NAME=VALUE")
    others = [entry for entry in execution.env if entry.partition("=")[0] != name]
    return replace(execution, env=(*others, f"{name}={rest}"))


def _label(execution: Execution, value: str) -> Execution:
    key, _, rest = _pair("LABEL", value)
    return replace(execution, labels={**execution.labels, key: rest})


def _expose(execution: Execution, value: str) -> Execution:
    """Ports, kept as they are spelled: `80`, `80/udp`, `8000-8010/tcp`; several with spaces between."""
    ports = value.split()
    for port in ports or [value]:
        found = PORT.fullmatch(port)
        first, last = (int(found[1]), int(found[2] or found[1])) if found else (0, 0)
        if not 1 <= first <= last <= 65535:
            raise InvalidRequest(f"changes: EXPOSE {port[:40]!r} is not a port such as 80, 80/udp or 8000-8010/tcp")
    return replace(execution, exposed_ports=tuple(dict.fromkeys((*execution.exposed_ports, *ports))))


def _volume(execution: Execution, value: str) -> Execution:
    paths = _words("VOLUME", value)
    if not paths or not all(path.startswith("/") for path in paths):
        raise InvalidRequest(f"changes: VOLUME {value[:80]!r} is not an absolute path")
    return replace(execution, volumes=tuple(dict.fromkeys((*execution.volumes, *paths))))


Change = Callable[[Execution, str], Execution]

SINGLE: dict[str, Change] = {
    "CMD": _cmd,
    "ENTRYPOINT": _entrypoint,
    "STOPSIGNAL": _stop_signal,
    "USER": _user,
    "WORKDIR": _working_dir,
}
"""Instructions that say one thing: the last one counts."""

COLLECTIONS: dict[str, tuple[Callable[[Execution], Execution], Change]] = {
    "ENV": (lambda execution: replace(execution, env=()), _env),
    "EXPOSE": (lambda execution: replace(execution, exposed_ports=()), _expose),
    "LABEL": (lambda execution: replace(execution, labels={}), _label),
    "VOLUME": (lambda execution: replace(execution, volumes=()), _volume),
}
"""Instructions that add to a collection: how to empty what was inherited, and how to add."""
