"""A server with a few handlers that need no engine, on a socket of its own."""

import threading
from collections.abc import Generator, Iterator
from importlib import resources
from pathlib import Path
from typing import Any

import pytest
from patience import patience

from podlink.api.varlink.check import Struct
from podlink.api.varlink.idl import parse
from podlink.api.varlink.server import Server
from podlink.api.varlink.service import Call, Service, VarlinkError
from podlink.api.varlink.transport import listen

PODMAN = "io.projectatomic.podman"
TEXT = resources.files("podlink.api.idl").joinpath(f"{PODMAN}.varlink").read_text()


class Stage:
    """The handlers, and what they saw."""

    def __init__(self) -> None:
        self.seen: list[Any] = []
        self.left = threading.Event()
        self.waiting = threading.Event()

    def ping(self, call: Call, args: Struct) -> dict[str, Any]:
        self.seen.append("Ping")
        return {"ping": {"message": "OK"}}

    def get(self, call: Call, args: Struct) -> dict[str, Any]:
        raise VarlinkError(f"{PODMAN}.ContainerNotFound", {"name": args["name"]})

    def create(self, call: Call, args: Struct) -> dict[str, Any]:
        self.seen.append(args["create"])
        return {"container": args["create"]["name"]}

    def stop(self, call: Call, args: Struct) -> dict[str, Any]:
        self.seen.append(args)
        return {"container": args["name"]}

    def wait(self, call: Call, args: Struct) -> dict[str, Any]:
        call.cancelled.on_set(self.left.set)
        self.waiting.set()
        self.left.wait(patience())
        return {"exitcode": 0}

    def logs(self, call: Call, args: Struct) -> dict[str, Any] | Generator[dict[str, Any], None, dict[str, Any]]:
        return self._lines() if call.more else {"container": ["0", "1", "2"]}

    def _lines(self) -> Generator[dict[str, Any], None, dict[str, Any]]:
        for number in range(3):
            yield {"container": [str(number)]}
        return {"container": []}

    def fail(self, call: Call, args: Struct) -> dict[str, Any]:
        raise ZeroDivisionError("a surprise")

    def service(self) -> Service:
        handlers = {"Ping": self.ping, "GetContainer": self.get, "CreateContainer": self.create, "StopContainer": self.stop}
        handlers |= {"WaitContainer": self.wait, "GetContainerLogs": self.logs, "GetInfo": self.fail}

        def translate(error: BaseException) -> VarlinkError:
            return VarlinkError(f"{PODMAN}.ErrorOccurred", {"reason": str(error)})

        about = {"vendor": "podlink", "product": "stage", "version": "1", "url": ""}
        return Service(**about, interfaces=[(parse(TEXT), TEXT, handlers)], translate=translate)


@pytest.fixture
def stage() -> Stage:
    return Stage()


@pytest.fixture
def address(stage: Stage, tmp_path: Path) -> Iterator[str]:
    """The path of the socket; the server is there until the test ends."""
    path = tmp_path / "s"
    with listen(f"unix:{path}") as listener:
        server = Server(stage.service(), listener)
        thread = threading.Thread(target=server.serve)
        thread.start()
        yield str(path)
        stage.left.set()
        server.close()
        thread.join(patience())
        assert not thread.is_alive()
