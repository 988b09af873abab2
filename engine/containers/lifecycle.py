"""The states of a container, and the one way to change them.

                create            start                    pause
    (nothing) ────────▶ configured ──────▶ running ◀─────────────▶ paused
                            │    ▲           │      unpause          │
                            │    │ start     │ its init ends         │
                            ▼    │           ▼                       │
                   remove (nothing) ◀───── exited ◀──────────────────┘

    configured, exited ── GetAttachSockets ──▶ created ── start ──▶ running         an init that waits has its streams already

A verb holds the container's lock while it changes it, never while it waits. What the host did by itself meanwhile (an
init that ended) is in the exit record that the monitor wrote; whoever takes the lock folds it in first, so that a verb
always starts from the truth.
"""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from podlink.engine.containers.discard import discard
from podlink.engine.containers.kept import is_kept
from podlink.engine.containers.names import tell_neighbours
from podlink.engine.errors import ContainerNotFound, EngineError, InvalidState, StorageFailed
from podlink.engine.host import Host
from podlink.engine.runtime import exits
from podlink.engine.runtime.base import Process
from podlink.engine.runtime.exits import Exit
from podlink.engine.state.values import Container, Status

log = logging.getLogger(__name__)

LIVE = frozenset({Status.CREATED, Status.RUNNING, Status.PAUSED})
"""In these an init exists."""

LEGAL = {
    "start": {Status.CONFIGURED, Status.CREATED, Status.EXITED},
    "stop": {Status.CREATED, Status.RUNNING, Status.PAUSED, Status.EXITED},
    "kill": {Status.CREATED, Status.RUNNING, Status.PAUSED},
    "pause": {Status.RUNNING},
    "unpause": {Status.PAUSED},
    "list the processes of": {Status.RUNNING, Status.PAUSED},
    "remove": {Status.CONFIGURED, Status.CREATED, Status.EXITED},
}

UNSEEN = -1
"""The exit code of a run whose end nobody saw: no status of a process, so that it can't be taken for one."""


def committing(host: Host, container: str) -> Path:
    """A mark in the container's directory while Commit has it frozen: it runs, and is to be thawed should the engine die."""
    return host.directory(container) / "committing"


def require(container: Container, verb: str) -> None:
    """Raise InvalidState unless the verb is legal in the container's state."""
    if container.status not in LEGAL[verb]:
        hint = "; remove it by force, or stop it first" if verb == "remove" else ""
        raise InvalidState(f"cannot {verb} container {container.name} ({container.id[:12]}): it is {container.status}{hint}")


def readable(container: Container) -> Container:
    """The container, whose settings matter now. Raises InvalidState where they can't be read."""
    if container.unreadable:
        raise InvalidState(f"container {container.name} ({container.id[:12]}): {container.unreadable}")
    return container


def process_of(container: Container) -> Process:
    """The init of the container's last start."""
    return Process(container.pid, container.pid_start, container.boot)


@contextmanager
def locked(host: Host, name: str, found: Container | None = None) -> Iterator[Container]:
    """The container, alone and up to date, for as long as the block lasts. Raises ContainerNotFound(name).

    found: which one that is, where it is known already.
    """
    container = (found or host.state.containers.find(name)).id
    with host.state.locks.hold(container):
        row = brought_up_to_date(host, container)
        if row is None:
            raise ContainerNotFound(name)
        yield row


def brought_up_to_date(host: Host, container: str) -> Container | None:
    """The container with this ID, what happened on the host folded in. None: it is gone, and its lock goes with it, which the
    caller holds, perhaps since its last holder had gone."""
    try:
        return fold(host, host.state.containers.get(container))
    except ContainerNotFound:
        host.state.locks.forget(container)
        return None


def ended(host: Host, container: Container) -> Exit | None:
    """How the run that the row speaks of, or a later one, ended; None while it lives. Reads; changes nothing."""
    record = host.runtime.exit_of(host.directory(container.id))
    if record and (record.number > container.start or (record.number == container.start and container.status in LIVE)):
        return record
    if container.status not in LIVE or host.runtime.alive(process_of(container)) or not host.runtime.settled(container.id):
        return None
    record = host.runtime.exit_of(host.directory(container.id))  # it may have come while we looked
    if record and record.number >= container.start:
        return record
    return Exit(
        number=container.start,
        code=UNSEEN,
        at=host.clock.now(),
        error="its end was not seen: the monitor or the host went down while it ran",
    )


def fold(host: Host, container: Container) -> Container:
    """Bring the row up to what happened on the host. The caller holds the container's lock.

    Raises ContainerNotFound where that removes the container (`rm`). What the disk refuses to have written down is tried again
    (`host.arrears`).
    """
    try:
        now = _folded(host, container)
        if now.config.rm and now.status is Status.EXITED and not is_kept(host, container.id):
            discard(host, now)
            raise ContainerNotFound(container.id)
    except StorageFailed:
        host.arrears.add(container.id)
        raise
    return now


def _folded(host: Host, container: Container) -> Container:
    if record := ended(host, container):
        return conclude(host, container, record)
    if container.status not in LIVE and (found := host.runtime.running(container.id)) and found[0] > container.start:
        return _catch_up(host, container, *found)  # a start whose engine died before it could say so
    if container.status is Status.CREATED and not host.runtime.waits(container.id):
        return _catch_up(host, container, container.start, process_of(container))
    return container


def _catch_up(host: Host, container: Container, number: int, process: Process) -> Container:
    """Write down what an engine that died had done: an init that waits, or one that runs."""
    known: dict[str, Any] = {"start": number, "pid": process.pid, "pid_start": process.start, "boot": process.boot}
    if host.runtime.waits(container.id):
        host.state.containers.mark_created(container.id, **known)
    else:
        host.state.containers.mark_running(container.id, **known, at=host.clock.now())
    return host.state.containers.get(container.id)


def conclude(host: Host, container: Container, record: Exit) -> Container:
    """Undo on the host what the ended run held, then write down how it ended. Again is no error."""
    troubles = [trouble for undo in _inverses(host, container, record) if (trouble := attempt(undo))]
    try:
        now = host.state.containers.mark_exited(
            container.id,
            start=record.number,
            code=record.code,
            at=record.at,
            oom_killed=record.oom_killed,
            error="; ".join(filter(None, (record.error, *troubles))),
            rw_size=host.storage.usage(container.id),
        )
    except StorageFailed as trouble:  # its exit record stays, and the next one who takes the lock comes here again
        told = f"container {container.name} ({container.id[:12]}) has ended with exit code {record.code}"
        raise type(trouble)(f"{told}; that is to be written down yet: {trouble.reason}") from trouble
    host.baselines.pop(container.id, None)
    return now


def _inverses(host: Host, container: Container, record: Exit) -> Iterator[Callable[[], None]]:
    """What StartContainer did to the host, undone, last first."""
    yield lambda: host.runtime.delete(container.id)
    if record.code == UNSEEN:  # else the record took the room that was kept for it
        yield lambda: exits.give_back(host.directory(container.id))
    yield lambda: host.network.detach(container.id)
    yield lambda: host.storage.unmount(container.id)
    yield lambda: tell_neighbours(host, container.config.network)


def attempt(undo: Callable[[], None]) -> str:
    """Run one undo; its trouble, if any, is told instead of standing in the way of the others."""
    try:
        undo()
    except (EngineError, OSError) as trouble:
        log.warning("cleaning up: %s", trouble)
        return f"cleaning up: {trouble}"
    return ""


def truth(host: Host, container: Container) -> Container:
    """The container as it is now, for those who only look: no lock is taken and nothing is written."""
    if (record := ended(host, container)) is None:
        return container
    return replace(
        container,
        status=Status.EXITED,
        start=record.number,
        pid=0,
        exit_code=record.code,
        finished_at=record.at,
        oom_killed=record.oom_killed,
        error=record.error,
    )
