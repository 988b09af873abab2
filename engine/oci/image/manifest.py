"""The image manifest (OCI image-spec, manifest.md): which blobs make an image, each by digest, size and media type.

    {"schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json",
     "config": {"mediaType": …, "digest": "sha256:7905…", "size": 512},
     "layers": [{"mediaType": "…layer.v1.tar+gzip", "digest": "sha256:…", "size": 913}, …]}      base first

Docker's manifest version 2, schema 2, has the same shape under media types of its own, and is read too.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from podlink.engine.oci.digest import Digest
from podlink.engine.oci.image import document, media_types
from podlink.engine.oci.image.config import digest
from podlink.engine.oci.image.document import Document

SCHEMA_VERSION = 2
"""The version of the schema that both kinds of manifest carry."""


@dataclass(frozen=True, slots=True)
class Descriptor:
    """Content by address (descriptor.md). size: its bytes. urls: where else it may be had."""

    media_type: str
    digest: Digest
    size: int
    urls: tuple[str, ...] = ()

    @classmethod
    def read(cls, found: Document) -> "Descriptor":
        if "size" not in found.fields:
            found.refuse("size", "a number of bytes", None)
        return cls(
            media_type=found.text("mediaType") or found.refuse("mediaType", "a media type", ""),
            digest=digest(found, "digest", found.text("digest")),
            size=found.integer("size"),
            urls=found.texts("urls"),
        )

    def fields(self) -> dict[str, Any]:
        fields: dict[str, Any] = {"mediaType": self.media_type, "digest": str(self.digest), "size": self.size}
        return fields | ({"urls": list(self.urls)} if self.urls else {})


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """An image manifest. media_type: of the manifest itself. layers: base first."""

    config: Descriptor
    layers: tuple[Descriptor, ...]
    media_type: str = media_types.MANIFEST
    annotations: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def parse(cls, content: bytes) -> "Manifest":
        """Read the JSON of a manifest. Raises InvalidArchive, naming the field, for what is not one."""
        found = document.read(content, "manifest")
        if (version := found.integer("schemaVersion")) != SCHEMA_VERSION:
            found.refuse("schemaVersion", str(SCHEMA_VERSION), version)
        media_type = found.text("mediaType") or media_types.MANIFEST
        if media_type not in (media_types.MANIFEST, media_types.DOCKER_MANIFEST):
            found.refuse("mediaType", "the media type of an image manifest", media_type)
        return cls(
            config=Descriptor.read(found.inner("config")),
            layers=tuple(Descriptor.read(layer) for layer in found.inners("layers")),
            media_type=media_type,
            annotations=found.mapping("annotations"),
        )

    def serialize(self) -> bytes:
        """The canonical bytes; their digest is the one in `name@digest`."""
        fields = {
            "schemaVersion": SCHEMA_VERSION,
            "mediaType": self.media_type,
            "config": self.config.fields(),
            "layers": [layer.fields() for layer in self.layers],
        }
        return document.write(fields | ({"annotations": dict(self.annotations)} if self.annotations else {}))
