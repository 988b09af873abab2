"""The process that jails are forked from. It has imported everything once, so that a layer waits for a fork and not for that.

    engine (`jails`)                                this process, started anew          a jail, forked (`jail`)
    ────────────────                                ──────────────────────────          ───────────────────────
    whiteouts, limits, descriptors ─── stdin ─────▶ fork ─────────────────────────────▶ fchdir, chroot, drop rights
    tar ────────────────────────────── pipe ──────────────────────────────────────────▶ entries become files
    result ◀────────────────────────── line ─────────────────────────────────────────── one line of JSON
           ◀────────────────────────── line ─────── {"ended": …}, where it went wrong
    hang up ────────────────────────── line ──────▶ kill it

The warden itself stays outside. It goes to no layer's directory and reads nothing of an archive. It ends at the end of its stdin,
with the engine at the latest, and its jails end with it.
"""

import gc
import json
import os
import selectors
import signal
import socket
from collections.abc import Callable
from contextlib import suppress

from podlink.engine.config import Limits
from podlink.engine.oci.layer.jail import live, rehearse
from podlink.engine.oci.layer.whiteouts import Whiteouts

LARGEST = 4096
"""Bytes of a request."""
HANDED = 3
"""Descriptors that come with it: the layer's directory, the pipe to read from, the line."""
Callback = Callable[[], None]


def main() -> None:
    """Serve the requests on standard input, a socket (SOCK_SEQPACKET), until its end."""
    rehearse()
    with socket.socket(fileno=0) as requests, selectors.DefaultSelector() as selector:
        gc.collect()
        gc.freeze()  # a collection in a jail would write to every page that it shares with the others
        selector.register(requests, selectors.EVENT_READ)
        while True:
            key = selector.select()[0][0]  # one at a time: it may settle the others
            if key.data:
                key.data()
            elif not _answer(requests, selector):
                return


def _answer(requests: socket.socket, selector: selectors.BaseSelector) -> bool:
    """Fork a jail as the next request says; false when no more are to come."""
    request, descriptors, _, _ = socket.recv_fds(requests, LARGEST, HANDED)
    if not request:
        return False
    asked = json.loads(request)
    directory, tar, line = descriptors
    child = os.fork()
    if child == 0:
        live(directory, tar, line, Whiteouts(asked["whiteouts"]), Limits(**asked["limits"]))
    os.close(directory)
    os.close(tar)
    _watch(child, socket.socket(fileno=line), selector)
    return True


def _watch(child: int, line: socket.socket, selector: selectors.BaseSelector) -> None:
    """Kill it when the engine hangs up, and tell how it ended if that was not by itself."""
    end = os.pidfd_open(child)

    def hung_up() -> None:
        selector.unregister(line)
        signal.pidfd_send_signal(end, signal.SIGKILL)

    def ended() -> None:
        selector.unregister(end)
        if line in selector.get_map():
            selector.unregister(line)
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        with line, suppress(OSError):  # who has hung up does not hear it
            if status:
                line.sendall(b"\n" + json.dumps({"ended": status}).encode())
        os.close(end)

    watched: tuple[tuple[socket.socket | int, Callback], ...] = ((line, hung_up), (end, ended))
    for each, callback in watched:
        selector.register(each, selectors.EVENT_READ, callback)
