"""podlink: a container engine that speaks the varlink interface io.projectatomic.podman.

    from podlink import Engine

The engine is imported when it is first asked for, so that `podlink --help` and a test's collection cost nothing.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from podlink.engine.app import Engine as Engine
    from podlink.engine.clock import VirtualClock as VirtualClock
    from podlink.engine.config import Config as Config
    from podlink.engine.config import Limits as Limits

__version__ = "0.1.0"
__all__ = ["Config", "Engine", "Limits", "VirtualClock", "__version__"]

if not Path(__file__).with_name("engine").exists():  # a checkout: `engine` and `api` lie beside this folder, not in it
    __path__ = [*__path__, str(Path(__file__).absolute().parent.parent)]

_HOMES = {
    "Engine": "podlink.engine.app",
    "Config": "podlink.engine.config",
    "Limits": "podlink.engine.config",
    "VirtualClock": "podlink.engine.clock",
}


def __getattr__(name: str) -> Any:
    """Import `name` from where it lives on its first use (PEP 562)."""
    if name in _HOMES:
        from importlib import import_module

        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
