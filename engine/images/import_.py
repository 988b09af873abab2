"""ImportImage: a root file system tarball becomes an image of one layer.

tarball ──┬──▶ blob, as it came        root/blobs/sha256/…
          └──▶ layer, unpacked         (the storage driver)      read once, for both
                 │ diff ID
                 ▼
changes ──▶ configuration ──▶ manifest ──▶ row of the state, last of all
"""

import io
from collections.abc import Sequence
from contextlib import ExitStack

from podlink.engine.errors import InvalidArchive, StorageFailed
from podlink.engine.host import Host
from podlink.engine.images import LOCK
from podlink.engine.images.collect import drop
from podlink.engine.images.source import CHUNK, Tee, media_type_of, opened
from podlink.engine.images.tag import new_tag
from podlink.engine.oci.digest import Digest
from podlink.engine.oci.image import media_types, platforms
from podlink.engine.oci.image.chain import chain_ids
from podlink.engine.oci.image.changes import apply_changes
from podlink.engine.oci.image.config import Execution, History, ImageConfig
from podlink.engine.oci.image.manifest import Descriptor, Manifest
from podlink.engine.oci.reference import normalize
from podlink.engine.state.images import Image, Layer
from podlink.engine.storage.content import Writer
from podlink.engine.storage.layers import StagedLayer, unpack_layer


def import_image(host: Host, source: str, reference: str = "", message: str = "", changes: Sequence[str] = ()) -> str:
    """Make an image of the tarball (plain or gzip) at this path, and return its ID; on any failure nothing is left of it.

    reference: the image's name, made full as `alpine` to `docker.io/library/alpine:latest`; empty for none. message: the comment
    of its one history entry. changes: see `oci.image.changes`. Raises InvalidRequest, NotHonoured, InvalidArchive, StorageFailed.
    """
    names = [normalize(new_tag(reference))] if reference else []
    execution = apply_changes(Execution(), changes)
    try:
        with opened(source) as file, ExitStack() as undo:
            writer = host.content.writer()
            undo.callback(writer.discard)
            staged, media_type = _unpack(host, source, file, writer)
            undo.callback(host.storage.discard, staged.staging)
            config = describe(host, staged.diff_id, execution, message)
            return _commit(host, staged, writer, media_type, config, names)
    except OSError as trouble:
        raise StorageFailed(f"import of {source}: {trouble.strerror or trouble}") from trouble
    except InvalidArchive as trouble:
        raise InvalidArchive(f"import of {source}: {trouble.reason}") from None


def describe(host: Host, diff_id: Digest, execution: Execution, message: str) -> ImageConfig:
    """The configuration of an image of this one layer, made here and now."""
    now = host.now()
    step = History(created=now, created_by=f"/bin/sh -c #(nop) ADD file:{diff_id.hex} in /", comment=message)
    return ImageConfig(
        architecture=platforms.architecture_of(host.facts.architecture),
        os=platforms.OS,
        diff_ids=(diff_id,),
        created=now,
        execution=execution,
        history=(step,),
    )


def _unpack(host: Host, source: str, file: io.FileIO, writer: Writer) -> tuple[StagedLayer, str]:
    """Unpack the tarball while it is written to the blob. The answer has the blob's media type with it."""
    tee = Tee(file, writer.write)
    stream = io.BufferedReader(tee, CHUNK)
    media_type = media_type_of(source, stream.peek()[:8])
    staged = unpack_layer(host.storage, (), stream)
    try:
        tee.drain()
    except BaseException:
        host.storage.discard(staged.staging)
        raise
    return staged, media_type


def _commit(host: Host, staged: StagedLayer, writer: Writer, media_type: str, config: ImageConfig, names: Sequence[str]) -> str:
    """Give layer and blob their names, then write the row. A layer that is here already is shared, blob and all; ours goes."""
    chain = chain_ids(config.diff_ids)[-1]
    with host.state.locks.hold(LOCK), ExitStack() as undo:
        layer = host.state.images.layer(chain)
        if layer is None:
            blob = writer.commit()
            layer = Layer(
                chain=chain,
                diff_id=str(staged.diff_id),
                blob=str(blob),
                media_type=media_type,
                size=staged.size,
                blob_size=writer.size,
            )
        undo.callback(drop, host, [layer])
        host.storage.commit(staged.staging, chain)
        image = assemble(config, (layer,))
        host.state.images.add(image, names)
        undo.pop_all()
    return image.id


def assemble(config: ImageConfig, layers: tuple[Layer, ...]) -> Image:
    """The row of an image: its configuration over these layers, and a manifest that names them all."""
    content = config.serialize()
    manifest = Manifest(
        config=Descriptor(media_types.CONFIG, Digest.of(content), len(content)),
        layers=tuple(Descriptor(layer.media_type, Digest.parse(layer.blob), layer.blob_size) for layer in layers),
    ).serialize()
    return Image(
        id=Digest.of(content).hex,
        digest=str(Digest.of(manifest)),
        created_at=config.created,
        config=content,
        manifest=manifest,
        size=sum(layer.size for layer in layers),
        layers=layers,
    )
