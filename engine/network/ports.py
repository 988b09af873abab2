"""The syntax of published ports, and binding them.

[[ip:][hostPort]:]containerPort[/protocol]

8080:80                 port 8080 of every address of the host leads to port 80 of the container
127.0.0.1:8080:80/udp   of this address only, and UDP
[fd00::1]:8080:80       IPv6 in brackets
80, :80, 127.0.0.1::80  any free port of the host
8000-8009:80-89         ten pairs; the two ranges are of one length
"""

import ipaddress
import re

from podlink.engine.errors import InvalidRequest
from podlink.engine.oci.spec.values import Port

PROTOCOLS = ("tcp", "udp", "sctp")
SYNTAX = re.compile(
    r"(?:(?:(?P<ip>\[[^\]]+\]|[0-9.]+):)?(?P<host>[0-9]*(?:-[0-9]+)?):)?(?P<container>[0-9]+(?:-[0-9]+)?)(?:/(?P<protocol>\w+))?"
)


def parse_published(text: str, field: str = "publish") -> list[Port]:
    """One entry of `publish`: a port, or as many as its range has. Raises InvalidRequest, naming the field."""
    found = SYNTAX.fullmatch(text)
    if not found:
        raise InvalidRequest(f"{field}: {text!r} is not of the form [[ip:][hostPort]:]containerPort[/protocol]")
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
    return parse_published(text, field)


def clash(one: Port, other: Port) -> bool:
    """Whether only one container at a time can have these. Two that are to be chosen yet never clash."""
    same = bool(one.host_port) and (one.host_port, one.protocol) == (other.host_port, other.protocol)
    return same and (not one.host_ip or not other.host_ip or one.host_ip == other.host_ip)


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
    return "" if found == ipaddress.ip_address("0.0.0.0") else str(found)
