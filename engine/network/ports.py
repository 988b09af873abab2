"""The syntax of published ports, and binding them.

[[ip:][hostPort]:]containerPort[/protocol]

8080:80                 port 8080 of every address of the host leads to port 80 of the container
0.0.0.0:8080:80         of every address of IPv4; [::]:8080:80 of IPv6
127.0.0.1:8080:80/udp   of this address only, and UDP
[fd00::1]:8080:80       IPv6 in brackets
80, :80, 127.0.0.1::80  any free port of the host
8000-8009:80-89         ten pairs; the two ranges are of one length
"""

import ipaddress
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator

from podlink.engine.errors import InvalidRequest
from podlink.engine.oci.spec.values import Port

PROTOCOLS = ("tcp", "udp", "sctp")
BROADCAST = ipaddress.IPv4Address("255.255.255.255")
MOST = 2**14
"""Ports that a container may publish. Each takes two descriptors of the monitor and, at its start, a millisecond in which no
other container gets a network."""
ANY = ("", "0.0.0.0", "::")
"""No address of its own: all of both protocols, of IPv4, of IPv6."""
FORM = "[[ip:][hostPort]:]containerPort[/protocol]"
SYNTAX = re.compile(
    r"(?:(?:(?P<ip>\[[^\]]+\]|[0-9.]+):)?(?P<host>[0-9]*(?:-[0-9]+)?):)?(?P<container>[0-9]+(?:-[0-9]+)?)(?:/(?P<protocol>\w+))?"
)


def parse_published(text: str, field: str = "publish", form: str = FORM) -> list[Port]:
    """One entry of `publish`: a port, or as many as its range has. Raises InvalidRequest, naming the field."""
    found = SYNTAX.fullmatch(text)
    if not found:
        raise InvalidRequest(f"{field}: {text!r} is not of the form {form}")
    protocol = (found["protocol"] or "tcp").lower()
    if protocol not in PROTOCOLS:
        raise InvalidRequest(f"{field}: {text!r}: protocol {protocol!r} is none of {', '.join(PROTOCOLS)}")
    inside = _range(field, text, found["container"])
    outside = _range(field, text, found["host"], least=0) if found["host"] else [0] * len(inside)
    if outside == [0]:
        outside = [0] * len(inside)
    if len(inside) != len(outside):
        raise InvalidRequest(
            f"{field}: {text!r} has {len(outside)} ports of the host for {len(inside)} of the container; make them equal"
        )
    address = _address(field, text, found["ip"] or "")
    return [Port(one, other, protocol, address) for one, other in zip(inside, outside, strict=True)]


def parse_exposed(text: str, field: str = "exposed_ports") -> list[Port]:
    """`80`, `80/tcp`, `8000-8009/udp`: ports that the container has, not published yet."""
    if ":" in text:
        raise InvalidRequest(f"{field}: {text!r} is not of the form containerPort[/protocol]; use publish for a port of the host")
    return parse_published(text, field, FORM.rpartition(":]")[2])


def clash(one: Port, other: Port) -> bool:
    """Whether only one container at a time can have these. Two that are to be chosen yet never clash."""
    same = bool(one.host_port) and (one.host_port, one.protocol) == (other.host_port, other.protocol)
    if not same or not set(versions(one)) & set(versions(other)):
        return False
    return one.host_ip in ANY or other.host_ip in ANY or one.host_ip == other.host_ip


def clashes(ports: Iterable[Port], others: Iterable[Port]) -> Iterator[tuple[Port, Port]]:
    """Those that only one container at a time can have, without a look at every pair: there may be thousands of each."""
    known = defaultdict[tuple[int, str], list[Port]](list)
    for port in ports:
        known[port.host_port, port.protocol].append(port)
    for other in others:
        for port in known.get((other.host_port, other.protocol), ()):
            if clash(port, other):
                yield port, other


def versions(port: Port) -> tuple[str, ...]:
    """Of which protocols' addresses it is: `4`, `6` or both."""
    return (str(ipaddress.ip_address(port.host_ip).version),) if port.host_ip else ("4", "6")


def _range(field: str, text: str, words: str, least: int = 1) -> list[int]:
    first, _, last = words.partition("-")
    begin, end = int(first or 0), int(last or first or 0)
    if not least <= begin <= end <= 65535 or (last and not begin):
        raise InvalidRequest(f"{field}: {text!r}: {words} is no port, or no range of ports; they go from 1 to 65535")
    return list(range(begin, end + 1))


def _address(field: str, text: str, word: str) -> str:
    if not word:
        return ""
    try:
        found = ipaddress.ip_address(word.strip("[]"))
    except ValueError:
        raise InvalidRequest(f"{field}: {text!r}: {word} is no address") from None
    if "%" in word:
        raise InvalidRequest(f"{field}: {text!r}: an address with a zone is of one link alone; leave out the zone")
    if found.version == 6 and found.is_loopback:
        raise InvalidRequest(f"{field}: {text!r}: {word} can't be led on (the kernel routes ::1 nowhere else); publish 127.0.0.1")
    if found.version == 6 and found.ipv4_mapped:
        raise InvalidRequest(f"{field}: {text!r}: {word} is an address of IPv4; write {found.ipv4_mapped}")
    if found.is_multicast or found.is_link_local or found == BROADCAST:
        raise InvalidRequest(
            f"{field}: {text!r}: {word} is no address by which a host is reached from everywhere; choose another"
        )
    return str(found)
