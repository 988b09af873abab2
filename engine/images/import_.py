"""ImportImage: a root file system tarball becomes an image of one layer.

tarball ──┬──▶ blob, as it came        root/blobs/sha256/…
          └──▶ layer, unpacked         (the storage driver)      read once, for both
                 │ diff ID
                 ▼
changes ──▶ configuration ──▶ manifest ──▶ row of the state, last of all
"""

from collections.abc import Sequence

from podlink.engine.cancel import NEVER, Cancel
from podlink.engine.errors import InvalidArchive, StorageFailed
from podlink.engine.host import Host
from podlink.engine.images.source import kept, opened, shown
from podlink.engine.images.stack import stack
from podlink.engine.images.tag import new_tag
from podlink.engine.oci.digest import Digest
from podlink.engine.oci.image import platforms
from podlink.engine.oci.image.changes import apply_changes
from podlink.engine.oci.image.config import Execution, History, ImageConfig
from podlink.engine.oci.reference import normalize
from podlink.engine.storage.durable import refusals


def import_image(
    host: Host, source: str, reference: str = "", message: str = "", changes: Sequence[str] = (), cancel: Cancel = NEVER
) -> str:
    """Make an image of the tarball at this path or URL, and return its ID; on any failure nothing is left of it.

    It may be plain or compressed with gzip, zstd, xz or bzip2.

    reference: the image's name, made full as `alpine` to `docker.io/library/alpine:latest`; empty for none. message: the comment
    of its one history entry. changes: see `oci.image.changes`. Raises InvalidRequest, InvalidArchive, RegistryFailed,
    StorageFailed, Cancelled.
    """
    names = [normalize(new_tag(reference))] if reference else []
    execution = apply_changes(Execution(), changes)
    what = f"import of {shown(source)}"
    try:
        with opened(source, cancel) as file, refusals(str(host.config.root)):
            stream, media_type = kept(file)
            return stack(host, (), stream, media_type, lambda diff_id: describe(host, diff_id, execution, message), names)
    except (InvalidArchive, StorageFailed) as trouble:
        raise type(trouble)(f"{what}: {trouble.reason}") from trouble


def describe(host: Host, diff_id: Digest, execution: Execution, message: str) -> ImageConfig:
    """The configuration of an image of this one layer, made here and now."""
    now = host.clock.now()
    step = History(created=now, created_by=f"/bin/sh -c #(nop) ADD file:{diff_id.hex} in /", comment=message)
    return ImageConfig(
        architecture=platforms.architecture_of(host.facts.architecture),
        os=platforms.OS,
        diff_ids=(diff_id,),
        created=now,
        execution=execution,
        history=(step,),
    )
