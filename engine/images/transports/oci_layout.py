"""oci:DIR[:TAG] and oci-archive:FILE[:TAG]: the OCI's own layout (image-spec, image-layout.md), in a folder or in a tar.

    oci-layout            {"imageLayoutVersion": "1.0.0"}
    index.json            which manifests there are, each perhaps with a name
    blobs/sha256/HEX      manifests, configurations and layers, each under its digest

A folder may hold several images; one more is added to those that are there. An archive is written anew.
"""

import re
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from podlink.engine.errors import InvalidArchive, InvalidRequest
from podlink.engine.images.transports.base import Form, RawManifest
from podlink.engine.images.transports.drafts import Draft
from podlink.engine.images.transports.files import Files, Folder, at, named, not_one, read_small
from podlink.engine.oci.digest import Digest
from podlink.engine.oci.image import document, media_types
from podlink.engine.oci.image.document import Document
from podlink.engine.oci.image.manifest import Descriptor
from podlink.engine.oci.readable import Readable, Rereadable
from podlink.engine.storage.delivery import PREFIX

REF_NAME = "org.opencontainers.image.ref.name"
FULL_NAME = "io.containerd.image.name"
"""What other programs note beside the `ref.name`, which is often a tag alone."""
LAYOUT, INDEX = "oci-layout", "index.json"
VERSION = "1.0.0"
TAG = re.compile(r"[A-Za-z0-9]+(?:(?:[-._:@+/]|--)[A-Za-z0-9]+)*")


class OciSource:
    """tag: the image's `ref.name` or whole name; empty where the layout has only one."""

    repository = ""

    def __init__(self, name: str, files: Files, tag: str) -> None:
        self.name, self._files = name, files
        _require_layout(files, name)
        index = read_small(files, INDEX)
        entries = list(document.read(index, INDEX).inners("manifests"))
        fitting = [entry for entry in entries if not tag or tag in _names(entry)]
        self._index = index if _is_one_image(fitting) else None
        if self._index is None and len(fitting) != 1:
            listed = [each for entry in entries for each in _names(entry)]
            raise not_one(name, listed, fitting, f"{name.partition(':')[0]}:PATH:TAG")
        self._entry = Descriptor.read(fitting[0])
        self.names = named([each for each in _names(fitting[0])[:1] if "/" in each or ":" in each], name)

    def manifest(self, digest: Digest | None = None) -> RawManifest:
        if digest is None and self._index is not None:
            return RawManifest(self._index, media_types.INDEX, Digest.of(self._index))
        wanted = digest or self._entry.digest
        content = read_small(self._files, _blob(wanted))
        if Digest.of(content) != wanted:
            raise InvalidArchive(f"{self.name}: its manifest {wanted} hashes to {Digest.of(content)}; it is damaged")
        own = document.read(content, "manifest").text("mediaType")
        return RawManifest(content, own or (self._entry.media_type if wanted == self._entry.digest else ""), wanted)

    def blob(self, descriptor: Descriptor, offset: int = 0) -> AbstractContextManager[Readable]:
        return at(self._files, _blob(descriptor.digest), offset)


class OciDestination:
    """tag: the `ref.name` that the image gets; another image that has it loses it. known: what the index has already."""

    form = Form(layers="compressed", oci=True)

    def __init__(self, name: str, draft: Draft, tag: str, known: list[dict[str, Any]]) -> None:
        self.name, self._draft, self._tag, self._known = name, draft, tag, known

    def begin(self) -> None:
        """A new layout is one before it has an image: what a killed process leaves is taken up by the next who writes to it."""
        if not self._known:
            self._write_index([])

    def has(self, descriptor: Descriptor) -> bool:
        return self._draft.has(_blob(descriptor.digest))

    def mount(self, descriptor: Descriptor, repository: str) -> bool:
        return False

    def put_blob(self, descriptor: Descriptor, content: Rereadable) -> None:
        self._draft.put(_blob(descriptor.digest), descriptor, content)

    def put_manifest(self, content: bytes, media_type: str, digest: Digest | None = None) -> None:
        described = Descriptor(media_type, Digest.of(content), len(content))
        self._draft.write(_blob(described.digest), content)
        if digest is not None:
            return
        entry = described.fields() | ({"annotations": {REF_NAME: self._tag}} if self._tag else {})
        others = [each for each in self._known if not _replaced(each, self._tag, described.digest)]
        self._write_index([*others, entry])

    def _write_index(self, entries: list[dict[str, Any]]) -> None:
        self._draft.write(LAYOUT, document.write({"imageLayoutVersion": VERSION}))
        self._draft.write(INDEX, document.write({"schemaVersion": 2, "manifests": entries}))


def known_entries(root: Path, name: str) -> list[dict[str, Any]]:
    """What the layout in a folder has; nothing for a folder that is empty or not there. Raises InvalidRequest for any other.

    One in which a killed process had only just begun a layout is empty.
    """
    if not root.is_dir() or all(path.name == LAYOUT or path.name.startswith(PREFIX) for path in root.iterdir()):
        return []
    files = Folder(root)
    try:
        _require_layout(files, name)
        return [dict(entry.fields) for entry in document.read(read_small(files, INDEX), INDEX).inners("manifests")]
    except InvalidArchive as trouble:
        raise InvalidRequest(f"{name}: the folder has other things in it ({trouble.reason}); give an empty one") from None


def require_tag(tag: str, name: str) -> None:
    """Raises InvalidRequest for what can be no `ref.name` (image-spec, annotations.md): other programs would not find it."""
    if tag and not TAG.fullmatch(tag):
        raise InvalidRequest(f"{name}: {tag[:80]!r} can be no name in a layout: letters and digits, joined by - . _ : @ / or +")


def _require_layout(files: Files, name: str) -> None:
    version = document.read(read_small(files, LAYOUT), LAYOUT).text("imageLayoutVersion")
    if version != VERSION:
        raise InvalidArchive(f"{name}: its layout has the version {version[:20]!r}; {VERSION} is known")


def _names(entry: Document) -> list[str]:
    """The names of an image in the layout, the fullest first."""
    notes = entry.mapping("annotations")
    return [notes[key] for key in (FULL_NAME, REF_NAME) if notes.get(key)]


def _is_one_image(entries: list[Document]) -> bool:
    """Whether several manifests are one image for several kinds of machine."""
    return len(entries) > 1 and all(entry.inner("platform").text("architecture") for entry in entries)


def _replaced(entry: dict[str, Any], tag: str, digest: Digest) -> bool:
    """Whether the entry makes way for a new one: it has its name, or is the same without one."""
    name = (entry.get("annotations") or {}).get(REF_NAME, "")
    return name == tag if tag else not name and entry.get("digest") == str(digest)


def _blob(digest: Digest) -> str:
    return f"blobs/sha256/{digest.hex}"
