"""How a deletion in a layer reaches the directory that the layer is unpacked into (OCI image-spec, layer.md, "Whiteouts").

A layer says "this is gone" by an empty file: `.wh.NAME` hides NAME of the layers below, `.wh..wh..opq` in a directory
hides all that the layers below have in it. Neither ever hides what its own layer brings, wherever in the tar it stands.
"""

from enum import Enum

from podlink.engine.errors import InvalidArchive
from podlink.engine.oci.layer.entry import shown


class Whiteouts(Enum):
    """What becomes of a whiteout."""

    OVERLAY = "overlay"
    """What overlayfs reads as one: a character device 0/0, and the xattr trusted.overlay.opaque=y."""
    APPLY = "apply"
    """It is carried out: what the directory holds of the layers below is deleted."""


PREFIX = b".wh."
ALL = b".wh..wh..opq"


def hidden_by(path: bytes) -> bytes | None:
    """What an entry of this name hides in its directory: a name, or b"" for everything. None: it is no whiteout.

    Raises InvalidArchive for a whiteout that hides nothing that can be: `.wh.`, `.wh..`, `.wh...`, or what lies below one.
    """
    if PREFIX not in path:
        return None
    *folders, name = path.split(b"/")
    if any(folder.startswith(PREFIX) for folder in folders):
        raise InvalidArchive(f"entry {shown(path)}: it lies below a whiteout")
    if not name.startswith(PREFIX):
        return None
    if name == ALL:
        return b""
    hidden = name.removeprefix(PREFIX)
    if hidden in (b"", b".", b".."):
        raise InvalidArchive(f"entry {shown(path)}: a whiteout of {shown(hidden)}, which is no name")
    if hidden.startswith(PREFIX):
        raise InvalidArchive(f"entry {shown(path)}: a whiteout of a whiteout; the bookkeeping of aufs is not supported")
    return hidden
