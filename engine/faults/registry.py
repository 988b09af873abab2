"""A registry that fails: a server on loopback that does, and a registries.conf that leads to it."""

import socket
import tempfile
import threading
from collections.abc import Iterator, MutableMapping
from contextlib import ExitStack, contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Protocol

VARIABLE = "CONTAINERS_REGISTRIES_CONF"


class Struck(Protocol):
    """Who is told of each request, and keeps one that is never to be answered until the fault is over."""

    def strike(self) -> None: ...

    def hold(self) -> None: ...

    def end(self) -> None: ...


@contextmanager
def failing(name: str, status: int, drop: bool, struck: Struck, variables: MutableMapping[str, str]) -> Iterator[None]:
    """For as long as the block lasts, the registry of this name fails for the engine with these variables.

    Neither status nor drop: it stalls.
    """

    class Handler(BaseHTTPRequestHandler):
        def fail(self) -> None:
            struck.strike()
            if status:
                self.send_response(status)
                self.send_header("Retry-After", "0")  # so that whoever tries again does so at once
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            if not drop:
                struck.hold()
            self.close_connection = True
            with suppress(OSError):
                self.connection.shutdown(socket.SHUT_RDWR)

        do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = fail

        def log_message(self, format: str, *arguments: object) -> None:
            """Its requests are counted, not told."""

    with ExitStack() as stack:
        server = stack.enter_context(ThreadingHTTPServer(("127.0.0.1", 0), Handler))
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, name="podlink-failing-registry")
        thread.start()
        stack.callback(thread.join)
        stack.callback(server.shutdown)
        stack.callback(struck.end)
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="podlink-"))
        stack.enter_context(_configured(Path(folder) / "registries.conf", name, f"127.0.0.1:{server.server_port}", variables))
        yield


@contextmanager
def _configured(path: Path, name: str, address: str, variables: MutableMapping[str, str]) -> Iterator[None]:
    """Have the name lead to the address, which speaks no TLS, and a short name lead to that registry."""
    path.write_text(
        f'unqualified-search-registries = ["{name}"]\n[[registry]]\nprefix = "{name}"\nlocation = "{address}"\ninsecure = true\n'
    )
    before = variables.get(VARIABLE)
    variables[VARIABLE] = str(path)
    try:
        yield
    finally:
        if before is None:
            del variables[VARIABLE]
        else:
            variables[VARIABLE] = before
