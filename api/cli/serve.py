"""`podlink serve`: an engine, the service over it, and a socket in front."""

import argparse
import logging
import signal
import sys
from types import FrameType

from podlink.api.cli.configuration import configuration
from podlink.api.podman.service import service
from podlink.api.varlink.server import Server
from podlink.api.varlink.transport import Listener, activated, listen
from podlink.engine.app import Engine
from podlink.engine.errors import EngineError

DEFAULT_ADDRESS = "unix:/run/podman/io.projectatomic.podman"


def serve(chosen: argparse.Namespace) -> int:
    """Serve until SIGTERM, SIGINT or the idle time-out; the exit status of the command."""
    logging.basicConfig(level=logging.INFO if chosen.verbose else logging.WARNING, format="%(message)s", stream=sys.stderr)
    try:
        with Engine.open(configuration(chosen)) as engine, _listener(chosen.address) as listener:
            server = Server(service(engine), listener, idle_timeout=chosen.timeout / 1000 or None)
            _close_on_signals(server)
            print(f"listening on {listener.address}", flush=True)
            server.serve()
    except (EngineError, OSError, ValueError) as error:
        print(f"podlink: {error}", file=sys.stderr)
        return 1
    return 0


def _listener(address: str | None) -> Listener:
    """The socket that socket activation passed in, else one bound to the address."""
    return activated() or listen(address or DEFAULT_ADDRESS)


def _close_on_signals(server: Server) -> None:
    def close(number: int, frame: FrameType | None) -> None:
        server.close()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, close)
    server.wake_on_signals()
