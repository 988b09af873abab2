"""Whose state it is: that of the process that opened it. A fork has copies of its locks and connections; none works there."""

import os

from podlink.engine.errors import EngineUnavailable


def require_owner(process: int) -> None:
    """Raise EngineUnavailable unless this is the process that opened the state."""
    if os.getpid() != process:
        raise EngineUnavailable(
            f"the engine was opened by process {process} and does not work in its fork {os.getpid()}; "
            "open an engine there, in the child, and where containers are emulated, on a root of its own"
        )
