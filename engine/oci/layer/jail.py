"""The process that unpacks a layer as root: locked into the layer's directory before it reads the first byte of it.

    import everything, use everything once       in the `warden`, before it is asked for any layer
    close what is open, chroot(2), drop rights   in a fork of it; from here on nothing is imported ever again
    entries become files                         from standard input, a pipe
    the result                                   to standard output, the line to the engine

Inside, an absolute link, a `..`, a hard link or a device leads nowhere but into the layer: the kernel sees to it. What is left to
fear is that this process runs what the layer brings. Whatever Python imports, or libc loads, after chroot(2) would come from the
layer: a codec, a locale, a name service. So Python's import machinery is emptied, the locale is C (no catalogues, no gconv),
owners are numbers (no nsswitch), and the rights that remain are those that unpacking takes: capabilities(7).
"""

import io
import json
import os
import signal
import sys
from dataclasses import asdict
from pathlib import Path
from typing import BinaryIO, NoReturn, cast

from podlink.engine.config import Limits
from podlink.engine.errors import InvalidArchive, StorageFailed
from podlink.engine.linux import capabilities, syscalls
from podlink.engine.oci.layer.apply import fill
from podlink.engine.oci.layer.hiding import hiding_for
from podlink.engine.oci.layer.place import Jailed
from podlink.engine.oci.layer.whiteouts import Whiteouts

NEEDED = ("CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_FOWNER", "CAP_FSETID", "CAP_MKNOD", "CAP_SETFCAP")
FOR_OVERLAY = "CAP_SYS_ADMIN"
"""What it takes to set trusted.overlay.opaque: xattr(7)."""


def live(directory: int, tar: int, line: int, whiteouts: Whiteouts, limits: Limits) -> NoReturn:
    """Unpack what the pipe `tar` gives into the directory, which becomes the root, say what came of it on the line, and end."""
    status = 1
    try:
        os.fchdir(directory)
        os.dup2(tar, 0)
        os.dup2(line, 1)
        os.write(1, json.dumps(_unpack(whiteouts, limits)).encode())
        status = 0
    finally:
        os._exit(status)  # the interpreter's own end may import


def _unpack(whiteouts: Whiteouts, limits: Limits) -> dict[str, object]:
    try:
        confine((*NEEDED, FOR_OVERLAY) if whiteouts is Whiteouts.OVERLAY else NEEDED)
        with open(0, "rb", buffering=0) as stream:
            done = fill(Jailed(), hiding_for(whiteouts), cast(BinaryIO, stream), limits)
        implied = done.implied if whiteouts is Whiteouts.OVERLAY else ()
        return {**asdict(done), "implied": [os.fsdecode(path) for path in implied]}
    except InvalidArchive as error:
        return {"refused": error.reason}
    except StorageFailed as error:
        return {"failed": error.reason}
    except BaseException as error:
        return {"failed": f"unpacking stopped: {type(error).__name__}: {error}"}


def confine(needed: tuple[str, ...]) -> None:
    """Make the working directory the root, for good, and keep no more rights than these."""
    syscalls.prctl(syscalls.PR_SET_PDEATHSIG, signal.SIGKILL)  # with the warden
    kept = permitted() & sum(1 << capabilities.NAMES.index(name) for name in needed)
    os.closerange(3, os.sysconf("SC_OPEN_MAX"))
    os.chroot(".")
    os.chdir("/")
    os.umask(0)
    syscalls.prctl(syscalls.PR_SET_NO_NEW_PRIVS, 1)  # nor would execve(2), as user 0, give back what capset(2) takes
    syscalls.capset(kept)
    for machinery in (sys.path, sys.meta_path, sys.path_hooks):
        machinery.clear()
    sys.path_importer_cache.clear()


def permitted() -> int:
    """The capabilities of this process, as bits."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("CapPrm:")).split()[1], 16)


def rehearse() -> None:
    """Run what is run later, so that whatever it loads on first use is loaded from the host: readers, messages, errors."""
    try:
        fill(Jailed(), hiding_for(Whiteouts.APPLY), io.BytesIO(b"\xff" * 512), Limits())
    except InvalidArchive as error:
        json.dumps(
            {"refused": error.reason, "failed": os.strerror(28) + "\udcff\u00e9".encode("utf-8", "backslashreplace").decode()}
        )
    b"\xff".decode("utf-8", "backslashreplace")
    os.fsencode(os.fsdecode(b"\xff"))
