"""Whose a file is where the engine may give nothing away: the file is the engine's own, and an attribute of it says whose it is.

    user.podlink.owner = "1000:100"     UID and GID; what has none and is the engine's own is root's, as in a user namespace

Regular files and directories can have such an attribute, links, FIFOs and sockets can't (xattr(7)): these are root's, and so is
everything where the file system has no attributes, and on macOS. Who is root gives files away and needs none of this.
"""

import errno
import os
import re
from collections.abc import Mapping

from podlink.engine.linux import portable

ATTRIBUTE = "user.podlink.owner"
VALUE = re.compile(rb"(\d{1,10}):(\d{1,10})")
NOT_TO_BE_HAD = frozenset({errno.ENOTSUP, errno.EPERM, errno.EACCES})
"""What setting it says of a file system without attributes, of a link, and of a file that may not be written."""
Owner = tuple[int, int]
"""UID and GID."""


def keep(file: int | bytes, owner: Owner) -> bool:
    """Note whose an open file is, or what has this path; whether that could be. Raises OSError: no room."""
    if owner == (0, 0) and portable.attribute(file, ATTRIBUTE) is None:
        return True
    try:
        portable.set_attribute(file, ATTRIBUTE, b"%d:%d" % owner)
    except OSError as error:
        if error.errno not in NOT_TO_BE_HAD:
            raise
        return False
    return portable.LINUX


def noted(value: bytes | None) -> Owner | None:
    """What the attribute's value says; None where there is none, or something else has set it."""
    found = VALUE.fullmatch(value or b"")
    return (int(found[1]), int(found[2])) if found else None


def owner_of(status: os.stat_result, attributes: Mapping[str, bytes]) -> Owner:
    """Whose a file is, by what lstat(2) says of it and by its attributes."""
    if os.geteuid() == 0:
        return status.st_uid, status.st_gid
    return noted(attributes.get(ATTRIBUTE)) or unless_own(status)


def unless_own(status: os.stat_result) -> Owner:
    """The file's owners, root in the place of the engine's user."""
    return (
        0 if status.st_uid == os.geteuid() else status.st_uid,
        0 if status.st_gid == os.getegid() else status.st_gid,
    )
