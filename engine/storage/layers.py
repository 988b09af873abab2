"""A layer on its way from a stream to a storage driver.

with ExitStack() as undo:
    layer = unpack_layer(driver, parents, stream)
    undo.callback(driver.discard, layer.staging)
    … compare layer.diff_id with what the image's configuration promises …
    driver.commit(layer.staging, chain_id)
    undo.pop_all()
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import BinaryIO

from podlink.engine.oci.digest import Digest
from podlink.engine.oci.layer.compression import decompressed
from podlink.engine.oci.layer.limits import Limits
from podlink.engine.oci.layer.unpack import unpack
from podlink.engine.storage.driver import Staging, StorageDriver


@dataclass(frozen=True, slots=True)
class StagedLayer:
    """A layer that is unpacked and has no name yet. Commit the staging under the layer's chain ID, or discard it.

    diff_id: digest of the uncompressed tar. size: bytes of the files that the tar brought. entries: members of the tar.
    """

    staging: Staging
    diff_id: Digest
    size: int
    entries: int


def unpack_layer(
    driver: StorageDriver, parents: Sequence[str], compressed: BinaryIO, limits: Limits | None = None
) -> StagedLayer:
    """Unpack a tar, plain or gzipped, over these layers (chain IDs in hex, base first). Raises InvalidArchive, StorageFailed.

    When it fails nothing is left of it.
    """
    staging = driver.stage(parents)
    try:
        done = unpack(decompressed(compressed), staging.path, staging.whiteouts, limits)
    except BaseException:
        driver.discard(staging)
        raise
    return StagedLayer(staging, done.diff_id, done.size, done.entries)
