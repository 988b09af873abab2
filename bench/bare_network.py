"""The floor of attach and detach: the netlink messages that a container's network can't do without, each sent as ready bytes.

rtnetlink(7), netlink(7). Numbers of messages and attributes are those of the kernel's headers (linux/rtnetlink.h, if_link.h,
if_addr.h, veth.h), whose names the constants keep.
"""

import os
import socket
import struct
import threading
from contextlib import closing
from pathlib import Path

from podlink.engine.linux import mounts, syscalls

REQUEST, ACK, CREATE, EXCL = 0x1, 0x4, 0x400, 0x200
RTM_NEWLINK, RTM_DELLINK, RTM_GETLINK, RTM_SETLINK, RTM_NEWADDR, RTM_NEWROUTE = 16, 17, 18, 19, 20, 24
IFLA_ADDRESS, IFLA_IFNAME, IFLA_MASTER, IFLA_LINKINFO, IFLA_PROTINFO, IFLA_NET_NS_FD = 1, 3, 10, 18, 12, 28
IFLA_INFO_KIND, IFLA_INFO_DATA, VETH_INFO_PEER, IFLA_BRPORT_MODE = 1, 2, 1, 4
IFA_ADDRESS, IFA_LOCAL, IFA_F_NODAD, RTA_GATEWAY = 1, 2, 0x02, 5
NESTED, UP = 0x8000, 1
LOOPBACK, INTERFACE = 1, 2
"""The indices of the first two devices of a namespace."""


class BareNetwork:
    """A bridge, and a container's end of it that comes and goes. It is the caller's namespace that the bridge is in."""

    def __init__(self, bridge: str, folder: Path) -> None:
        self.bridge, self.place = socket.if_nametoindex(bridge), folder / "bare-netns"

    def attach(self) -> None:
        """In a thread that leaves for the new namespace and ends there, as the engine's."""
        thread = threading.Thread(target=self._attach)
        thread.start()
        thread.join()

    def _attach(self) -> None:
        with closing(Netlink()) as host:
            self.place.touch()
            syscalls.unshare(syscalls.CLONE_NEWNET)
            mounts.bind(Path("/proc/thread-self/ns/net"), self.place)
            with self.place.open() as namespace:
                host.ask(RTM_NEWLINK, CREATE | EXCL, veth(self.bridge, namespace.fileno()))
            index = host.index("bare1")
            hairpin = attribute(IFLA_PROTINFO | NESTED, attribute(IFLA_BRPORT_MODE, b"\1"))
            host.ask(RTM_SETLINK, 0, link(index, family=socket.AF_BRIDGE) + hairpin)
        with closing(Netlink()) as inside:
            inside.ask(RTM_NEWADDR, CREATE | EXCL, address("198.18.0.2", 16))
            inside.ask(RTM_NEWADDR, CREATE | EXCL, address("fd00:18::2", 64))
            for each in (LOOPBACK, INTERFACE):
                inside.ask(RTM_NEWLINK, 0, link(each, up=True))
            inside.ask(RTM_NEWROUTE, CREATE | EXCL, default_route("198.18.0.1"))
            inside.ask(RTM_NEWROUTE, CREATE | EXCL, default_route("fd00:18::1"))

    def detach(self) -> None:
        with closing(Netlink()) as host:
            host.ask(RTM_DELLINK, 0, link(0) + attribute(IFLA_IFNAME, b"bare1\0"))
        mounts.unmount(self.place)
        self.place.unlink()


class Netlink:
    """A socket of the namespace that its thread is in."""

    def __init__(self) -> None:
        self.socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE)

    def ask(self, kind: int, flags: int, body: bytes) -> None:
        """Send one message and wait for its acknowledgement. Raises OSError with the kernel's number."""
        self.socket.send(struct.pack("=IHHII", 16 + len(body), kind, REQUEST | ACK | flags, 1, 0) + body)
        if number := -struct.unpack_from("=i", self.socket.recv(65536), 16)[0]:
            raise OSError(number, os.strerror(number))

    def index(self, name: str) -> int:
        """By this socket: that of the name in the namespace of the thread may be another."""
        body = link(0) + attribute(IFLA_IFNAME, name.encode() + b"\0")
        self.socket.send(struct.pack("=IHHII", 16 + len(body), RTM_GETLINK, REQUEST, 1, 0) + body)
        return int(struct.unpack_from("=i", self.socket.recv(65536), 20)[0])

    def close(self) -> None:
        self.socket.close()


def attribute(kind: int, value: bytes) -> bytes:
    return struct.pack("=HH", 4 + len(value), kind) + value + bytes(-len(value) % 4)


def link(index: int, family: int = 0, up: bool = False) -> bytes:
    """struct ifinfomsg."""
    return struct.pack("=BxHiII", family, 0, index, UP if up else 0, UP if up else 0)


def veth(bridge: int, namespace: int) -> bytes:
    """A pair: `bare1` on the bridge, and the second device of the namespace."""
    peer = link(INTERFACE) + attribute(IFLA_IFNAME, b"eth0\0") + attribute(IFLA_ADDRESS, bytes.fromhex("024ec6120002"))
    data = attribute(VETH_INFO_PEER | NESTED, peer + attribute(IFLA_NET_NS_FD, struct.pack("=I", namespace)))
    kind = attribute(IFLA_INFO_KIND, b"veth") + attribute(IFLA_INFO_DATA | NESTED, data)
    own = attribute(IFLA_IFNAME, b"bare1\0") + attribute(IFLA_MASTER, struct.pack("=I", bridge))
    return link(0, up=True) + own + attribute(IFLA_LINKINFO | NESTED, kind)


def address(text: str, prefix: int) -> bytes:
    """struct ifaddrmsg, and the address, which is usable at once."""
    family, packed = packed_address(text)
    flags = IFA_F_NODAD if family == socket.AF_INET6 else 0
    head = struct.pack("=BBBBI", family, prefix, flags, 0, INTERFACE)
    return head + attribute(IFA_LOCAL, packed) + attribute(IFA_ADDRESS, packed)


def default_route(gateway: str) -> bytes:
    """struct rtmsg: the main table, by hand, of the universe, unicast."""
    family, packed = packed_address(gateway)
    return struct.pack("=BBBBBBBBI", family, 0, 0, 0, 254, 4, 0, 1, 0) + attribute(RTA_GATEWAY, packed)


def packed_address(text: str) -> tuple[int, bytes]:
    family = socket.AF_INET6 if ":" in text else socket.AF_INET
    return family, socket.inet_pton(family, text)
