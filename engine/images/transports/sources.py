"""Images that lie in files, as sources.

oci          oci-layout, index.json, blobs/sha256/HEX          OCI image-spec, image-layout.md
dir          manifest.json, HEX …                              containers-transports(5)
archive      manifest.json, HEX.json, …/layer.tar              what `docker save` writes; its manifest is made here
"""

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from podlink.engine.errors import ImageNotFound, InvalidArchive
from podlink.engine.images.transports.base import RawManifest, Readable
from podlink.engine.images.transports.files import PIECE, Files, document
from podlink.engine.oci.digest import Digest
from podlink.engine.oci.image import media_types
from podlink.engine.oci.image.manifest import Descriptor, Manifest

REF_NAME = "org.opencontainers.image.ref.name"


class OciLayout:
    """tag: the image's `ref.name`; empty where the layout has only one."""

    def __init__(self, name: str, files: Files, tag: str) -> None:
        self.name, self._files, self._tag = name, files, tag
        _read(files, "oci-layout", name)
        index = _read(files, "index.json", name)
        entries = [each for each in index.get("manifests") or [] if isinstance(each, dict)]
        tags = [str((each.get("annotations") or {}).get(REF_NAME, "")) for each in entries]
        if tag and tag not in tags:
            raise ImageNotFound(f"{name}:{tag}")
        if not tag and len(entries) != 1:
            raise InvalidArchive(f"{name}: it has {len(entries)} images ({', '.join(filter(None, tags))}); say which: {name}:TAG")
        self._entry = entries[tags.index(tag)] if tag else entries[0]
        self.given = tag or tags[0]
        """The name that the image has here."""

    def manifest(self, digest: Digest | None = None) -> RawManifest:
        wanted = digest or Digest.parse(str(self._entry.get("digest")))
        content = document(self._files, f"blobs/sha256/{wanted.hex}")
        return RawManifest(content, str(_object(content, self.name).get("mediaType") or ""), wanted)

    @contextmanager
    def blob(self, descriptor: Descriptor, offset: int = 0) -> Iterator[Readable]:
        with self._files.open(f"blobs/sha256/{descriptor.digest.hex}") as file:
            file.seek(offset) if offset else None
            yield file


class Directory:
    """dir:PATH."""

    given = ""

    def __init__(self, name: str, files: Files) -> None:
        self.name, self._files = name, files

    def manifest(self, digest: Digest | None = None) -> RawManifest:
        content = document(self._files, f"{digest.hex}.manifest.json" if digest else "manifest.json")
        return RawManifest(content, str(_object(content, self.name).get("mediaType") or ""), Digest.of(content))

    @contextmanager
    def blob(self, descriptor: Descriptor, offset: int = 0) -> Iterator[Readable]:
        with self._files.open(descriptor.digest.hex) as file:
            file.seek(offset) if offset else None
            yield file


class DockerArchive:
    """wanted: one of the archive's `RepoTags`; empty where it has only one image. Layers have paths; they are hashed here."""

    def __init__(self, name: str, files: Files, wanted: str) -> None:
        self.name, self._files = name, files
        images = json.loads(document(files, "manifest.json"))
        if not isinstance(images, list) or not all(isinstance(each, dict) for each in images):
            raise InvalidArchive(f"{name}: its manifest.json is not a list of images")
        fitting = [each for each in images if not wanted or wanted in (each.get("RepoTags") or [])]
        if len(fitting) != 1:
            tags = ", ".join(tag for each in images for tag in each.get("RepoTags") or [])
            if wanted and not fitting:
                raise ImageNotFound(f"{name}:{wanted}")
            raise InvalidArchive(f"{name}: it has {len(images)} images ({tags}); say which: {name}:NAME:TAG")
        self._image: dict[str, Any] = fitting[0]
        self.given = wanted or next(iter(self._image.get("RepoTags") or []), "")
        config = document(files, str(self._image.get("Config")))
        self._paths = {Digest.of(config): str(self._image["Config"])}
        layers = [self._layer(str(path)) for path in self._image.get("Layers") or []]
        descriptor = Descriptor(media_types.DOCKER_CONFIG, Digest.of(config), len(config))
        self._made = Manifest(config=descriptor, layers=tuple(layers), media_type=media_types.DOCKER_MANIFEST).serialize()

    def _layer(self, path: str) -> Descriptor:
        hashed, size = hashlib.sha256(), 0
        with self._files.open(path) as file:
            while data := file.read(PIECE):
                hashed.update(data)
                size += len(data)
        digest = Digest(hashed.hexdigest())
        self._paths[digest] = path
        return Descriptor(media_types.LAYER_TAR, digest, size)

    def manifest(self, digest: Digest | None = None) -> RawManifest:
        return RawManifest(self._made, media_types.DOCKER_MANIFEST, Digest.of(self._made))

    @contextmanager
    def blob(self, descriptor: Descriptor, offset: int = 0) -> Iterator[Readable]:
        with self._files.open(self._paths[descriptor.digest]) as file:
            file.seek(offset) if offset else None
            yield file


def _read(files: Files, path: str, name: str) -> dict[str, Any]:
    return _object(document(files, path), f"{name}: {path}")


def _object(content: bytes, what: str) -> dict[str, Any]:
    try:
        found = json.loads(content)
    except ValueError as error:
        raise InvalidArchive(f"{what}: not JSON: {error}") from None
    if not isinstance(found, dict):
        raise InvalidArchive(f"{what}: not a JSON object")
    return found
