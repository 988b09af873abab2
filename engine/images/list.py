"""ListImages."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from podlink.engine.host import Host
from podlink.engine.images.lookup import repo_digests
from podlink.engine.oci.image.config import ImageConfig


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageSummary:
    """One image in a list. created: nanoseconds since the epoch; size: bytes of its unpacked layers.

    digests: `REPOSITORY@DIGEST`. containers: how many stand on it.
    """

    id: str
    names: tuple[str, ...]
    digests: tuple[str, ...]
    created: int
    size: int
    containers: int
    labels: Mapping[str, str]


def list_images(host: Host) -> list[ImageSummary]:
    """Every image, newest first."""
    containers = Counter(container.image for container in host.state.containers.all())
    return [
        ImageSummary(
            id=image.id,
            names=image.names,
            digests=tuple(repo_digests(image)),
            created=image.created_at,
            size=image.size,
            containers=containers[image.id],
            labels=ImageConfig.parse(image.config).execution.labels,
        )
        for image in host.state.images.all()
    ]
