"""What the kernel remembers of connections to published ports: nf_conntrack, by ctnetlink.

The rules of translation are asked for the first packet of a connection alone; the others go where that one went. To a datagram
"connection" is who asks and who is asked: a client that tried from one port before the container ran, or while it had another
address, would be sent astray for as long as it goes on trying. So what is remembered of a port is forgotten when the port gets
its container, and when it loses it. TCP is not looked for: a client takes another port for each connection, and looking has its
price, since the kernel goes through its whole table (10 ms for each family).
"""

import errno
import ipaddress
import logging
import socket
from collections.abc import Iterator
from importlib import import_module
from itertools import product
from pathlib import Path
from typing import Any

from podlink.engine import trace
from podlink.engine.network.netlink import Netlink
from podlink.engine.network.ports import versions
from podlink.engine.state.values import Lease

log = logging.getLogger(__name__)

FAMILIES = {"4": socket.AF_INET, "6": socket.AF_INET6}
NUMBERS = {"udp": socket.IPPROTO_UDP, "sctp": socket.IPPROTO_SCTP}
Address = tuple[str, int]
"""Of one end: the host's address, and the port."""
COUNT = Path("/proc/sys/net/netfilter/nf_conntrack_count")
"""How many connections the kernel remembers in this thread's network namespace."""


def forget(lease: Lease) -> None:
    """Forget connections to the ports of this lease. Where the kernel keeps no book there is nothing to forget."""
    protocols = sorted({port.protocol for port in lease.ports} & NUMBERS.keys())
    if not protocols or not COUNT.exists() or COUNT.read_text().strip() == "0":
        return
    local = _local_addresses()
    for version, protocol in product(FAMILIES, protocols):
        ports = {port.host_port for port in lease.ports if port.protocol == protocol and version in versions(port)}
        if ports:
            _forget_ports(FAMILIES[version], protocol, ports, local)


def _forget_ports(family: int, protocol: str, ports: set[int], local: set[str]) -> None:
    """Forget connections to these ports at an address of the host. What the kernel refuses is told in the log alone."""
    library = import_module("pyroute2")
    try:
        with library.NFCTSocket(nfgen_family=family) as book:
            for source, place in list(_remembered(book, family, protocol, ports)):
                if place[0] in local or ipaddress.ip_address(place[0]).is_loopback:
                    _forget_one(book, family, protocol, source, place)
    except (library.NetlinkError, OSError) as trouble:
        log.info("connections to %s of %s are not forgotten: %s", protocol, ", ".join(map(str, sorted(ports))), trouble)


def _forget_one(book: Any, family: int, protocol: str, source: Address, place: Address) -> None:
    known = _tuple(family, protocol, saddr=source[0], sport=source[1], daddr=place[0], dport=place[1])
    try:
        book.entry("del", tuple_orig=known)
    except import_module("pyroute2").NetlinkError as error:
        if error.code != errno.ENOENT:  # it ended at this moment
            raise
    else:
        trace.ran("conntrack", "-D", "-p", protocol, "-s", source[0], "-d", place[0], "--sport", source[1], "--dport", place[1])


def _remembered(book: Any, family: int, protocol: str, numbers: set[int]) -> Iterator[tuple[Address, Address]]:
    """Source and destination of each connection that came for one of the ports. A single port is looked for by the kernel."""
    asked = {"dport": next(iter(numbers))} if len(numbers) == 1 else {}
    version = {socket.AF_INET: "CTA_IP_V4", socket.AF_INET6: "CTA_IP_V6"}[socket.AddressFamily(family)]
    for entry in book.dump(tuple_orig=_tuple(family, protocol, **asked)):
        found = entry.get_attr("CTA_TUPLE_ORIG")
        where, which = found.get_attr("CTA_TUPLE_IP"), found.get_attr("CTA_TUPLE_PROTO")
        port = which.get_attr("CTA_PROTO_DST_PORT")
        if which.get_attr("CTA_PROTO_NUM") == NUMBERS[protocol] and port in numbers:
            source = (where.get_attr(f"{version}_SRC"), which.get_attr("CTA_PROTO_SRC_PORT"))
            yield source, (where.get_attr(f"{version}_DST"), port)


def _tuple(family: int, protocol: str, **parts: Any) -> Any:
    kind = import_module("pyroute2.netlink.nfnetlink.nfctsocket").NFCTAttrTuple
    return kind(family=family, proto=NUMBERS[protocol], **parts)


def _local_addresses() -> set[str]:
    with Netlink() as kernel:
        return {each.get_attr("IFA_LOCAL") or each.get_attr("IFA_ADDRESS") for each in kernel.all("RTM_GETADDR")}
