"""A new image that is another one with a layer on top, or with none: what Commit makes."""

import io
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from typing import BinaryIO

from podlink.engine.host import Host
from podlink.engine.images import LOCK
from podlink.engine.images.collect import drop
from podlink.engine.images.import_ import assemble
from podlink.engine.images.source import CHUNK, Tee
from podlink.engine.oci.digest import Digest
from podlink.engine.oci.image import media_types
from podlink.engine.oci.image.chain import chain_ids
from podlink.engine.oci.image.config import ImageConfig
from podlink.engine.state.images import Image, Layer
from podlink.engine.storage.layers import unpack_layer

Describe = Callable[[Digest | None], ImageConfig]
"""The new image's configuration, from the diff ID of the layer on top; None where there is none."""


def grow(host: Host, base: Image, tar: BinaryIO | None, describe: Describe, names: Sequence[str]) -> str:
    """Keep the image and return its ID; on any failure nothing of it is left. tar: the layer, uncompressed."""
    if tar is None:
        with host.state.locks.hold(LOCK):
            image = assemble(describe(None), base.layers)
            host.state.images.add(image, names)
        return image.id
    with ExitStack() as undo:
        writer = host.content.writer()
        undo.callback(writer.discard)
        tee = Tee(io.FileIO(tar.fileno(), closefd=False), writer.write)
        staged = unpack_layer(host.storage, [layer.chain for layer in base.layers], io.BufferedReader(tee, CHUNK))
        undo.callback(host.storage.discard, staged.staging)
        tee.drain()
        config = describe(staged.diff_id)
        chain = chain_ids(config.diff_ids)[-1]
        with host.state.locks.hold(LOCK), ExitStack() as inner:
            layer = host.state.images.layer(chain) or Layer(
                chain=chain,
                diff_id=str(staged.diff_id),
                blob=str(writer.commit()),
                media_type=media_types.LAYER_TAR,
                size=staged.size,
                blob_size=writer.size,
                parent=base.layers[-1].chain if base.layers else "",
            )
            inner.callback(drop, host, [layer])
            host.storage.commit(staged.staging, chain)
            image = assemble(config, (*base.layers, layer))
            host.state.images.add(image, names)
            inner.pop_all()
        undo.pop_all()
        writer.discard()  # a blob that was here already stays as it is, and ours goes
    return image.id
