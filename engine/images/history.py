"""HistoryImage: how an image came to be, step by step."""

from collections.abc import Iterator
from dataclasses import dataclass

from podlink.engine.host import Host
from podlink.engine.images.lookup import find_image
from podlink.engine.oci.image.config import History, ImageConfig
from podlink.engine.state.values import Image


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryRecord:
    """One step. id and tags: the image's own, since its steps are no images. created: nanoseconds since the epoch.

    size: bytes of the layer that the step made, 0 where it made none.
    """

    id: str
    created: int
    created_by: str
    tags: tuple[str, ...]
    size: int
    comment: str


def history(host: Host, name: str) -> list[HistoryRecord]:
    """The steps, newest first. Raises ImageNotFound, AmbiguousName."""
    image = find_image(host, name)
    return [
        HistoryRecord(
            id=image.id, created=step.created, created_by=step.created_by, tags=image.names, size=size, comment=step.comment
        )
        for step, size in reversed(list(_sized(image)))
    ]


def _sized(image: Image) -> Iterator[tuple[History, int]]:
    """Each step with the size of its layer, oldest first. A layer of which the image tells nothing is a step of its own."""
    config = ImageConfig.parse(image.config)
    sizes = iter([layer.size for layer in image.layers])
    for step in config.history:
        yield step, 0 if step.empty_layer else next(sizes, 0)
    for size in sizes:
        yield History(created=config.created), size
