"""Bounds on what a layer may ask of this host. A layer is hostile until it is unpacked."""

from dataclasses import dataclass

GIB = 2**30


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """entries: members of the tar. total: bytes of the uncompressed tar, and of the files it makes (holes counted too).

    path: bytes of one name or link target. header: bytes of one entry's extended headers (PAX records, GNU long names).
    names: bytes of all names together, those of directories that are only gone through too: names are what is remembered.
    end_mark: whether the archive must have its end mark. It is what tells a whole archive from one that was cut off, where no
    digest does; umoci has written layers without.
    """

    entries: int = 2_000_000
    total: int = 64 * GIB
    path: int = 4096
    header: int = 2**20
    names: int = 2**27
    end_mark: bool = True
