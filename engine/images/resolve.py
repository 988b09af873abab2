"""From what a place names to one image: its manifest, and its configuration.

    index ──▶ the manifest for this machine ──▶ configuration          each bounded, each checked against its digest

What is no image is refused by its name: manifests of Docker's first schema, and the artifacts that registries hold beside images.
"""

import logging
from dataclasses import dataclass

from podlink.engine.errors import ErrorOccurred, InvalidArchive
from podlink.engine.images.transports.base import RawManifest, Source
from podlink.engine.oci.digest import Digest
from podlink.engine.oci.distribution.refusal import printable
from podlink.engine.oci.image import document, media_types, platforms
from podlink.engine.oci.image.chain import chain_ids
from podlink.engine.oci.image.config import ImageConfig
from podlink.engine.oci.image.document import Document
from podlink.engine.oci.image.manifest import Descriptor, Manifest
from podlink.engine.oci.image.platforms import Platform

log = logging.getLogger(__name__)
PIECE = 256 * 1024
LAYERS = 256
"""How many an image may have: builders stop at 127, a mount of overlayfs at 290, and each takes some of our descriptors."""
INDEXES = (media_types.INDEX, media_types.DOCKER_LIST)


@dataclass(frozen=True, slots=True)
class Wanted:
    """A layer of an image: where it is to come from, and what it is to be."""

    descriptor: Descriptor
    diff_id: Digest
    chain: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Resolved:
    """An image that can be fetched. manifest, configuration: their bytes. digests: of the manifests that led to it.

    layers: base first.
    """

    id: str
    manifest: bytes
    configuration: bytes
    config: ImageConfig
    layers: tuple[Wanted, ...]
    digests: tuple[Digest, ...]


def resolve(source: Source, platform: Platform) -> Resolved:
    """What the place has for this machine. Raises ErrorOccurred, saying what is there instead; InvalidArchive."""
    raw = source.manifest()
    seen = [raw.digest]
    if _is_index(raw):
        chosen = choose(raw.content, platform, source.name)
        raw = source.manifest(chosen)
        if Digest.of(raw.content) != chosen:
            raise InvalidArchive(f"{source.name}: the manifest that it gives for {chosen} hashes to {Digest.of(raw.content)}")
        seen.append(chosen)
    manifest = _parsed(raw, source.name)
    configuration = fetch_small(source, manifest.config)
    config = ImageConfig.parse(configuration)
    if len(config.diff_ids) != len(manifest.layers):
        raise InvalidArchive(
            f"{source.name}: its configuration speaks of {len(config.diff_ids)} layers, its manifest of {len(manifest.layers)}"
        )
    _look_at_platform(config, platform, source.name)
    return Resolved(
        id=manifest.config.digest.hex,
        manifest=raw.content,
        configuration=configuration,
        config=config,
        layers=tuple(map(Wanted, manifest.layers, config.diff_ids, chain_ids(config.diff_ids))),
        digests=tuple(dict.fromkeys(seen)),
    )


def choose(index: bytes, platform: Platform, where: str) -> Digest:
    """The digest of an index's manifest for this machine. Raises ErrorOccurred, with what there is, where none fits."""
    entries = [entry for entry in document.read(index, "index").inners("manifests") if _may_be_image(entry)]
    ranked = [(_rank(entry.inner("platform"), platform), entry) for entry in entries]
    fitting = [(rank, entry) for rank, entry in ranked if rank is not None]
    if not fitting:
        there = ", ".join(dict.fromkeys(_shown(entry.inner("platform")) for entry in entries)) or "none at all"
        raise ErrorOccurred(f"{where}: no image for {platform}; there is {there}")
    return Descriptor.read(min(fitting, key=lambda each: each[0])[1]).digest


def fetch_small(source: Source, descriptor: Descriptor) -> bytes:
    """A blob that is read into memory, bounded and checked."""
    if descriptor.size > document.LIMIT:
        raise InvalidArchive(f"{source.name}: a configuration of {descriptor.size} bytes; {document.LIMIT} are allowed")
    content = b""
    with source.blob(descriptor) as readable:
        while len(content) <= descriptor.size and (data := readable.read(PIECE)):
            content += data
    if len(content) != descriptor.size or Digest.of(content) != descriptor.digest:
        raise InvalidArchive(
            f"{source.name}: blob {descriptor.digest} is to have {descriptor.size} bytes and has others; it is damaged"
        )
    return content


def _look_at_platform(config: ImageConfig, platform: Platform, where: str) -> None:
    """An image of another system is none for us. One for other processors is only told of, as podman does: it may be wanted for
    another machine, or run by an emulator (binfmt_misc), or its configuration may be wrong. Raises ErrorOccurred."""
    made_for = printable("/".join(filter(None, (config.os, config.architecture, config.variant))))
    if config.os != platforms.OS:
        raise ErrorOccurred(f"{where}: no image for {platform}; it is for {made_for}")
    if config.architecture != platform.architecture:
        log.warning("%s is for %s, and this machine runs %s", where, made_for, platform)


def _may_be_image(entry: Document) -> bool:
    """Whether an index's entry is of a kind that we know: any other is to be ignored (image-index.md, `mediaType`), and what is
    an artifact beside the images (`artifactType`, a signature or a bill of materials) is for no machine."""
    known = (*media_types.CONFIGS, *INDEXES, *media_types.SCHEMA_1)
    return entry.text("mediaType") in known and entry.text("artifactType") in ("", *media_types.CONFIGS.values())


def _rank(told: Document, platform: Platform) -> int | None:
    """How well an entry fits, the best 0; None where it doesn't. One that says nothing of machines comes last."""
    if not told.fields:
        return len(platform.variants)
    variant = told.text("variant")
    fits = (told.text("os"), told.text("architecture")) == (platforms.OS, platform.architecture) and variant in platform.variants
    return platform.variants.index(variant) if fits else None


def _shown(platform: Document) -> str:
    words = (platform.text("os"), platform.text("architecture"), platform.text("variant"))
    return "/".join(filter(None, words)) or "one that says nothing of machines"


def _is_index(raw: RawManifest) -> bool:
    """By what the place says, by what the document says, or by what it has: the oldest say nothing."""
    found = document.read(raw.content, "manifest")
    return raw.media_type in INDEXES or found.text("mediaType") in INDEXES or "manifests" in found.fields


def _parsed(raw: RawManifest, where: str) -> Manifest:
    """The image manifest. Raises ErrorOccurred for what is another kind of thing."""
    found = document.read(raw.content, "manifest")
    if raw.media_type in media_types.SCHEMA_1 or found.fields.get("schemaVersion") == 1:
        raise ErrorOccurred(f"{where}: a manifest of schema 1, out of use since 2017; push the image anew with a newer program")
    if raw.media_type in INDEXES or "manifests" in found.fields:
        raise ErrorOccurred(f"{where}: an index within an index; give the digest of one of its manifests")
    kind = found.text("artifactType") or found.inner("config").text("mediaType")
    if "config" not in found.fields or kind not in media_types.CONFIGS.values():
        raise ErrorOccurred(f"{where}: it is an artifact ({kind[:100] or 'without a configuration'}) and no image")
    manifest = Manifest.parse(raw.content)
    if len(manifest.layers) > LAYERS:
        raise InvalidArchive(f"{where}: an image of {len(manifest.layers)} layers; up to {LAYERS} are taken")
    for layer in manifest.layers:
        if layer.media_type not in media_types.ALL_LAYERS:
            raise ErrorOccurred(f"{where}: layer {layer.digest} is {layer.media_type[:100]!r}, which no image's layer is")
    return manifest
