"""Which image is meant: by ID, by one of its names in any of their short forms, by digest, by the beginning of its ID."""

from dataclasses import dataclass

from podlink.engine.errors import AmbiguousName, ImageNotFound, InvalidRequest
from podlink.engine.host import Host
from podlink.engine.oci.digest import ENCODED
from podlink.engine.oci.reference import candidates, parse, repository
from podlink.engine.state.values import Image

SHOWN = 5
"""How many of the images that an ambiguous prefix fits are named."""


@dataclass(frozen=True, slots=True)
class Found:
    """An image, and the name of its own by which it was found; empty where it was found by ID or digest."""

    image: Image
    name: str = ""


def find_image(host: Host, name: str) -> Image:
    """The image that is meant. Raises ImageNotFound(name); AmbiguousName where an ID prefix fits several."""
    return find(host, name).image


def find(host: Host, name: str) -> Found:
    """The image that is meant, and by which of its names.

    A whole ID comes first, then names, so that an image called `cafe` is not hidden by another whose ID begins so; then prefixes.
    """
    digits = name.removeprefix("sha256:")
    whole = host.state.images.by_prefix(digits) if ENCODED.fullmatch(digits) else []
    if whole:
        return Found(whole[0])
    if found := _by_name(host, name):
        return found
    matches = host.state.images.by_prefix(digits)
    if len(matches) > 1:
        listed = ", ".join(f"{image.id[:12]} ({', '.join(image.names) or 'no name'})" for image in matches[:SHOWN])
        more = f" and {len(matches) - SHOWN} more" if len(matches) > SHOWN else ""
        raise AmbiguousName(f"{name} fits {len(matches)} images: {listed}{more}; give more digits, or a name")
    if not matches:
        raise ImageNotFound(name)
    return Found(matches[0])


def _by_name(host: Host, name: str) -> Found | None:
    try:
        readings = candidates(name)
    except InvalidRequest:  # no image was ever given such a name
        return None
    for reading in readings:
        if "@" in reading:
            found = _by_digest(host, reading)
        else:
            image = host.state.images.by_name(reading)
            found = Found(image, reading) if image else None
        if found:
            return found
    return None


def _by_digest(host: Host, name: str) -> Found | None:
    """`REPOSITORY@DIGEST`, where a registry is known to have it so, or where the image has a name in that repository.

    With a tag in between it must have that very name.
    """
    wanted = parse(name)
    recorded = host.state.images.by_repo_digest(f"{wanted.repository}@{wanted.digest}")
    if recorded and (not wanted.tag or f"{wanted.repository}:{wanted.tag}" in recorded.names):
        return Found(recorded)
    for image in host.state.images.by_digest(str(wanted.digest)):
        tagged = f"{wanted.repository}:{wanted.tag}"
        if tagged in image.names if wanted.tag else wanted.repository in map(repository, image.names):
            return Found(image)
    return None


def repo_digests(image: Image) -> list[str]:
    """`REPOSITORY@DIGEST` where registries are known to have the image, then for each other repository in which it has a name."""
    known = {repository(name) for name in image.digests}
    others = [f"{repository(name)}@{image.digest}" for name in image.names if repository(name) not in known]
    return list(dict.fromkeys([*image.digests, *others]))
