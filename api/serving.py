"""The interface on a socket for as long as a block lasts, from any program: for tests of clients, and for embedding."""

import tempfile
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from podlink.api.podman.service import service
from podlink.api.varlink.server import Server
from podlink.api.varlink.transport import listen
from podlink.engine.app import Engine

PATIENCE = 20.0


@contextmanager
def serve(engine: Engine, address: str = "") -> Iterator[str]:
    """Serve the engine in a thread; the value is the address to connect to. address: as varlink has it; empty for a socket in a
    folder of its own. The engine stays the caller's to close.

        with Engine.emulated() as engine, serve(engine) as address:
            Client.connect(address).call("io.projectatomic.podman.Ping")

    Raises ValueError and OSError as `podlink.api.varlink.transport.listen`.
    """
    with ExitStack() as stack:
        if not address:
            address = f"unix:{stack.enter_context(tempfile.TemporaryDirectory(prefix='podlink-'))}/socket"
        listener = stack.enter_context(listen(address))
        server = Server(service(engine), listener)
        thread = threading.Thread(target=server.serve, name="podlink-serve", daemon=True)
        thread.start()
        try:
            yield listener.address
        finally:
            server.close()
            thread.join(PATIENCE)
