"""A varlink client: one connection, one call at a time."""

from collections.abc import Iterator
from types import TracebackType
from typing import Any, Self

from podlink.api.varlink.frame import Reader, decode, encode
from podlink.api.varlink.service import SERVICE, VarlinkError
from podlink.api.varlink.transport import Address


class Client:
    """A connection to a service.

        with Client.connect("unix:/run/podman/io.projectatomic.podman") as client:
            client.call("io.projectatomic.podman.Ping")

    Raises VarlinkError for an error reply, ConnectionError when the service goes, TimeoutError where a timeout was given.
    """

    def __init__(self, address: Address, timeout: float | None = None, limit: int | None = None) -> None:
        self._socket = address.connect(timeout)
        self._reader = Reader(self._socket, limit)

    @classmethod
    def connect(cls, address: str, timeout: float | None = None, limit: int | None = None) -> Self:
        """Connect to `unix:/path`, `unix:@name` or `tcp:HOST:PORT`. timeout: seconds for each step of the wire.

        limit: bytes of the longest reply that is taken; None is any, as suits a service that one trusts.
        """
        return cls(Address.parse(address), timeout, limit)

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """The parameters of the reply."""
        self._send({"method": method, "parameters": parameters})
        return self._receive()[0]

    def stream(self, method: str, **parameters: Any) -> Iterator[dict[str, Any]]:
        """The parameters of each reply, as they come. Whoever stops half-way closes the client."""
        self._send({"method": method, "parameters": parameters, "more": True})
        more = True
        while more:
            answer, more = self._receive()
            yield answer

    def interfaces(self) -> list[str]:
        """What the service offers."""
        return list(self.call(f"{SERVICE}.GetInfo")["interfaces"])

    def close(self) -> None:
        self._socket.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def _send(self, message: dict[str, Any]) -> None:
        self._socket.sendall(encode(message))

    def _receive(self) -> tuple[dict[str, Any], bool]:
        text = self._reader.next()
        if text is None:
            raise ConnectionError("the service closed the connection")
        reply = decode(text)
        parameters = reply.get("parameters") or {}
        if "error" in reply:
            raise VarlinkError(reply["error"], parameters)
        return parameters, reply.get("continues") is True
