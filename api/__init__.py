"""What faces the outside: the varlink service over the engine, and the command line. The engine never imports this.

    from podlink.api import serve

`serve` is imported when it is first asked for, as is all that it stands on.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from podlink.api.serving import serve as serve

__all__ = ["serve"]


def __getattr__(name: str) -> Any:
    """Import `name` from where it lives on its first use (PEP 562)."""
    if name in __all__:
        from importlib import import_module

        return getattr(import_module(f"{__name__}.serving"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
