"""Whether two files are the same in all that a user can see: kind, mode, owner, contents, time, attributes."""

import os
import stat
from dataclasses import dataclass

from podlink.engine.oci.layer.owners import Owners
from podlink.engine.oci.layer.writer import FILE, attributes_of

PIECE = 1 << 20


@dataclass(frozen=True, slots=True)
class Seen:
    """A file, directory, link or device, and what lstat(2) tells of it. No link is followed at the end of its path."""

    path: bytes
    status: os.stat_result


def differ(one: Seen, other: Seen, *, whole: bool = True, owners: Owners | None = None) -> bool:
    """owners: to whom the second's were given in the first. whole: attributes and contents are compared too, where all that
    lstat(2) tells is the same.

    A directory's size and time change with its members, which are looked at themselves.
    """
    ours, theirs = one.status, other.status
    uid, gid = owners.outside(theirs.st_uid, theirs.st_gid) if owners else (theirs.st_uid, theirs.st_gid)
    if (ours.st_mode, ours.st_uid, ours.st_gid) != (theirs.st_mode, uid, gid):
        return True
    ordinary = not stat.S_ISDIR(ours.st_mode)
    if ordinary and (ours.st_size, ours.st_mtime_ns, ours.st_rdev) != (theirs.st_size, theirs.st_mtime_ns, theirs.st_rdev):
        return True
    return whole and (attributes_of(one.path) != _given(other, owners) or _contents_differ(one, other))


def _given(seen: Seen, owners: Owners | None) -> dict[str, bytes]:
    found = attributes_of(seen.path)
    return owners.attributes_outside(found) if owners else found


def _contents_differ(one: Seen, other: Seen) -> bool:
    """A file that goes away, or becomes something else, while we read differs for sure."""
    try:
        if stat.S_ISLNK(one.status.st_mode):
            return os.readlink(one.path) != os.readlink(other.path)
        if stat.S_ISREG(one.status.st_mode):
            return _bytes_differ(one.path, other.path)
    except OSError:
        return True
    return False


def _bytes_differ(one: bytes, other: bytes) -> bool:
    with open(os.open(one, FILE), "rb", buffering=0) as ours, open(os.open(other, FILE), "rb", buffering=0) as theirs:
        while piece := ours.read(PIECE):
            if piece != theirs.read(PIECE):
                return True
        return theirs.read(1) != b""
