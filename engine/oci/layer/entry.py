"""One member of a layer, whatever kind of archive it came in: the value between those who read and those who write."""

from collections.abc import Iterable, Mapping
from enum import Enum
from types import MappingProxyType
from typing import NamedTuple, Protocol

from podlink.engine.errors import InvalidArchive

HIGHEST_ID = 2**32 - 2
"""(uid_t) -1 means "no change" to chown(2)."""
TIMES = range(-(2**33) * 10**9, 2**36 * 10**9)
"""Nanoseconds since the epoch that file systems and Python can hold: from 1697 to far beyond any of them."""


class Kind(Enum):
    """What a member makes. A hard link is a name for a member that came before."""

    FILE = "file"
    DIRECTORY = "directory"
    SYMLINK = "symbolic link"
    HARD_LINK = "hard link"
    CHARACTER = "character device"
    BLOCK = "block device"
    FIFO = "fifo"


NO_XATTRS: Mapping[str, bytes] = MappingProxyType({})


class Entry(NamedTuple):
    """Names are bytes, as the kernel's are.

    name: below the root, without `.`, `..`, doubled or leading slashes; empty for the root itself.
    link: a symbolic link's text as it came, or a hard link's target in the form of `name`. size: of the file, holes and all.
    segments: where the data goes, as (offset, length), for a file with holes; None for one without.
    """

    name: bytes
    kind: Kind
    mode: int
    uid: int
    gid: int
    mtime: int
    size: int = 0
    link: bytes = b""
    device: tuple[int, int] = (0, 0)
    segments: tuple[tuple[int, int], ...] | None = None
    xattrs: Mapping[str, bytes] = NO_XATTRS


class Data(Protocol):
    """A file's bytes, in order and without the holes. Whatever is not taken is passed over."""

    def pieces(self) -> Iterable[memoryview]:
        """All of them, in pieces of moderate size."""
        ...


def path_of(name: bytes) -> bytes:
    """A member's name as a path below the root. Raises InvalidArchive for one that means to climb."""
    plain = name.removeprefix(b"./").rstrip(b"/")
    if plain and plain[0] not in b"/." and b"/." not in plain and b"//" not in plain and b"\0" not in plain:
        return plain  # as most are by far: nothing in it to take out
    if b"\0" in name:
        raise InvalidArchive(f"entry {shown(name)}: a zero byte in its name")
    parts = [part for part in name.split(b"/") if part not in (b"", b".")]
    if b".." in parts:
        raise InvalidArchive(f"entry {shown(name)}: '..' in its name leads out of the layer")
    return b"/".join(parts)


def shown(name: bytes) -> str:
    """A name for a message: printable whatever its bytes, and no longer than a person reads."""
    text = name.decode("utf-8", "backslashreplace")
    return repr(text if len(text) <= 200 else text[:200] + "…")
