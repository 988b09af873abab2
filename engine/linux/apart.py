"""A program that sees some places of the host otherwise than they are: in a mount namespace of its own. mount_namespaces(7)

    /etc/passwd  ──── everybody ────▶  the host's
                 └─── the program ──▶  another file, bound over it

A namespace belongs to a thread, and to the processes that this thread starts; it goes when the last of them has ended. What the
host unmounts meanwhile is unmounted there, too, where the host shares its mounts, and in any case a moment later.
"""

import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from podlink.engine.linux import syscalls
from podlink.engine.linux.threads import in_a_thread


def run_apart(
    argv: Sequence[str], places: Mapping[Path, Path], environment: Mapping[str, str], handed: Sequence[int] = ()
) -> subprocess.CompletedProcess[bytes]:
    """Run the program until it ends, its stdin empty. places: what is there for everybody, and what it is to see instead.

    handed: descriptors that it gets. Raises OSError.
    """

    def work() -> subprocess.CompletedProcess[bytes]:
        syscalls.unshare(syscalls.CLONE_NEWNS)
        syscalls.mount("none", Path("/"), "", syscalls.MS_REC | syscalls.MS_SLAVE)
        for place, instead in places.items():
            syscalls.mount(str(instead), place, "", syscalls.MS_BIND)
        return subprocess.run(
            argv, env=dict(environment), cwd="/", stdin=subprocess.DEVNULL, capture_output=True, pass_fds=handed
        )

    return in_a_thread(work, "podlink-apart")
