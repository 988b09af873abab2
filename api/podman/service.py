"""The service io.projectatomic.podman: the interface's text, its handlers, and an engine under them."""

from functools import partial
from importlib import resources

import podlink
from podlink.api.podman import containers, images, system
from podlink.api.podman.errors import INTERFACE, translate
from podlink.api.varlink.idl import parse
from podlink.api.varlink.service import Handler, Service
from podlink.engine.app import Engine
from podlink.engine.errors import Cancelled

HANDLERS = system.HANDLERS | containers.HANDLERS | images.HANDLERS
"""Method to handler. A method of the interface that is not here is not built yet, and the service says so itself."""


def service(engine: Engine) -> Service:
    """A varlink service over the engine; the engine stays the caller's to close."""
    text = resources.files("podlink.api.idl").joinpath(f"{INTERFACE}.varlink").read_text()
    handlers: dict[str, Handler] = {name: partial(handler, engine.host) for name, handler in HANDLERS.items()}
    return Service(
        vendor="podlink",
        product="podlink",
        version=podlink.__version__,
        url="",
        interfaces=[(parse(text), text, handlers)],
        translate=translate,
        gave_up=Cancelled,
    )
