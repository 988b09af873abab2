"""PushImage: from the store to a registry, an archive or a folder.

    row ──▶ layers, several at a time: is it there? ─ no ─▶ can it be had from another repository? ─ no ─▶ sent
                                                                                                            │
            digest noted ◀── manifest, last: the one that is kept, if it still says what was sent; else anew ◀┘

A layer that the place wants in another form is written to a file of the store's first, which is never given a name: what it is
called, its digest, is known only then.
"""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from io import BytesIO
from typing import BinaryIO

from podlink.engine.cancel import NEVER, Cancel
from podlink.engine.errors import InvalidArchive, InvalidRequest
from podlink.engine.host import Host
from podlink.engine.images.arrivals import Progress
from podlink.engine.images.lookup import find
from podlink.engine.images.registries.surroundings import around
from podlink.engine.images.together import Stop, finish, several
from podlink.engine.images.transports.base import REGISTRY, Destination, Place, parse_place
from podlink.engine.images.transports.places import Wishes, destination
from podlink.engine.oci import reference
from podlink.engine.oci.digest import Digest
from podlink.engine.oci.image import media_types
from podlink.engine.oci.image.manifest import Descriptor, Manifest
from podlink.engine.oci.layer.compression import LONGEST_MAGIC, PIECE, compression_of, decompressed, gzipped
from podlink.engine.oci.readable import Readable
from podlink.engine.state.values import Image, Layer

MOUNTS = 3
"""How many other repositories are asked for a layer."""


def push(
    host: Host,
    name: str,
    target: str = "",
    *,
    tls_verify: bool = True,
    progress: Progress | None = None,
    cancel: Cancel = NEVER,
) -> str:
    """Send an image and return its ID. target: a name in a registry, or a place such as `dir:PATH`; empty for its own name.

    Raises ImageNotFound, AmbiguousName; InvalidRequest for what can be no place; RegistryFailed, StorageFailed, Cancelled.
    """
    found = find(host, name)
    own = found.name or next(iter(found.image.names), "")
    if not target and not own:
        raise InvalidRequest(f"image {found.image.id[:12]} has no name to be pushed under; give one as tag")
    wishes = Wishes(tls_verify=tls_verify, surroundings=around(host))
    send(host, found.image, parse_place(target or f"docker://{own}"), wishes, progress, cancel)
    return found.image.id


def send(
    host: Host, image: Image, place: Place, wishes: Wishes, progress: Progress | None = None, cancel: Cancel = NEVER
) -> None:
    """Write an image to a place; on any failure nothing new is there under its name."""
    stop = Stop(cancel)
    with ExitStack() as stack:
        blobs = [stack.enter_context(host.content.open(Digest.parse(layer.blob))) for layer in image.layers]
        there = stack.enter_context(destination(place, wishes, stop))
        digest = _Push(host, there, progress or (lambda blob, size: None), stop, _mounts(host, image, place)).run(image, blobs)
    if place.transport == REGISTRY:
        repository = reference.parse(reference.normalize(place.name)).repository
        host.state.images.note(image.id, [f"{repository}@{digest}"])


@dataclass(frozen=True, slots=True)
class _Push:
    """One image on its way to one place. mounts: by chain ID, other repositories there that have the layer."""

    host: Host
    there: Destination
    progress: Progress
    stop: Stop
    mounts: dict[str, list[str]]

    def run(self, image: Image, blobs: Sequence[BinaryIO]) -> Digest:
        """The digest of the manifest that is there now."""
        kept = Manifest.parse(image.manifest)
        kind = media_types.MANIFEST if self.there.form.oci else kept.media_type
        layers = self._layers(zip(kept.layers, image.layers, blobs, strict=True), kind)
        changed = kind != kept.media_type or [each.digest for each in layers] != [each.digest for each in kept.layers]
        config = Descriptor(media_types.CONFIGS[kind], Digest.of(image.config), len(image.config)) if changed else kept.config
        if not self.there.has(config):
            self._put(config, BytesIO(image.config))
        made = replace(kept, config=config, layers=tuple(layers), media_type=kind)
        content = made.serialize() if changed else image.manifest
        self.stop.check()
        self.there.put_manifest(content, kind)
        return Digest.of(content)

    def _layers(self, layers: Iterable[tuple[Descriptor, Layer, BinaryIO]], kind: str) -> list[Descriptor]:
        """Send them all. The same blob twice is sent once: some registries keep no two uploads of it apart."""
        sent: dict[str, Future[Descriptor]] = {}
        order: list[str] = []
        with several(self.stop) as pool:
            for known, layer, blob in layers:
                order.append(layer.blob)
                if layer.blob not in sent:
                    sent[layer.blob] = pool.submit(self._layer, known, layer, blob, kind)
            finish(sent.values())
        return [sent[blob].result() for blob in order]

    def _layer(self, known: Descriptor, layer: Layer, blob: BinaryIO, kind: str) -> Descriptor:
        """Have one layer there, in the form that is wanted. known: as the manifest that is kept has it."""
        if self.there.form.foreign and known.urls and known.media_type in media_types.FOREIGN:
            return known  # not to be uploaded (image-spec, layer.md, "Non-Distributable Layers")
        compression = compression_of(blob.read(LONGEST_MAGIC))
        blob.seek(0)
        names = media_types.LAYERS[kind]
        if self._fits(compression):
            descriptor = Descriptor(names.get(compression, names[""]), Digest.parse(layer.blob), layer.blob_size)
            if not self._is_there(descriptor, layer):
                self._put(descriptor, blob)
            return descriptor
        with self._converted(layer, blob) as (digest, size, content):
            descriptor = Descriptor(names["" if self.there.form.layers == "plain" else "gzip"], digest, size)
            if not self._is_there(descriptor, layer):
                self._put(descriptor, content)
            return descriptor

    def _fits(self, compression: str) -> bool:
        match self.there.form.layers:
            case "kept":
                return True
            case "plain":
                return not compression
            case "compressed":
                return compression in ("gzip", "zstd")

    @contextmanager
    def _converted(self, layer: Layer, blob: BinaryIO) -> Iterator[tuple[Digest, int, BinaryIO]]:
        """The layer in its other form, for as long as the block lasts: digest, size, bytes."""
        plain = Hashed(decompressed(blob))
        pieces = gzipped(plain) if self.there.form.layers == "compressed" else iter(lambda: plain.read(PIECE), b"")
        writer = self.host.content.writer()
        try:
            for piece in pieces:
                self.stop.check()
                writer.write(piece)
            if (found := plain.digest()) != layer.diff_id:
                raise InvalidArchive(
                    f"layer {layer.diff_id}: what is kept of it unpacks to {found}; remove the image, get it anew"
                )
            with writer.reader() as content:
                yield writer.digest(), writer.size, content
        finally:
            writer.discard()

    def _is_there(self, descriptor: Descriptor, layer: Layer) -> bool:
        if self.there.has(descriptor):
            return True
        return any(self.there.mount(descriptor, repository) for repository in self.mounts.get(layer.chain, ()))

    def _put(self, descriptor: Descriptor, content: BinaryIO) -> None:
        self.there.put_blob(descriptor, Told(content, lambda size: self._told(descriptor, size)))

    def _told(self, descriptor: Descriptor, size: int) -> None:
        self.stop.check()
        self.progress(descriptor, size)


class Hashed:
    """A stream that is hashed as it is read."""

    def __init__(self, content: Readable) -> None:
        self._content = content
        self._hash = hashlib.sha256()

    def read(self, size: int = -1, /) -> bytes:
        data = self._content.read(size)
        self._hash.update(data)
        return data

    def digest(self) -> str:
        """Of what was read so far."""
        return f"sha256:{self._hash.hexdigest()}"


class Told:
    """A blob that says how much of it has been read, or, where some of it is wanted again, how much still counts."""

    def __init__(self, content: BinaryIO, told: Callable[[int], None]) -> None:
        self._content, self._told = content, told
        self._size = 0

    def seek(self, offset: int, /) -> int:
        self._size = self._content.seek(offset)
        return self._size

    def read(self, size: int = -1, /) -> bytes:
        data = self._content.read(size)
        self._size += len(data)
        self._told(self._size)
        return data


def _mounts(host: Host, image: Image, place: Place) -> dict[str, list[str]]:
    """By chain ID: repositories of the same registry that have the layer, because an image with it is known to be there."""
    if place.transport != REGISTRY:
        return {}
    registry = reference.parse(reference.normalize(place.name)).registry
    found: dict[str, list[str]] = {layer.chain: [] for layer in image.layers}
    for other in host.state.images.all():
        repositories = [reference.repository(name) for name in other.digests if name.startswith(f"{registry}/")]
        for layer in other.layers:
            if layer.chain in found:
                found[layer.chain] = list(dict.fromkeys([*found[layer.chain], *repositories]))[:MOUNTS]
    return found
