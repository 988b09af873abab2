"""Who has a port: the tables of /proc/net (proc_pid_net(5)), and the descriptors of every process.

/proc/net/tcp, tcp6, udp, udp6
    sl  local_address rem_address   st tx_queue:rx_queue tr:tm->when retrnsmt uid timeout inode
     0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000   0       0 31377 …
/proc/net/sctp/eps
     ENDPT     SOCK   STY SST HBKT LPORT   UID INODE LADDRS
      …          …    2   10  6    8080      0 31378 0.0.0.0

A socket that is bound and does not listen is in no table. Whose descriptor it is can still be seen: pidfd_getfd(2) copies it, and
getsockname(2) says the rest.
"""

import ipaddress
import os
import re
import socket
import sys
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from podlink.engine.linux import syscalls

PROC = Path("/proc")
NUMBERS = {"tcp": socket.IPPROTO_TCP, "udp": socket.IPPROTO_UDP, "sctp": socket.IPPROTO_SCTP}
LISTEN = "0A"
"""TCP_LISTEN of linux/tcp_states.h: whoever listens is named before those whom it talks to."""


@dataclass(frozen=True, slots=True)
class Place:
    """What somebody couldn't bind to. protocol: `tcp`, `udp` or `sctp`; address: `0.0.0.0` and `::` are all of their version."""

    protocol: str
    address: str
    port: int

    def is_kept_by(self, address: str, port: int) -> bool:
        """Whether a socket that is bound to this address and port is in the way. One that has all of IPv6 may have IPv4, too."""
        asked, found = ipaddress.ip_address(self.address), ipaddress.ip_address(address)
        found = getattr(found, "ipv4_mapped", None) or found
        same = asked.version == found.version and (asked == found or asked.is_unspecified or found.is_unspecified)
        return port == self.port and (same or found == ipaddress.IPv6Address(0))


def holder(place: Place) -> str:
    """`process 4711 (nginx)`, or nothing where it can't be found."""
    tables = ["sctp/eps"] if place.protocol == "sctp" else [place.protocol, f"{place.protocol}6"]
    rows = sorted(row for name in tables for row in _rows(PROC / "thread-self/net" / name, place))
    for _, inode in rows:
        for process in _processes():
            if any(link == f"socket:[{inode}]" for _, link in _descriptors(process)):
                return _named(process)
    return next((_named(process) for process in _of_this_namespace() if _has_bound(process, place)), "")


def marked(place: Place, mark: "re.Pattern[str]") -> "re.Match[str] | None":
    """Of the process that has the port, the open file that matches the mark: by that its kind is told. Only processes of
    this network namespace are looked at: in another, the port is another one."""
    for process in _of_this_namespace():
        found = next((match for _, link in _descriptors(process) if (match := mark.fullmatch(link))), None)
        if found and _has_bound(process, place):
            return found
    return None


def _has_bound(process: Path, place: Place) -> bool:
    sockets = [number for number, link in _descriptors(process) if link.startswith("socket:")]
    return any(_is_bound(int(process.name), each, place) for each in sockets)


def _is_bound(pid: int, descriptor: int, place: Place) -> bool:
    """Whether this descriptor of another process is a socket that has the place. Not, where either is gone or can't be had."""
    with suppress(OSError):
        process = os.pidfd_open(pid)
        try:
            copy = socket.socket(fileno=syscalls.pidfd_getfd(process, descriptor))
        finally:
            os.close(process)
        with copy:
            of_internet = copy.family in (socket.AF_INET, socket.AF_INET6)
            return of_internet and copy.proto == NUMBERS[place.protocol] and place.is_kept_by(*copy.getsockname()[:2])
    return False


def _processes() -> Iterator[Path]:
    return (entry for entry in PROC.iterdir() if entry.name.isdecimal())


def _of_this_namespace() -> Iterator[Path]:
    here = (PROC / "thread-self/ns/net").stat().st_ino
    for process in _processes():
        with suppress(OSError):
            if (process / "ns/net").stat().st_ino == here:
                yield process


def _named(process: Path) -> str:
    with suppress(OSError):
        return f"process {process.name} ({(process / 'comm').read_text().strip()})"
    return f"process {process.name}"


def _descriptors(process: Path) -> list[tuple[int, str]]:
    """Number and link of each open file; none of a process that is gone."""
    found = list[tuple[int, str]]()
    with suppress(OSError):
        for each in (process / "fd").iterdir():
            with suppress(OSError):
                found.append((int(each.name), str(each.readlink())))
    return found


def _rows(table: Path, place: Place) -> Iterator[tuple[bool, str]]:
    """The inode of each socket that is in the way, and whether it does not listen. None where the kernel has no such table."""
    with suppress(OSError):
        for line in table.read_text().splitlines()[1:]:
            words = line.split()
            if place.protocol == "sctp":
                state, inode, bound = LISTEN, words[7], [(address, int(words[5])) for address in words[8:]]
            else:
                address, _, port = words[1].rpartition(":")
                state, inode, bound = words[3], words[9], [(_address(address), int(port, 16))]
            if inode != "0" and any(place.is_kept_by(*each) for each in bound):
                yield state != LISTEN, inode


def _address(digits: str) -> str:
    """From hexadecimal digits of 32-bit words, each in the byte order of this machine: `0100007F` is 127.0.0.1."""
    words = [int(digits[at : at + 8], 16).to_bytes(4, sys.byteorder) for at in range(0, len(digits), 8)]
    return str(ipaddress.ip_address(b"".join(words)))
