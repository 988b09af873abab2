"""The process that unpacks a layer as root: locked into the layer's directory before it reads the first byte of it.

    parent (`unpack`)                         this process, started anew, its working directory the layer's
    ─────────────────                         ─────────────────────────────────────────────────────────────
                                              import everything, use everything once
                                              close what is open, chroot(2), drop rights, import nothing ever again
    tar ──────────────── stdin ─────────────▶ entries become files
      └ hash, count
    result ◀───────────── stdout ──────────── one line of JSON

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

from podlink.engine.errors import InvalidArchive, StorageFailed
from podlink.engine.linux import capabilities, syscalls
from podlink.engine.oci.layer.apply import fill
from podlink.engine.oci.layer.blocks import PIECE
from podlink.engine.oci.layer.hiding import hiding_for
from podlink.engine.oci.layer.limits import Limits
from podlink.engine.oci.layer.place import Jailed
from podlink.engine.oci.layer.whiteouts import Whiteouts

NEEDED = ("CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_FOWNER", "CAP_FSETID", "CAP_MKNOD", "CAP_SETFCAP")
FOR_OVERLAY = "CAP_SYS_ADMIN"
"""What it takes to set trusted.overlay.opaque: xattr(7)."""


def main() -> None:
    """Unpack standard input into the working directory, which becomes the root; arguments: the kind of whiteouts, the limits."""
    whiteouts, limits = Whiteouts(sys.argv[1]), Limits(**json.loads(sys.argv[2]))
    rehearse()
    try:
        confine((*NEEDED, FOR_OVERLAY) if whiteouts is Whiteouts.OVERLAY else NEEDED)
        with open(0, "rb", buffering=PIECE) as stream:
            done = fill(Jailed(), hiding_for(whiteouts), stream, limits)
        implied = done.implied if whiteouts is Whiteouts.OVERLAY else ()
        answer: dict[str, object] = {**asdict(done), "implied": [os.fsdecode(path) for path in implied]}
    except InvalidArchive as error:
        answer = {"refused": error.reason}
    except StorageFailed as error:
        answer = {"failed": error.reason}
    except BaseException as error:
        answer = {"failed": f"unpacking stopped: {type(error).__name__}: {error}"}
    os.write(1, json.dumps(answer).encode())
    os._exit(0)  # the interpreter's own end may import


def confine(needed: tuple[str, ...]) -> None:
    """Make the working directory the root, for good, and keep no more rights than these."""
    syscalls.prctl(syscalls.PR_SET_PDEATHSIG, signal.SIGKILL)
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
