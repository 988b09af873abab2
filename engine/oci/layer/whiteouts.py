"""How a deletion in a layer reaches the directory that the layer is unpacked into (OCI image-spec, layer.md, "Whiteouts").

A layer says "this is gone" by an empty file: `.wh.NAME` hides NAME of the layers below, `.wh..wh..opq` in a directory
hides all that the layers below have in it. Neither ever hides what its own layer brings, wherever in the tar it stands.
"""

from enum import Enum


class Whiteouts(Enum):
    """What becomes of a whiteout."""

    OVERLAY = "overlay"
    """What overlayfs reads as one: a character device 0/0, and the xattr trusted.overlay.opaque=y."""
    APPLY = "apply"
    """It is carried out: what the directory holds of the layers below is deleted."""
