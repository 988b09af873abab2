"""A layer on its way from a stream to a storage driver.

    with ExitStack() as undo:
        layer = unpack_layer(driver, parents, stream)
        undo.callback(driver.discard, layer.staging)
        … compare layer.diff_id with what the image's configuration promises …
        driver.commit([(layer.staging, chain_id)])
        undo.pop_all()

Several layers of an image are staged one over the other, filled (side by side where the driver can do that), and settled, base
first.
"""

import os
import stat
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from typing import BinaryIO

from podlink.engine.config import Limits
from podlink.engine.linux import portable
from podlink.engine.linux.safepath import open_inside
from podlink.engine.oci.digest import Digest
from podlink.engine.oci.layer.bounds import plain
from podlink.engine.oci.layer.jails import Jails
from podlink.engine.oci.layer.place import ABSENT, FOLDER
from podlink.engine.oci.layer.unpack import Unpacked, unpack
from podlink.engine.storage.changes import Stack
from podlink.engine.storage.directories import copy_attributes
from podlink.engine.storage.driver import Staging, StorageDriver
from podlink.engine.storage.durable import refusals


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
    driver: StorageDriver,
    parents: Sequence[str],
    compressed: BinaryIO,
    limits: Limits | None = None,
    over: Staging | None = None,
) -> StagedLayer:
    """Unpack a tar, compressed or not, over these layers (chain IDs in hex, base first). Raises InvalidArchive, StorageFailed.

    over: a layer on top of them that has no name yet. When it fails nothing is left of it.
    """
    staging = driver.stage(parents, over)
    try:
        return settled(staging, fill(staging, compressed, limits))
    except BaseException:
        driver.discard(staging)
        raise


def fill(staging: Staging, compressed: BinaryIO, limits: Limits | None = None, shared: Jails | None = None) -> Unpacked:
    """Unpack a tar, compressed or not, into the staging, which is the caller's to settle or to discard.

    shared: what the caller has to unpack several layers with.
    """
    bounds = limits or Limits()
    return unpack(plain(compressed, bounds), staging.path, staging.whiteouts, bounds, shared)


def settled(staging: Staging, done: Unpacked) -> StagedLayer:
    """The layer, ready to be committed. Those below it are."""
    if staging.below:
        with refusals("a new layer"):
            _describe(staging, done.implied)
    return StagedLayer(staging, done.diff_id, done.size, done.entries)


def _describe(staging: Staging, implied: Sequence[bytes]) -> None:
    """Give directories that the layer only goes through (`tmp/new` without `tmp/`) the owner, mode and time of the layers below.

    overlayfs shows a directory as the topmost layer has it: without this, /tmp would be nobody's but root's from then on.
    """
    home = os.fsencode(staging.path.resolve())
    stack = Stack([home, *(os.fsencode(root) for root in staging.below)])
    root = os.open(home, portable.THROUGH)
    try:
        for path in implied:
            if path:
                _describe_one(root, home, stack, path)
            else:
                copy_attributes(staging.below[0], staging.path)
    finally:
        os.close(root)


def _describe_one(root: int, home: bytes, stack: Stack, path: bytes) -> None:
    try:
        folder = open_inside(root, path, FOLDER | os.O_NOFOLLOW)
    except OSError as error:
        if error.errno in ABSENT:  # a later entry has replaced it
            return
        raise
    try:
        real = portable.path_of(folder).removeprefix(home + b"/")  # `path` may go through links
        below = next(islice(stack.statuses(real), 1, None), None)
        if below is not None and stat.S_ISDIR(below.st_mode):
            os.fchown(folder, below.st_uid, below.st_gid)
            os.fchmod(folder, stat.S_IMODE(below.st_mode))
            os.utime(folder, ns=(below.st_atime_ns, below.st_mtime_ns))
    finally:
        os.close(folder)
