"""TagImage."""

from podlink.engine.errors import ImageNotFound, InvalidRequest
from podlink.engine.host import Host
from podlink.engine.images.lookup import find_image
from podlink.engine.oci.reference import parse, tagged


def tag_image(host: Host, name: str, new_name: str) -> str:
    """Give the image one more name, and return its ID. Another image that has the name loses it.

    The name stays as it was given, without a registry where it has none; `:latest` is added where it has no tag. Raises
    ImageNotFound, AmbiguousName; InvalidRequest for what can't be a name.
    """
    full = new_tag(new_name)
    image = find_image(host, name)
    try:
        host.state.images.tag(image.id, full)
    except ImageNotFound:
        raise ImageNotFound(name) from None  # it was removed since we looked
    return image.id


def new_tag(name: str) -> str:
    """A name that may be given to an image, with its tag. A digest is what an image has, not what it is given."""
    if parse(name).digest:
        raise InvalidRequest(f"image name {name!r}: a digest can't be given to an image; give a tag")
    return tagged(name)
