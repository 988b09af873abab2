"""A server in this process that answers as a test wants it to: late, short, too much, elsewhere, or something else altogether."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Conversation(BaseHTTPRequestHandler):
    """One request, and the means to answer it wrongly."""

    protocol_version = "HTTP/1.1"
    server: "Liar"

    def handle_one_request(self) -> None:
        with suppress(ConnectionError):
            super().handle_one_request()

    def answer(self) -> None:
        length = int(self.headers.get("Content-Length", 0))
        body = self.rfile.read(length)
        seen = Seen(self.command, self.path, {name.lower(): value for name, value in self.headers.items()}, body)
        self.server.seen.append(seen)
        self.server.behaviour(self, seen)

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = answer

    def reply(self, status: int, body: bytes = b"", length: int | None = None, **headers: str) -> None:
        """An answer; `length` is what it claims to have where that is not the truth. Underscores in names stand for hyphens."""
        self.send_response(status)
        self.send_header("Content-Length", str(len(body) if length is None else length))
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)
        if length is not None and length != len(body):
            self.hang_up()

    def hang_up(self) -> None:
        self.close_connection = True
        with suppress(OSError):
            self.wfile.flush()

    def log_message(self, format: str, *args: object) -> None:
        pass


@dataclass
class Seen:
    """A request as it came."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes = field(repr=False)


Behaviour = Callable[[Conversation, Seen], None]


class Liar(ThreadingHTTPServer):
    """seen: every request, in order."""

    daemon_threads = True
    block_on_close = False

    def __init__(self, behaviour: Behaviour) -> None:
        super().__init__(("127.0.0.1", 0), Conversation)
        self.behaviour = behaviour
        self.seen: list[Seen] = []
        self.released = threading.Event()
        """Set when the test is over: what stalls, stalls until then."""

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.server_address[1]}"


@contextmanager
def lying(behaviour: Behaviour) -> Iterator[Liar]:
    with Liar(behaviour) as liar:
        thread = threading.Thread(target=liar.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield liar
        finally:
            liar.released.set()
            liar.shutdown()
            thread.join()
