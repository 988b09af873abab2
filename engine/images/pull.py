"""PullImage: from a registry, an archive or a folder into the store.

    name ──▶ candidates, tried in turn ──▶ manifest (of an index: the one for this machine) ──▶ configuration
                                                                                                    │ layers that are not here
                         row ◀── layers unpacked, base first ◀── blobs, several at a time ◀─────────┘

Nothing that a place says is believed: manifests and configuration are bounded, and each blob's size and digest, and each
layer's diff ID, are checked before anything gets its name. Until the row is written the blobs are files that belong to this
process alone; should it die, the next engine that opens the root sweeps them away.
"""

import hashlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from podlink.engine.cancel import NEVER, Cancel
from podlink.engine.errors import Cancelled, ErrorOccurred, ImageNotFound, InvalidArchive, InvalidRequest
from podlink.engine.host import Host
from podlink.engine.images import LOCK
from podlink.engine.images.collect import drop
from podlink.engine.images.transports.base import RawManifest, Source
from podlink.engine.images.transports.places import candidates
from podlink.engine.oci.digest import Digest
from podlink.engine.oci.image import document, media_types, platforms, times
from podlink.engine.oci.image.chain import chain_ids
from podlink.engine.oci.image.config import ImageConfig
from podlink.engine.oci.image.manifest import Descriptor, Manifest
from podlink.engine.oci.layer.limits import Limits
from podlink.engine.state.images import Image, Layer
from podlink.engine.storage.content import Writer
from podlink.engine.storage.layers import unpack_layer

AT_ONCE = 3
"""Blobs that are fetched side by side."""
PIECE = 256 * 1024
LARGEST_CONFIG = 8 * 2**20
WHOLE = Limits(end_mark=False)
"""A layer's digest says that it is whole; some tools leave the tar's own end mark out."""
VARIANTS = {"arm": ("v7", "v6", "v5", ""), "arm64": ("v8", "")}
"""By architecture: what such a machine runs, the best first. Where nothing is said here, only what names no variant, or v1."""

Progress = Callable[[Descriptor, int], None]
"""Told of each blob on its way: which, and how many bytes of it are here."""


def pull(host: Host, name: str, *, progress: Progress | None = None, cancel: Cancel = NEVER) -> str:
    """Bring an image in and return its ID. An image that is here already gets the name, and nothing is fetched.

    Raises ErrorOccurred, saying what was tried; InvalidRequest for what is no name; Cancelled.
    """
    troubles: list[str] = []
    for candidate in candidates(name, cancel, host.config.root):
        try:
            with candidate.open() as source:
                told = progress or (lambda blob, size: None)
                return _Pull(host, source, told, cancel).run()
        except ImageNotFound as missing:
            troubles.append(f"{missing.name} is not there")
        except (InvalidRequest, Cancelled):
            raise
        except ErrorOccurred as trouble:
            troubles.append(trouble.reason)
        except OSError as trouble:
            troubles.append(str(trouble))
    raise ErrorOccurred(f"unable to pull {name}: {'; '.join(troubles) or 'no registry is configured to look in'}")


@dataclass(frozen=True, slots=True)
class _Wanted:
    """A layer of the image: where it is to come from, and what it is to be."""

    descriptor: Descriptor
    diff_id: Digest
    chain: str


class _Pull:
    """One image from one place."""

    def __init__(self, host: Host, source: Source, progress: Progress, cancel: Cancel) -> None:
        self._host, self._source = host, source
        self._progress, self._cancel = progress, cancel
        self._seen: list[Digest] = []
        """Of the manifests, and of the index, that led here."""

    def run(self) -> str:
        raw = self._resolved()
        manifest = _parsed(raw, self._source.name)
        content = self._small(manifest.config)
        config = ImageConfig.parse(content)
        if len(config.diff_ids) != len(manifest.layers):
            raise InvalidArchive(
                f"{self._source.name}: its configuration speaks of {len(config.diff_ids)} layers, "
                f"its manifest of {len(manifest.layers)}"
            )
        image = manifest.config.digest.hex
        with self._host.state.locks.hold(f"pull-{image}"):  # whoever comes second finds the image here
            if any(each.id == image for each in self._host.state.images.by_prefix(image)):
                for name in self._source.names:
                    self._host.state.images.tag(image, name)
                self._host.state.images.note(image, self._digests())
                return image
            chains = chain_ids(config.diff_ids) if config.diff_ids else []
            wanted = [_Wanted(*each) for each in zip(manifest.layers, config.diff_ids, chains, strict=True)]
            return self._fetch(raw, content, config, image, wanted)

    def _resolved(self) -> RawManifest:
        """The image manifest; of an index, the one for this machine."""
        raw = self._source.manifest()
        self._seen.append(raw.digest)
        if not _is_index(raw):
            return raw
        chosen = choose(raw.content, platforms.architecture_of(self._host.facts.architecture), self._source.name)
        found = self._source.manifest(chosen)
        if Digest.of(found.content) != chosen:
            raise InvalidArchive(f"{self._source.name}: the manifest that it gives for {chosen} hashes to something else")
        self._seen.append(chosen)
        return found

    def _digests(self) -> tuple[str, ...]:
        """`REPOSITORY@DIGEST` of what was found in a registry."""
        return tuple(f"{self._source.repository}@{digest}" for digest in self._seen) if self._source.repository else ()

    def _small(self, descriptor: Descriptor) -> bytes:
        """A blob that is read into memory, bounded and checked."""
        if descriptor.size > LARGEST_CONFIG:
            raise InvalidArchive(f"{self._source.name}: a configuration of {descriptor.size} bytes; {LARGEST_CONFIG} are read")
        content = b"".join(self._pieces(descriptor))
        if Digest.of(content) != descriptor.digest:
            raise InvalidArchive(f"{self._source.name}: blob {descriptor.digest} hashes to something else")
        return content

    def _pieces(self, descriptor: Descriptor) -> Iterator[bytes]:
        """The bytes of a blob, as many as its descriptor says. Raises InvalidArchive for fewer and for more."""
        count = 0
        with self._source.blob(descriptor) as readable:
            while data := readable.read(PIECE):
                if self._cancel.is_set():
                    raise Cancelled(f"the caller left while {self._source.name} was pulled")
                count += len(data)
                if count > descriptor.size:
                    break
                yield data
        if count != descriptor.size:
            word = "more" if count > descriptor.size else f"{count}"
            raise InvalidArchive(
                f"{self._source.name}: blob {descriptor.digest} is to have {descriptor.size} bytes and has {word}"
            )

    def _fetch(self, raw: RawManifest, content: bytes, config: ImageConfig, image: str, wanted: list[_Wanted]) -> str:
        with self._downloaded(wanted) as writers, self._host.state.locks.hold(LOCK), ExitStack() as undo:
            layers: list[Layer] = []
            undo.callback(drop, self._host, [_row(each, 0, "") for each in wanted])
            for each in wanted:
                layers.append(self._placed(each, [layer.chain for layer in layers], writers))
            row = Image(
                id=image,
                digest=str(Digest.of(raw.content)),
                created_at=0 if config.created == times.UNKNOWN else config.created,
                config=content,
                manifest=raw.content,
                size=sum(layer.size for layer in layers),
                layers=tuple(layers),
                digests=self._digests(),
            )
            self._host.state.images.add(row, self._source.names, "pull")
            undo.pop_all()
        return image

    @contextmanager
    def _downloaded(self, wanted: list[_Wanted]) -> Iterator[dict[Digest, Writer]]:
        """Writers with the blobs that are not here, whole and checked, not committed yet."""
        needed = {
            each.descriptor.digest: each.descriptor
            for each in wanted
            if self._host.state.images.layer(each.chain) is None and not self._host.content.has(each.descriptor.digest)
        }
        with ExitStack() as stack:
            with ThreadPoolExecutor(AT_ONCE, thread_name_prefix="podlink-pull") as pool:
                found = {digest: pool.submit(self._download, descriptor, stack) for digest, descriptor in needed.items()}
                try:
                    writers = {digest: future.result() for digest, future in found.items()}
                except BaseException:
                    pool.shutdown(cancel_futures=True)
                    raise
            yield writers

    def _download(self, descriptor: Descriptor, stack: ExitStack) -> Writer:
        writer = self._host.content.writer()
        stack.callback(writer.discard)
        hashed = hashlib.sha256()
        for data in self._pieces(descriptor):
            writer.write(data)
            hashed.update(data)
            self._progress(descriptor, writer.size)
        if (found := Digest(hashed.hexdigest())) != descriptor.digest:
            raise InvalidArchive(f"{self._source.name}: blob {descriptor.digest} hashes to {found}; it was damaged or changed")
        return writer

    def _placed(self, wanted: _Wanted, below: list[str], writers: dict[Digest, Writer]) -> Layer:
        """The layer, here under its chain ID. One that another image has is shared."""
        if layer := self._host.state.images.layer(wanted.chain):
            return layer
        digest = wanted.descriptor.digest
        if writer := writers.get(digest):
            writer.commit(digest)
        with self._host.content.open(digest) as blob:
            staged = unpack_layer(self._host.storage, below, blob, WHOLE)
        if staged.diff_id != wanted.diff_id:
            self._host.storage.discard(staged.staging)
            raise InvalidArchive(
                f"{self._source.name}: layer {digest} unpacks to {staged.diff_id}; the configuration wants {wanted.diff_id}"
            )
        self._host.storage.commit(staged.staging, wanted.chain)
        return _row(wanted, staged.size, below[-1] if below else "")


def _row(wanted: _Wanted, size: int, parent: str) -> Layer:
    return Layer(
        chain=wanted.chain,
        diff_id=str(wanted.diff_id),
        blob=str(wanted.descriptor.digest),
        media_type=wanted.descriptor.media_type,
        size=size,
        blob_size=wanted.descriptor.size,
        parent=parent,
    )


def choose(index: bytes, architecture: str, where: str) -> Digest:
    """The digest of the index's manifest for this machine. Raises ErrorOccurred, with what there is, where none fits."""
    entries = document.read(index, "index").inners("manifests")
    there: list[str] = []
    ranks = VARIANTS.get(architecture, ("", "v1"))
    best: tuple[int, Digest] | None = None
    for entry in entries:
        platform = entry.inner("platform")
        system, machine, variant = platform.text("os"), platform.text("architecture"), platform.text("variant")
        there.append("/".join(filter(None, (system, machine, variant))))
        if (system, machine) == (platforms.OS, architecture) and variant in ranks:
            rank = ranks.index(variant)
            if best is None or rank < best[0]:
                best = rank, Descriptor.read(entry).digest
    if best is None:
        raise ErrorOccurred(f"{where}: no image for {platforms.OS}/{architecture}; there is {', '.join(there) or 'none at all'}")
    return best[1]


def _is_index(raw: RawManifest) -> bool:
    if raw.media_type in (media_types.INDEX, media_types.DOCKER_LIST):
        return True
    found = document.read(raw.content, "manifest")
    return found.text("mediaType") in (media_types.INDEX, media_types.DOCKER_LIST) or "manifests" in found.fields


def _parsed(raw: RawManifest, where: str) -> Manifest:
    """Raises ErrorOccurred for what is another kind of thing, by its name."""
    found = document.read(raw.content, "manifest")
    if raw.media_type in media_types.SCHEMA_1 or found.fields.get("schemaVersion") == 1:
        raise ErrorOccurred(f"{where}: a manifest of schema 1, which nobody makes any more; push the image anew")
    manifest = Manifest.parse(raw.content)
    if manifest.config.media_type not in (media_types.CONFIG, media_types.DOCKER_CONFIG):
        kind = found.text("artifactType") or manifest.config.media_type
        raise ErrorOccurred(f"{where}: it is an artifact ({kind}) and no image")
    return manifest
