"""One layer more: from a tar stream over some layers that are here to an image. ImportImage begins so, and Commit goes on so."""

import io
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from typing import BinaryIO, cast

from podlink.engine.errors import StorageFailed
from podlink.engine.host import Host
from podlink.engine.images import LOCK
from podlink.engine.images.collect import drop
from podlink.engine.images.source import CHUNK, Buffered, Tee
from podlink.engine.oci.digest import Digest
from podlink.engine.oci.image import media_types
from podlink.engine.oci.image.chain import chain_ids
from podlink.engine.oci.image.config import ImageConfig
from podlink.engine.oci.image.manifest import Descriptor, Manifest
from podlink.engine.state.values import Image, Layer
from podlink.engine.storage.content import Writer
from podlink.engine.storage.layers import StagedLayer, unpack_layer

Describe = Callable[[Digest], ImageConfig]
"""The new image's configuration, from the diff ID of the layer on top."""


def stack(
    host: Host,
    below: Sequence[Layer],
    stream: Buffered,
    media_type: str,
    describe: Describe,
    names: Sequence[str],
    action: str = "import",
) -> str:
    """Keep the image that is `below` (base first) with one layer more, and return its ID; on any failure nothing of it is left.

    The layer is unpacked while it is written to its blob. A layer that is here already is shared, blob and all; ours goes.
    """
    with ExitStack() as undo:
        writer = host.content.writer()
        undo.callback(writer.discard)
        tee = Tee(stream, writer.write)
        content = cast(BinaryIO, io.BufferedReader(tee, CHUNK))
        staged = unpack_layer(host.storage, [layer.chain for layer in below], content, host.config.limits)
        undo.callback(host.storage.discard, staged.staging)
        tee.drain()
        config = describe(staged.diff_id)
        return _commit(host, below, staged, writer, media_type, config, names, action)


def _commit(
    host: Host,
    below: Sequence[Layer],
    staged: StagedLayer,
    writer: Writer,
    media_type: str,
    config: ImageConfig,
    names: Sequence[str],
    action: str,
) -> str:
    """Give layer and blob their names, then write the row."""
    chain = chain_ids(config.diff_ids)[-1]
    with host.state.locks.hold(LOCK), ExitStack() as undo:
        _require(host, below)
        layer = host.state.images.layer(chain)
        if layer is None:
            blob = writer.digest()
            host.content.commit({blob: writer})
            layer = Layer(
                chain=chain,
                diff_id=str(staged.diff_id),
                blob=str(blob),
                media_type=media_type,
                size=staged.size,
                blob_size=writer.size,
                parent=below[-1].chain if below else "",
            )
        undo.callback(drop, host, [layer])
        host.storage.commit([(staged.staging, chain)])
        image = assemble(config, (*below, layer))
        host.state.images.add(image, names, action)
        undo.pop_all()
    return image.id


def keep(host: Host, below: Sequence[Layer], config: ImageConfig, names: Sequence[str], action: str) -> str:
    """Keep the image that is `below` and no layer more, under this configuration, and return its ID."""
    with host.state.locks.hold(LOCK):
        _require(host, below)
        image = assemble(config, tuple(below))
        host.state.images.add(image, names, action)
    return image.id


def _require(host: Host, layers: Sequence[Layer]) -> None:
    """Nobody held the image that these are from. The caller holds `LOCK`, without which none goes."""
    for layer in layers:
        if host.state.images.layer(layer.chain) is None:
            raise StorageFailed(f"layer {layer.chain[:12]} was removed with its image meanwhile")


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
