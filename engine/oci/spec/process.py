"""`process`: what runs, and as whom. runtime-spec, config.md, "Process" and "POSIX process"."""

from typing import Any

from podlink.engine.oci.spec.capabilities import Granted, sets
from podlink.engine.oci.spec.values import ContainerConfig, User

UMASK = 0o022
"""The umask that a login gives. Without one a container would inherit the engine's."""


def process(config: ContainerConfig, user: User, granted: Granted) -> dict[str, Any]:
    """The `process` object.

    What is not said here is inherited from the engine: resource limits (raising one takes CAP_SYS_RESOURCE, which the engine
    may lack) and the place in the queue of the out-of-memory killer (lowering it takes the same). `cwd` is made by the
    runtime where the image has none.
    """
    return {
        "terminal": False,
        "user": {"uid": user.uid, "gid": user.gid, "umask": UMASK, "additionalGids": list(user.additional_gids)},
        "args": list(config.args),
        "env": list(config.env),
        "cwd": config.cwd,
        "capabilities": sets(granted, user.uid),
        "noNewPrivileges": False,
    }
