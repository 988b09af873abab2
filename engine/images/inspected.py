"""The types of what `inspect` tells of an image: keys and values as they are served, ready for JSON.

mypy holds `inspect.py` to them, and a test holds them to fixtures/inspect-image.json. Sizes are bytes.
"""

from typing import TypedDict

from podlink.engine.oci.image.config import ExecutionFields


class InspectedStorage(TypedDict):
    """The storage driver."""

    Name: str
    Data: dict[str, str]


class InspectedLayers(TypedDict):
    """The digests of its layers, base first, as unpacked tars."""

    Type: str
    Layers: list[str]


class InspectedImage(TypedDict):
    """All that is known of an image. Created: RFC 3339; None where the image does not say.

    ContainerConfig: what a container of it starts from.
    """

    Id: str
    Digest: str
    RepoTags: list[str]
    RepoDigests: list[str]
    Parent: str
    Comment: str
    Created: str | None
    ContainerConfig: ExecutionFields
    Version: str
    Author: str
    Architecture: str
    Os: str
    Size: int
    VirtualSize: int
    GraphDriver: InspectedStorage
    RootFS: InspectedLayers
    Labels: dict[str, str]
    Annotations: dict[str, str]
    ManifestType: str
