"""dir:DIR: the parts of one image in a folder, under names that a person can follow (containers-transports(5)).

version               Directory Transport Version: 1.1
manifest.json         the manifest, byte for byte
HEX                   configuration and layers, each under the digits of its digest
HEX.manifest.json     the manifests that an index names
"""

from contextlib import AbstractContextManager

from podlink.engine.images.transports.base import Form, RawManifest
from podlink.engine.images.transports.drafts import Draft
from podlink.engine.images.transports.files import Files, at, read_small
from podlink.engine.oci.digest import Digest
from podlink.engine.oci.image import document
from podlink.engine.oci.image.manifest import Descriptor
from podlink.engine.oci.readable import Readable, Rereadable

MANIFEST, VERSION = "manifest.json", "version"
VERSION_TEXT = b"Directory Transport Version: 1.1\n"


class DirectorySource:
    """What is in the folder has no name."""

    repository = ""
    names: tuple[str, ...] = ()

    def __init__(self, name: str, files: Files) -> None:
        self.name, self._files = name, files

    def manifest(self, digest: Digest | None = None) -> RawManifest:
        content = read_small(self._files, f"{digest.hex}.{MANIFEST}" if digest else MANIFEST)
        return RawManifest(content, document.read(content, MANIFEST).text("mediaType"), Digest.of(content))

    def blob(self, descriptor: Descriptor, offset: int = 0) -> AbstractContextManager[Readable]:
        return at(self._files, descriptor.digest.hex, offset)


class DirectoryDestination:
    """The image as it is kept, or with none of its layers plain."""

    def __init__(self, name: str, draft: Draft, compress: bool) -> None:
        self.name, self._draft = name, draft
        self.form = Form(layers="compressed" if compress else "kept")

    def has(self, descriptor: Descriptor) -> bool:
        return self._draft.has(descriptor.digest.hex)

    def mount(self, descriptor: Descriptor, repository: str) -> bool:
        return False

    def put_blob(self, descriptor: Descriptor, content: Rereadable) -> None:
        self._draft.put(descriptor.digest.hex, descriptor, content)

    def put_manifest(self, content: bytes, media_type: str, digest: Digest | None = None) -> None:
        self._draft.write(f"{digest.hex}.{MANIFEST}" if digest else MANIFEST, content)
        self._draft.write(VERSION, VERSION_TEXT)
