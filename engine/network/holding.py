"""Ports of the host, taken by sockets that are bound to them and don't listen: nobody else can serve there while they are open.

What comes to a published port is led on by the rules before it would reach a socket, so nothing is ever read from these.

A TCP port that was just in use has old connections in TIME_WAIT, which let only those bind who set SO_REUSEADDR (socket(7)); and
two who set it may both bind, as long as neither listens. So the socket is bound with it, listens for a moment, which the kernel
grants to one alone, stops (shutdown(2): the port stays bound), and then takes the permission back: nobody else may listen.
"""

import errno
import re
import resource
import socket
from collections.abc import Sequence
from dataclasses import replace

from podlink.engine.errors import NetworkFailed
from podlink.engine.linux import port_holder
from podlink.engine.linux.port_holder import Place
from podlink.engine.oci.spec.values import Port

KINDS = {
    "tcp": (socket.SOCK_STREAM, socket.IPPROTO_TCP),
    "udp": (socket.SOCK_DGRAM, socket.IPPROTO_UDP),
    "sctp": (socket.SOCK_SEQPACKET, socket.IPPROTO_SCTP),
}
MONITOR = re.compile(r"(?P<runroot>.+)/containers/(?P<container>[0-9a-f]{64})/monitor\.lock")
"""What the monitor of a container has open: it holds the container's ports, whichever root's it is."""
ROOM = 200
"""Descriptors that a process is to have left when it has bound its ports: for the rest of a start, and for other threads."""
ATTEMPTS = 20
"""How often a free port of IPv4 may turn out to be taken in IPv6."""


def hold(port: Port, ipv6: bool) -> tuple[Port, Sequence[socket.socket]]:
    """The port with its number, and the sockets. Raises NetworkFailed, naming the holder where that can be found."""
    addresses = [port.host_ip] if port.host_ip else ["0.0.0.0", *(["::"] if ipv6 else [])]
    for left in reversed(range(1 if port.host_port else ATTEMPTS)):
        number, made = port.host_port, list[socket.socket]()
        try:
            for address in addresses:
                made += _bound(address, number, port.protocol)
                number = number or int(made[0].getsockname()[1]) if made else number
            if not number:
                raise NetworkFailed(f"port {port.container_port}/{port.protocol}: this kernel can't choose a free one; name one")
            return replace(port, host_port=number), made
        except OSError as error:
            _close(made)
            if error.errno != errno.EADDRINUSE or not left:
                raise refusal(port, error, Place(port.protocol, address, number)) from error
        except BaseException:
            _close(made)
            raise
    raise AssertionError("not reached")


def _bound(address: str, number: int, protocol: str) -> list[socket.socket]:
    """No socket where the kernel has no such protocol: then nobody else can take the port either."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    try:
        made = socket.socket(family, *KINDS[protocol])
    except OSError as error:
        if error.errno in (errno.EPROTONOSUPPORT, errno.ESOCKTNOSUPPORT):
            return []
        raise
    try:
        if family == socket.AF_INET6:
            made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        if protocol != "tcp":
            made.bind((address, number))
        else:
            made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            made.bind((address, number))
            made.listen(1)
            made.shutdown(socket.SHUT_RD)
            made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 0)
        have_room(made.fileno())
    except BaseException:
        made.close()
        raise
    return [made]


def have_room(descriptor: int) -> None:
    """Where a descriptor of such a number leaves little room, let this process open all the files that it may: getrlimit(2).
    Numbers are given from below, so the highest tells how many there are."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if descriptor > soft - ROOM and soft != hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def refusal(port: Port, error: OSError, place: Place | None = None) -> NetworkFailed:
    """In words that help. place: what could not be bound to."""
    if error.errno == errno.EADDRINUSE and place:
        holder = _monitor(place) or port_holder.holder(place) or "somebody on this host"
        return NetworkFailed(f"port {port} is taken by {holder}; end that, or publish another port")
    if error.errno == errno.EMFILE:
        most, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        return NetworkFailed(
            f"port {port}: this process may open {most} files (RLIMIT_NOFILE), and a port takes two; publish fewer, or raise that"
        )
    if error.errno == errno.EADDRNOTAVAIL:
        return NetworkFailed(f"port {port}: {port.host_ip} is no address of this host")
    return NetworkFailed(f"port {port}: {(error.strerror or str(error)).lower()}")


def _monitor(place: Place) -> str:
    if found := port_holder.marked(place, MONITOR):
        return f"container {found['container'][:12]} of the podlink with run directory {found['runroot']}"
    return ""


def _close(made: list[socket.socket]) -> None:
    for each in made:
        each.close()
