"""docker-archive:FILE[:NAME[:TAG]]: the tar that `docker save` writes.

    manifest.json       [{"Config": "HEX.json", "RepoTags": ["example.org/app:1"], "Layers": ["HEX.tar", …]}, …]
    HEX.json            a configuration
    HEX.tar             a layer, plain; older writers have ID/layer.tar, which may be a link to one

There is no manifest in the sense of a registry, so one is made here. A plain layer's digest is its diff ID, which the
configuration has; one that is compressed, as some writers have it, is hashed.
"""

import hashlib
from collections.abc import Sequence
from contextlib import AbstractContextManager
from threading import Lock

from podlink.engine.errors import InvalidArchive, InvalidRequest
from podlink.engine.images.transports.base import Form, RawManifest
from podlink.engine.images.transports.drafts import Draft
from podlink.engine.images.transports.files import PIECE, Files, at, named, not_one, read_small
from podlink.engine.oci.digest import Digest
from podlink.engine.oci.image import document, media_types
from podlink.engine.oci.image.config import ImageConfig
from podlink.engine.oci.image.document import Document
from podlink.engine.oci.image.manifest import Descriptor, Manifest
from podlink.engine.oci.layer.compression import LONGEST_MAGIC, compression_of
from podlink.engine.oci.readable import Readable, Rereadable
from podlink.engine.oci.reference import normalize

MANIFEST = "manifest.json"
KINDS = media_types.LAYERS[media_types.DOCKER_MANIFEST]


class DockerArchiveSource:
    """wanted: one of the archive's `RepoTags`, in any form, or `@N` for the N-th image; empty where it has only one image."""

    repository = ""

    def __init__(self, name: str, files: Files, wanted: str) -> None:
        self.name, self._files = name, files
        images = document.read(b'{"images":' + read_small(files, MANIFEST) + b"}", MANIFEST).inners("images")
        self._image = _chosen(name, images, wanted)
        tags = self._image.texts("RepoTags")
        self.names = named([tag for tag in tags if _same(tag, wanted)] or tags, name)
        self._config = read_small(files, self._image.text("Config"))
        self._paths = {Digest.of(self._config): self._image.text("Config")}
        self._made = b""
        self._lock = Lock()

    def manifest(self, digest: Digest | None = None) -> RawManifest:
        with self._lock:
            self._made = self._made or self._make()
        return RawManifest(self._made, media_types.DOCKER_MANIFEST, Digest.of(self._made))

    def blob(self, descriptor: Descriptor, offset: int = 0) -> AbstractContextManager[Readable]:
        return at(self._files, self._paths[descriptor.digest], offset)

    def _make(self) -> bytes:
        paths, diff_ids = self._image.texts("Layers"), ImageConfig.parse(self._config).diff_ids
        if len(paths) != len(diff_ids):
            raise InvalidArchive(f"{self.name}: it has {len(paths)} layers, its configuration speaks of {len(diff_ids)}")
        layers = [self._described(path, diff_id) for path, diff_id in zip(paths, diff_ids, strict=True)]
        self._paths |= {layer.digest: path for layer, path in zip(layers, paths, strict=True)}
        config = Descriptor(media_types.DOCKER_CONFIG, Digest.of(self._config), len(self._config))
        return Manifest(config=config, layers=tuple(layers), media_type=media_types.DOCKER_MANIFEST).serialize()

    def _described(self, path: str, diff_id: Digest) -> Descriptor:
        with self._files.open(path) as file:
            beginning = file.read(LONGEST_MAGIC)
            compression = compression_of(beginning)
            if compression:
                hashed = hashlib.sha256(beginning)
                while data := file.read(PIECE):
                    hashed.update(data)
                diff_id = Digest(hashed.hexdigest())
        return Descriptor(KINDS.get(compression, KINDS["gzip"]), diff_id, self._files.size(path))


class DockerArchiveDestination:
    """names: its `RepoTags`. compress: layers are compressed, which today's readers take; else plain, as all of them do."""

    def __init__(self, name: str, draft: Draft, names: Sequence[str], compress: bool) -> None:
        self.name, self._draft, self._names = name, draft, names
        self.form = Form(layers="compressed" if compress else "plain")

    def has(self, descriptor: Descriptor) -> bool:
        return self._draft.has(_path(descriptor))

    def mount(self, descriptor: Descriptor, repository: str) -> bool:
        return False

    def put_blob(self, descriptor: Descriptor, content: Rereadable) -> None:
        self._draft.put(_path(descriptor), descriptor, content)

    def put_manifest(self, content: bytes, media_type: str, digest: Digest | None = None) -> None:
        manifest = Manifest.parse(content)
        image = {
            "Config": _path(manifest.config),
            "RepoTags": list(self._names),
            "Layers": [_path(layer) for layer in manifest.layers],
        }
        self._draft.write(MANIFEST, document.write_list([image]))


def _chosen(name: str, images: Sequence[Document], wanted: str) -> Document:
    numbered = wanted.removeprefix("@")
    if wanted.startswith("@") and numbered.isascii() and numbered.isdecimal() and len(numbered) < 6:
        fitting = list(images[int(numbered) : int(numbered) + 1])
    else:
        fitting = [image for image in images if not wanted or any(_same(tag, wanted) for tag in image.texts("RepoTags"))]
    if len(fitting) != 1:
        raise not_one(name, [tag for image in images for tag in image.texts("RepoTags")], fitting, "docker-archive:FILE:NAME:TAG")
    return fitting[0]


def _same(tag: str, wanted: str) -> bool:
    """Whether both name one image: `docker save` writes `alpine:3`, skopeo `docker.io/library/alpine:3`."""
    try:
        return tag == wanted or normalize(tag) == normalize(wanted)
    except InvalidRequest:  # one of them is no name
        return False


def _path(descriptor: Descriptor) -> str:
    is_config = descriptor.media_type in (media_types.CONFIG, media_types.DOCKER_CONFIG)
    return f"{descriptor.digest.hex}.{'json' if is_config else 'tar'}"
