"""`podlink serve`: an engine, the service over it, and a socket in front.

What it stands on is imported once signals are heeded: that takes longer than all before.
"""

import argparse
import logging
import resource
import sys
from typing import TYPE_CHECKING

from podlink.api.cli.ending import Ended, Ending

if TYPE_CHECKING:
    from podlink.api.varlink.transport import Listener

DEFAULT_ADDRESS = "unix:/run/podman/io.projectatomic.podman"


def serve(chosen: argparse.Namespace) -> int:
    """Serve until SIGTERM, SIGINT or the idle time-out; the exit status of the command."""
    logging.basicConfig(level=logging.INFO if chosen.verbose else logging.WARNING, format="%(message)s", stream=sys.stderr)
    try:
        with Ending() as ending:
            return _serve(chosen, ending)
    except Ended:
        return 0


def _serve(chosen: argparse.Namespace, ending: Ending) -> int:
    from podlink.api.cli.configuration import configuration
    from podlink.api.podman.service import service
    from podlink.api.varlink.server import Server
    from podlink.engine.app import Engine
    from podlink.engine.errors import EngineError

    try:
        with Engine.open(configuration(chosen)) as engine:
            ending.defer()
            _make_room_for_clients()
            with _listener(chosen.address) as listener:
                server = Server(service(engine), listener, idle_timeout=chosen.timeout / 1000 or None)
                server.wake_on_signals()
                ending.call(server.close)
                print(f"listening on {listener.address}", flush=True)
                server.serve()
    except (EngineError, OSError, ValueError) as error:
        print(f"podlink: {error}", file=sys.stderr)
        return 1
    return 0


def _listener(address: str | None) -> "Listener":
    """The socket that socket activation passed in, else one bound to the address."""
    from podlink.api.varlink.transport import activated, listen

    return activated() or listen(address or DEFAULT_ADDRESS)


def _make_room_for_clients() -> None:
    """As many descriptors as the connections that a server takes, and some for its work, where the hard limit allows it.

    Once the engine is open: what a container gets is told from the limits that were there before.
    """
    from podlink.api.varlink.server import CONNECTIONS

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 2 * CONNECTIONS if hard == resource.RLIM_INFINITY else min(2 * CONNECTIONS, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
