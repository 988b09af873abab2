"""RemoveContainer and DeleteStoppedContainers."""

from podlink.engine.containers.discard import discard
from podlink.engine.containers.lifecycle import LEGAL, LIVE, locked, require, truth
from podlink.engine.containers.modes import dependencies
from podlink.engine.containers.stop import stop
from podlink.engine.errors import ContainerInUse, ContainerNotFound, EngineError, ErrorOccurred, InvalidState
from podlink.engine.host import Host
from podlink.engine.state.values import Container, Status

ATTEMPTS = 5
"""How often somebody else may start the container again between our stop and our removal."""


def remove(host: Host, name: str, force: bool = False) -> str:
    """Remove a container and return its ID. force: stop it first (stop signal, its stop_timeout, then SIGKILL).

    Raises ContainerNotFound; InvalidState where it runs and there is no force; ContainerInUse.
    """
    found = host.state.containers.find(name)
    for _ in range(ATTEMPTS):
        try:
            with locked(host, found.id, found) as row:
                if not force:
                    require(row, "remove")
                _refuse_where_needed(host, row)  # before a stop: what stays is to run on
                if row.status in LEGAL["remove"] - LIVE:
                    discard(host, row)
                    return row.id
            stop(host, found.id)
        except ContainerNotFound:  # it was to be removed at its exit, or somebody else was faster: it is gone, as asked
            return found.id
    raise InvalidState(f"container {name} was started again {ATTEMPTS} times while it was to be removed")


def delete_stopped(host: Host) -> list[str]:
    """Remove every container that is neither running nor paused, and return the IDs of those that went.

    When one can't be removed the others are all the same; then ErrorOccurred says which stayed, and why. The newest goes first:
    what joins another's namespaces was made after it.
    """
    gone, stayed = list[str](), list[str]()
    for row in reversed(host.state.containers.all()):
        if truth(host, row).status in LIVE - {Status.CREATED}:
            continue
        try:
            gone.insert(0, remove(host, row.id, force=row.status is Status.CREATED))
        except InvalidState:
            continue  # it was started meanwhile
        except EngineError as error:
            stayed.append(f"{row.name} ({error})")
    if stayed:
        raise ErrorOccurred(f"removed {len(gone)} containers ({', '.join(gone)}); not removed: {', '.join(stayed)}")
    return gone


def _refuse_where_needed(host: Host, row: Container) -> None:
    if needing := [each.name for each in host.state.containers.mentioning(row.id) if row.id in dependencies(each.config)]:
        raise ContainerInUse(f"container {row.name} shares its namespaces with {', '.join(needing)}; remove {needing[0]} first")
