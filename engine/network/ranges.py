"""Ranges of addresses: reading them, and finding one that nobody uses. Pure functions; a range is text, as `10.88.0.0/16`."""

import hashlib
import ipaddress
from collections.abc import Iterable

from podlink.engine.errors import InvalidRequest, NetworkFailed
from podlink.engine.state.values import range_of


def parse(field: str, text: str, version: int) -> str:
    """The range as it is kept. Raises InvalidRequest, naming the field, for what is none with room for a container."""
    try:
        found = ipaddress.ip_network(text)
    except ValueError as error:
        raise InvalidRequest(f"{field}: {error}") from None
    if found.version != version or found.num_addresses < 4:
        raise InvalidRequest(f"{field}: {text!r} is no IPv{version} range with room for a bridge and a container")
    return str(found)


def overlapped(subnet: str, taken: Iterable[str]) -> str:
    """The first of the ranges that has an address in common with this one; empty where none has."""
    wanted = range_of(subnet)
    return next((each for each in taken if wanted.overlaps(range_of(each))), "")


def refuse_overlap(field: str, subnet: str, taken: Iterable[str]) -> None:
    """Raise NetworkFailed, naming who has it, for a range of which somebody uses a part."""
    if found := overlapped(subnet, taken):
        raise NetworkFailed(f"{field}: {subnet} overlaps {found}, which this host or another network uses; choose another range")


def free(first: str, taken: list[str], prefix: int) -> str:
    """The first range of this size that nobody uses, from the first address of `first` on and within its /8."""
    start = ipaddress.IPv4Network(first)
    size = 2 ** (32 - prefix)
    begin = int(start.network_address)
    end = int(start.supernet(new_prefix=8).broadcast_address) if start.prefixlen >= 8 else int(start.broadcast_address)
    for address in range(begin, end, size):
        candidate = str(ipaddress.IPv4Network((address, prefix)))
        if not overlapped(candidate, taken):
            return candidate
    raise NetworkFailed(f"no free range of /{prefix} was found from {first} on; name one")


def unique_local(owner: str, name: str, taken: list[str]) -> str:
    """A range of our own that others are unlikely to have: RFC 4193, section 3.2.2, from a hash; another where they have it."""
    digest = hashlib.sha256(f"{owner}\0{name}".encode()).digest()
    while True:
        candidate = str(ipaddress.ip_network((bytes([0xFD]) + digest[:7] + bytes(8), 64)))
        if not overlapped(candidate, taken):
            return candidate
        digest = hashlib.sha256(digest).digest()
