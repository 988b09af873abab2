"""The spawner: a small process that has imported what a monitor needs, waits to be asked for monitors, and forks them.

It is exec'd by the engine, never forked from it: a process with threads can't be forked safely. Its stdin is a socket
(SOCK_SEQPACKET); a request is the path of a run directory, with two descriptors: the held `monitor.lock`, and a socket of
the monitor's own for the answer, so that many may start at once. It ends with the engine, at the end of its stdin, and
holds nothing that matters: monitors are no children of its own, but of whoever adopts orphans.
"""

import gc
import os
import resource
import signal
import socket
import sys
from pathlib import Path

from podlink.engine.linux import cgroups, process
from podlink.engine.runtime.monitor import finish, life
from podlink.engine.runtime.monitor.start import RESET

LARGEST = 4096
"""Bytes of a path: PATH_MAX."""


def main() -> None:
    """argv: the cgroup to live in, never the service's own, or the service's end would be the monitors', too."""
    _settle_in(sys.argv[1])
    process.place_of_prctl()  # loads it here, once; each monitor would take 3 ms for it
    with socket.socket(fileno=0) as requests:
        gc.collect()
        gc.freeze()  # a collection in a monitor would write to every page that it shares with the others
        while True:
            path, descriptors, _, _ = socket.recv_fds(requests, LARGEST, 2)
            if not path:
                return
            _spawn(requests, Path(os.fsdecode(path)), *descriptors)


def _settle_in(cgroup: str) -> None:
    cgroups.join(cgroup, os.getpid())
    os.chdir("/")
    os.umask(0o022)  # runc makes mount points under the umask that it finds
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))  # two of a monitor's for each published port
    for number in RESET - {signal.SIGPIPE}:  # SIGCHLD above all: where it is ignored, nobody gets an exit status
        signal.signal(number, signal.SIG_DFL)


def _spawn(requests: socket.socket, bundle: Path, lock: int, reply: int) -> None:
    """Fork twice: the monitor's parent ends at once, so the monitor is nobody's child here."""
    child = os.fork()
    if child == 0:
        try:
            if os.fork() == 0:
                _become_monitor(requests, bundle, lock, reply)
        except BaseException as trouble:
            finish.report(trouble)
        finally:
            os._exit(0)
    os.close(lock)
    os.close(reply)
    os.waitpid(child, 0)


def _become_monitor(requests: socket.socket, bundle: Path, lock: int, reply: int) -> None:
    os.setsid()
    requests.detach()
    null = os.open("/dev/null", os.O_RDWR | os.O_CLOEXEC)
    os.dup2(null, 0)
    os.close(null)
    life.live(bundle, lock, socket.socket(fileno=reply))
