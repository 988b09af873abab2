"""The engine's errors on the wire. A direct subclass of EngineError is an error of the interface, fields and all."""

import logging
from dataclasses import asdict

from podlink.api.varlink.service import Interrupted, VarlinkError
from podlink.engine.errors import EngineError, EngineUnavailable, ErrorOccurred

log = logging.getLogger(__name__)

INTERFACE = "io.projectatomic.podman"

WIRE_NAMES: dict[type[EngineError], str] = {EngineUnavailable: "RuntimeError"}
"""Classes whose name on the wire Python has taken for something else."""


def wire_class(kind: type[EngineError]) -> type[EngineError]:
    """The interface's error that an engine error is: itself, or the ancestor just below the root."""
    return next(each for each in kind.__mro__ if EngineError in each.__bases__)


def translate(error: BaseException) -> VarlinkError | None:
    """What a client is told. An OSError or another surprise is an ErrorOccurred that says what happened; None: not ours.

    A surprise is logged with its traceback, too: it is a defect of ours, or a host in trouble.
    """
    if isinstance(error, Interrupted):
        return translate(ErrorOccurred(f"{error}, and this call with it; what runs goes on: call again when it is back"))
    if isinstance(error, EngineError):
        kind = wire_class(type(error))
        return VarlinkError(f"{INTERFACE}.{WIRE_NAMES.get(kind, kind.__name__)}", asdict(error))
    if isinstance(error, Exception):
        log.error("a call failed unexpectedly", exc_info=error)
        reason = f"{type(error).__name__}: {error}" if not isinstance(error, OSError) else str(error)
        return translate(ErrorOccurred(f"the service failed and changed nothing that it knows of; see its log: {reason}"))
    return None
