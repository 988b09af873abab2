"""What a process sets for itself: prctl(2), by way of python-prctl, which only this module imports."""

from importlib import import_module
from pathlib import Path
from types import ModuleType

from podlink.engine.errors import EngineUnavailable


def become_subreaper() -> None:
    """Have orphaned descendants fall to this process, so that it may wait for them: PR_SET_CHILD_SUBREAPER."""
    _library().set_child_subreaper(True)


def place_of_prctl() -> Path:
    """The folder from which a process without site-packages can import python-prctl."""
    return Path(str(_library().__file__)).absolute().parent


def _library() -> ModuleType:
    try:
        return import_module("prctl")
    except ImportError:
        raise EngineUnavailable("python-prctl is not installed; a real host needs it: pip install 'podlink[host]'") from None
