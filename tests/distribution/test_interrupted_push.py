"""Uploads to a real registry over a connection that breaks: Docker's loses count then, and all of the blob is sent again."""

import io
import socket
import socketserver
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from random import Random

import pytest
from liar import Behaviour, Conversation, Liar, Seen

from podlink.engine.errors import RegistryFailed
from podlink.engine.oci.digest import Digest
from podlink.engine.oci.distribution import upload
from podlink.engine.oci.distribution.client import Client

Connect = Callable[..., Client]
CHUNK = 200_000


class Wire(socketserver.ThreadingTCPServer):
    """A way to a server, which breaks when a connection has carried so many bytes to it. times: how often it still will."""

    def __init__(self, server: str, after: int, times: int) -> None:
        super().__init__(("127.0.0.1", 0), Passage)
        self.target = "127.0.0.1", int(server.rpartition(":")[2])
        self.after, self.times = after, times
        self.address = f"127.0.0.1:{self.server_address[1]}"


class Passage(socketserver.BaseRequestHandler):
    """One connection over the wire."""

    server: Wire
    request: socket.socket

    def handle(self) -> None:
        with socket.create_connection(self.server.target) as far:
            back = threading.Thread(target=carry, args=(far, self.request.sendall))
            back.start()
            carry(self.request, partial(self._outwards, far))
            for each in (far, self.request):
                with suppress(OSError):
                    each.shutdown(socket.SHUT_RDWR)
            back.join()

    def setup(self) -> None:
        self.count = 0

    def _outwards(self, far: socket.socket, data: bytes) -> None:
        self.count += len(data)
        if self.server.times and self.count > self.server.after:
            self.server.times -= 1
            far.sendall(data[: len(data) // 2])
            raise ConnectionAbortedError
        far.sendall(data)


def carry(source: socket.socket, give: Callable[[bytes], object]) -> None:
    with suppress(OSError):
        while data := source.recv(65536):
            give(data)


@contextmanager
def breaking(server: str, after: int, times: int) -> Iterator[Wire]:
    with Wire(server, after, times) as wire:
        thread = threading.Thread(target=wire.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield wire
        finally:
            wire.shutdown()
            thread.join()


@pytest.mark.needs("docker-registry")
@pytest.mark.parametrize(
    ("size", "after"),
    [(CHUNK - 1000, CHUNK // 2), (3 * CHUNK, CHUNK + CHUNK // 2), (3 * CHUNK + 1000, 3 * CHUNK + 1500)],
    ids=["in one piece", "in a chunk", "in the last chunk"],
)
def test_a_push_survives_a_connection_that_breaks(
    registry: str, connect: Connect, monkeypatch: pytest.MonkeyPatch, size: int, after: int
) -> None:
    monkeypatch.setattr(upload, "CHUNK", CHUNK)
    content = Random(1).randbytes(size)
    with breaking(registry, after, 2) as wire:
        client = connect(wire.address)
        client.upload("team/app", Digest.of(content), io.BytesIO(content))
        client.close()
        assert wire.times == 0
    with connect(registry).blob("team/app", Digest.of(content), size) as stream:
        assert stream.read() == content


@pytest.mark.needs("docker-registry")
def test_a_connection_that_always_breaks_is_given_up(
    registry: str, connect: Connect, monkeypatch: pytest.MonkeyPatch, naps: list[float]
) -> None:
    """However much of it arrives each time: progress is what no earlier try had come to."""
    monkeypatch.setattr(upload, "CHUNK", CHUNK)
    content = Random(1).randbytes(3 * CHUNK)
    with breaking(registry, 2 * CHUNK, 1000) as wire:
        client = connect(wire.address)
        with pytest.raises(RegistryFailed, match=rf"registry {wire.address}: upload of .*again and again; try later"):
            client.upload("team/app", Digest.of(content), io.BytesIO(content))
        client.close()
    assert len(naps) == 4
    assert not connect(registry).has_blob("team/app", Digest.of(content))


@pytest.mark.parametrize("verb", ["PATCH", "PUT"])
def test_a_registry_that_says_when_is_believed(
    liar: Callable[[Behaviour], Liar], connect: Connect, naps: list[float], verb: str
) -> None:
    refused: list[str] = []
    size = upload.CHUNK if verb == "PATCH" else 10

    def answer(to: Conversation, seen: Seen) -> None:
        if seen.method == verb and not refused:
            refused.append(verb)
            to.reply(429, Retry_After="7")
        else:
            to.reply(
                {"GET": 204, "PATCH": 202, "POST": 202, "PUT": 201, "HEAD": 404}[seen.method],
                Location="/v2/team/app/blobs/uploads/1",
            )

    connect(liar(answer).address).upload("team/app", Digest.of(bytes(size)), io.BytesIO(bytes(size)))
    assert refused == [verb] and naps == [7]
