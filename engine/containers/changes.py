"""ListContainerChanges: how a container's file system differs from its image."""

import posixpath
from collections.abc import Iterable

from podlink.engine.containers.lifecycle import readable
from podlink.engine.host import Host
from podlink.engine.oci.spec.mounts import ETC, MARK, mounts
from podlink.engine.state.values import Container
from podlink.engine.storage.changes import Change, Kind


def list_changes(host: Host, name: str) -> list[Change]:
    """By path. Raises ContainerNotFound."""
    return changes_of(host, host.state.containers.find(name))


def changes_of(host: Host, container: Container) -> list[Change]:
    """Without what the runtime made for its own mounts: those places hold nothing of the container's."""
    readable(container)
    places = {mount.destination for mount in mounts(container.config, host.facts.cgroup_version)} | {MARK, *ETC}
    return without(host.storage.changes(container.id), places)


def without(changes: Iterable[Change], places: set[str]) -> list[Change]:
    """The changes less those at and below `places`, and less the directories that were only touched to make these."""
    kept = [change for change in changes if not any(_covers(place, change.path) for place in places)]
    on_the_way = {parent for place in places for parent in above(place)}
    reasons = {parent for change in kept if not _made(change, on_the_way) for parent in above(change.path)}
    return [change for change in kept if change.path in reasons or not _made(change, on_the_way)]


def _made(change: Change, on_the_way: set[str]) -> bool:
    """Whether it can be the runtime's doing alone, which makes directories on the way to its mounts."""
    return change.path in on_the_way and (change.inside or change.kind is Kind.ADDED)


def _covers(place: str, path: str) -> bool:
    return path == place or path.startswith(place + "/")


def above(path: str) -> list[str]:
    """The directories on the way to it, without the root."""
    found = []
    while (path := posixpath.dirname(path)) != "/":
        found.append(path)
    return found
