"""One file of a stack of layers, found without a mount: each component of its path in whichever layer shows it.

etc ──────▶ layer 2 (a directory: so what is in it is looked for in every layer)
etc/passwd ▶ layer 1 (a link to /data/passwd: so on from there, and above the root there is the root)
"""

import os
import stat

from podlink.engine.errors import ErrorOccurred
from podlink.engine.linux.safepath import LINKS, parts
from podlink.engine.storage.changes import Stack
from podlink.engine.storage.compare import Seen


def read_found(stack: Stack, path: bytes, limit: int) -> bytes | None:
    """A regular file; None where there is none. Raises ErrorOccurred where it is over `limit` bytes."""
    seen = _find(stack, path)
    if seen is None or not stat.S_ISREG(seen.status.st_mode):
        return None
    descriptor = os.open(seen.path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(descriptor, "rb") as file:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):  # it was exchanged for another since
            return None
        content = file.read(limit + 1)
    if len(content) > limit:
        raise ErrorOccurred(f"{os.fsdecode(path)}: longer than {limit} bytes")
    return content


def _find(stack: Stack, path: bytes) -> Seen | None:
    """path_resolution(7), with the layers' root as the root. No link is followed by the kernel."""
    here, todo, links = list[bytes](), parts(path)[::-1], 0
    while todo:
        part = todo.pop()
        if part == b"..":
            del here[-1:]
            continue
        seen = stack.find(b"/".join((*here, part)))
        if seen is None:
            return None
        if stat.S_ISLNK(seen.status.st_mode):
            links += 1
            if links > LINKS:
                return None
            text = os.readlink(seen.path)  # noqa: PTH115 (bytes)
            here = [] if text.startswith(b"/") else here
            todo += parts(text)[::-1]
        elif todo and not stat.S_ISDIR(seen.status.st_mode):
            return None
        else:
            here.append(part)
    return stack.find(b"/".join(here))
