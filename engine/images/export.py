"""ExportImage: an image as a file or folder, for other programs or another machine."""

from collections.abc import Sequence

from podlink.engine.cancel import NEVER, Cancel
from podlink.engine.errors import InvalidRequest
from podlink.engine.host import Host
from podlink.engine.images.arrivals import Progress
from podlink.engine.images.lookup import find
from podlink.engine.images.push import send
from podlink.engine.images.registries.surroundings import around
from podlink.engine.images.transports.base import TRANSPORTS, WANTED, parse_place
from podlink.engine.images.transports.places import Wishes

ARCHIVE = "docker-archive"


def export_image(
    host: Host,
    name: str,
    destination: str,
    compress: bool = False,
    tags: Sequence[str] = (),
    *,
    progress: Progress | None = None,
    cancel: Cancel = NEVER,
) -> str:
    """Write an image to a place, such as `oci-archive:FILE:TAG`, and return its ID.

    compress: layers that the place would take plain. tags: more names for it in a docker-archive; one that would have no name at
    all there has the one that was asked for. Raises ImageNotFound, AmbiguousName; InvalidRequest and NotHonoured for what can't
    be written; StorageFailed, RegistryFailed, Cancelled.
    """
    found = find(host, name)
    place = parse_place(destination)
    if not destination.startswith((*(f"{each}:" for each in TRANSPORTS), "docker://")):
        raise InvalidRequest(f"destination: {destination[:200]!r} names no transport; give {WANTED}")
    names = tuple(tags)
    if place.transport == ARCHIVE and not place.name and not tags and found.name:
        names = (found.name,)
    wishes = Wishes(compress=compress, names=names, surroundings=around(host))
    send(host, found.image, place, wishes, progress, cancel)
    return found.image.id
