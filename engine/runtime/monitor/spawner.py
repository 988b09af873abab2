"""The spawner: a small process that has imported what a monitor needs, waits to be asked for monitors, and forks them.

It is exec'd by the engine, never forked from it: a process with threads can't be forked safely. Its stdin is a socket
(SOCK_SEQPACKET); a request is a descriptor: the monitor's own socket, at which it is told what to do. It ends with the engine, at
the end of its stdin, and holds nothing that matters: monitors live on, children of whoever adopts orphans.
"""

import gc
import os
import resource
import signal
import socket
import sys

from podlink.engine.linux import cgroups, process
from podlink.engine.runtime.monitor import finish, life
from podlink.engine.runtime.monitor.start import RESET


def main() -> None:
    """argv: the cgroup to live in, never the service's own, or the service's end would be the monitors', too."""
    _settle_in(sys.argv[1])
    process.place_of_prctl()  # loads it here, once; each monitor would take 3 ms for it
    with socket.socket(fileno=0) as requests:
        gc.collect()
        gc.freeze()  # a collection in a monitor would write to every page that it shares with the others
        while True:
            asked, descriptors, _, _ = socket.recv_fds(requests, 1, 1)
            if not asked:
                return
            with socket.socket(fileno=descriptors[0]) as orders:
                _spawn(requests, orders)


def _settle_in(cgroup: str) -> None:
    cgroups.join(cgroup, os.getpid())
    os.chdir("/")
    os.umask(0o022)  # runc makes mount points under the umask that it finds
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))  # two of a monitor's for each published port
    for number in RESET - {signal.SIGPIPE}:
        signal.signal(number, signal.SIG_DFL)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # the kernel lays monitors to rest: waitpid(2), NOTES


def _spawn(requests: socket.socket, orders: socket.socket) -> None:
    if os.fork():
        return
    try:
        os.setsid()
        requests.detach()
        null = os.open("/dev/null", os.O_RDWR | os.O_CLOEXEC)
        os.dup2(null, 0)
        os.close(null)
        life.live(orders)
    except BaseException as trouble:
        finish.report(trouble)
    finally:
        os._exit(0)
