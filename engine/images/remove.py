"""RemoveImage and DeleteUnusedImages."""

from collections.abc import Callable, Sequence

from podlink.engine.errors import EngineError, ErrorOccurred, ImageInUse, ImageNotFound
from podlink.engine.host import Host
from podlink.engine.images import LOCK
from podlink.engine.images.collect import drop
from podlink.engine.images.lookup import Found, find
from podlink.engine.state.values import Container, Image

ATTEMPTS = 5
"""How often somebody else may create a container of the image while we remove those that it has."""
SHOWN = 5
"""How many of an image's containers are named."""

RemoveContainers = Callable[[Sequence[str]], object]
"""Removes the containers with these IDs, running or not. Images know no containers' verbs, so the caller brings it."""


def remove_image(host: Host, name: str, force: bool = False, remove_containers: RemoveContainers | None = None) -> str:
    """Remove an image, or one of its names, and return the image's ID.

    By one of several names that name goes and the image stays. By its only name, or by ID or digest, the image goes with all
    that no other image needs; where it has several names only by force, since somebody gave each of them for a reason. An image
    that containers stand on is refused, unless by force and with `remove_containers`: then they go first.

    Raises ImageNotFound, AmbiguousName, ImageInUse; ErrorOccurred for several names.
    """
    forced = remove_containers if force else None
    for _ in range(ATTEMPTS):
        with host.state.locks.hold(LOCK):
            found = find(host, name)
            image = found.image
            if found.name and len(image.names) > 1:
                host.state.images.untag(found.name)
                return image.id
            _require_one_name(found, force)
            users = host.state.containers.of_image(image.id)
            if not users:
                drop(host, host.state.images.remove(image.id))
                return image.id
        if forced is None:
            break
        forced([container.id for container in users])  # without the lock: stopping containers takes its time
    raise _in_use(image, users)


def delete_unused(host: Host) -> list[str]:
    """Remove every image that no container stands on, tagged or not, and return their IDs.

    When one can't be removed the others are all the same; then ErrorOccurred says which stayed, and why.
    """
    gone: list[str] = []
    stayed: list[str] = []
    for image in host.state.images.all():
        try:
            with host.state.locks.hold(LOCK):
                drop(host, host.state.images.remove(image.id))
            gone.append(image.id)
        except (ImageInUse, ImageNotFound):  # needed, or gone since we looked
            continue
        except EngineError as trouble:
            stayed.append(f"{image.id[:12]} ({trouble})")
    if stayed:
        raise ErrorOccurred(f"removed {len(gone)} images ({', '.join(gone)}); not removed: {', '.join(stayed)}")
    return gone


def _require_one_name(found: Found, force: bool) -> None:
    names = found.image.names
    if len(names) > 1 and not force:
        listed = ", ".join(names)
        raise ErrorOccurred(f"image {found.image.id[:12]} has several names: {listed}; give one of them, or remove it by force")


def _in_use(image: Image, users: Sequence[Container]) -> ImageInUse:
    listed = ", ".join(f"{container.name} ({container.id[:12]})" for container in users[:SHOWN])
    more = ", …" if len(users) > SHOWN else ""
    count = f"{len(users)} container" + ("" if len(users) == 1 else "s")
    return ImageInUse(f"image {image.id[:12]} is in use by {count}: {listed}{more}; remove them first, or the image by force")
