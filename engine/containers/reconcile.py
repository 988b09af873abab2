"""After a crash or a reboot: bring the records up to what the host really holds, and the host down to what has a record.

Run when an engine opens. Others may be at work on the same root at that moment, so each container is looked at under its
lock. One whose lock is held is looked at when it is free: whoever has it may have been told of an end alone, and know nothing
of a start that was cut short.
"""

import logging
from contextlib import suppress

from podlink.engine.containers.discard import drop_parts
from podlink.engine.containers.lifecycle import LIVE, brought_up_to_date, committing, locked
from podlink.engine.containers.names import tell_neighbours
from podlink.engine.errors import ContainerNotFound, EngineError, StorageFailed
from podlink.engine.host import Host
from podlink.engine.ids import ID
from podlink.engine.runtime import exits
from podlink.engine.state.values import Status

log = logging.getLogger(__name__)


def reconcile(host: Host) -> None:
    """Fold in every exit and every half-done start, finish half-done removals, drop what has no record."""
    for container in _suspects(host):
        try:
            with host.state.locks.try_hold(container) as held:
                if held:
                    _settle(host, container)
                else:
                    host.arrears.add(container)
        except (EngineError, OSError, ValueError) as trouble:  # ValueError: a path of its record that is none
            log.warning("container %s could not be brought up to date: %s", container[:12], trouble)


def _suspects(host: Host) -> set[str]:
    """The containers that are worth a look: those with a record, and those of which the host holds a part."""
    rows = {row.id for row in host.state.containers.all()}
    folder = host.config.root / "containers"
    parts = {entry.name for entry in folder.iterdir()} if folder.is_dir() else set()
    parts.update(host.storage.known()[1], host.runtime.known(), host.network.known(), host.state.locks.known())
    return rows | {name for name in parts if ID.fullmatch(name)}


def _settle(host: Host, container: str) -> None:
    """The lock is held."""
    row = brought_up_to_date(host, container)
    if row is None:
        return _drop(host, container)
    if committing(host, container).exists():
        if row.status is Status.RUNNING:
            host.runtime.resume(container)
        committing(host, container).unlink()
    if row.status not in LIVE and host.runtime.running(container) is None:  # a start that was cut short before its init was there
        told = host.state.networks.lease_of(container)
        host.runtime.delete(container)
        host.network.detach(container)
        host.storage.unmount(container)
        exits.give_back(host.directory(container))
        if told:
            tell_neighbours(host, row.config.network)
    return None


def _drop(host: Host, container: str) -> None:
    """Parts without a record: a creation or a removal that was cut short."""
    with suppress(ProcessLookupError):
        host.runtime.destroy(container)
    host.network.detach(container)
    host.storage.unmount(container)
    drop_parts(host, container)


def conclude_one(host: Host, container: str) -> None:
    """Fold in the exit of one container: what the monitor asks for when a run has ended. One that is gone is no error."""
    with suppress(ContainerNotFound), locked(host, container):
        pass


def conclude_or_owe(host: Host, container: str) -> None:
    """The same for an engine that stays: what the disk refuses is its own to try again, and nobody else need try."""
    try:
        conclude_one(host, container)
    except StorageFailed as trouble:
        log.warning("%s; that is tried again", trouble)


def settle_arrears(host: Host, container: str) -> bool:
    """Try again to bring one container up to date. Whether that is done, by whomever; quiet: it was told when it was refused."""
    try:
        with host.state.locks.try_hold(container) as held:
            if held:
                _settle(host, container)
            return held
    except (EngineError, OSError):
        return False
