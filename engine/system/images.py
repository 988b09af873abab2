"""RemoveImage with force: it spans containers and images, so neither of them can do it alone."""

from podlink.engine.containers.remove import remove
from podlink.engine.host import Host
from podlink.engine.images.remove import remove_image as remove_unused_image


def remove_image(host: Host, name: str, force: bool = False) -> str:
    """Remove an image, or one of its names, and return the image's ID. force: with the containers that stand on it.

    Raises as `images.remove.remove_image` does, and as `containers.remove.remove`. The newest container goes first: what joins
    another's namespaces was made after it.
    """
    return remove_unused_image(host, name, force, lambda found: [remove(host, each, force=True) for each in reversed(found)])
