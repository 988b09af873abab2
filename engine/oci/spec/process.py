"""`process`: what runs, and as whom. runtime-spec, config.md, "Process" and "POSIX process"."""

from typing import Any

from podlink.engine.oci.spec.capabilities import Granted, sets
from podlink.engine.oci.spec.values import ContainerConfig, User

UMASK = 0o022
"""The umask that a login gives. Without one a container would inherit the engine's."""


def process(config: ContainerConfig, user: User, granted: Granted) -> dict[str, Any]:
    """The `process` object.

    A limit that is not said here is inherited from the engine, and so is the place in the queue of the out-of-memory killer.
    `cwd` is made by the runtime where the image has none.
    """
    asked: dict[str, Any] = {
        "rlimits": [{"type": each.kind, "soft": each.soft, "hard": each.hard} for each in config.rlimits],
        "oomScoreAdj": config.oom_score_adj,
        "apparmorProfile": config.apparmor_profile,
        "selinuxLabel": config.process_label,
    }
    return {
        "terminal": config.tty,
        "user": {"uid": user.uid, "gid": user.gid, "umask": UMASK, "additionalGids": list(user.additional_gids)},
        "args": list(config.args),
        "env": list(config.env),
        "cwd": config.cwd,
        "capabilities": sets(granted, user.uid),
        "noNewPrivileges": config.no_new_privileges,
        **{name: value for name, value in asked.items() if value not in ([], "", None)},
    }
