"""What every kind of state decides and says alike, whatever it keeps its rows in."""

import re
from collections.abc import Iterable, Sequence

from podlink.engine.errors import AmbiguousName, ContainerNotFound, ImageInUse, InvalidState, NameInUse, NetworkFailed
from podlink.engine.oci.spec.values import Port
from podlink.engine.state.values import Container, Event, Network, Status, range_of

ACTIONS = {Status.CREATED: "init", Status.RUNNING: "unpause", Status.PAUSED: "pause"}
"""What `mark_status` is called in the events."""
PREFIX = re.compile(r"[0-9a-f]{1,64}")
"""Of a full ID."""
EVENTS = 10_000
"""How many are kept."""
SHOWN = 5
"""How many matches an ambiguous name lists."""
FIRST = 2
"""The first number of a network that is given: 0 is the network's own and 1 its bridge's."""


def storable(text: str) -> str:
    """The text as it is kept: a lone surrogate (from JSON, or from bytes that were no UTF-8) becomes its escape."""
    return text if text.isascii() else text.encode("utf-8", "backslashreplace").decode()


def told(container: Container, at: int, action: str, **more: str) -> Event:
    """The event of a change of this container."""
    attributes = {"image": container.image_name, **more}
    return Event(at=at, type="container", action=action, id=container.id, name=container.name, attributes=attributes)


def end_told(code: int, oom_killed: bool) -> dict[str, str]:
    """What the event of an end says beside."""
    return {"exit_code": str(code), "oom_killed": "true"} if oom_killed else {"exit_code": str(code)}


def only(name: str, found: Sequence[Container]) -> Container:
    """Which one a name means, of those that it fits: an ID always means its container, then a name, then the start of an ID.

    found: in this order. Raises ContainerNotFound, or AmbiguousName with the matches.
    """
    if not found:
        raise ContainerNotFound(name)
    if len(found) > 1 and name not in (found[0].id, found[0].name):
        matches = ", ".join(f"{container.name} ({container.id[:12]})" for container in found[:SHOWN])
        more = f" and {len(found) - SHOWN} more" if len(found) > SHOWN else ""
        raise AmbiguousName(f"{name} fits {len(found)} containers: {matches}{more}; give more digits, or the name")
    return found[0]


def taken(name: str, holder: str) -> NameInUse:
    """holder: the ID of the container that has the name."""
    return NameInUse(f"the name {name} is in use by container {holder}; remove that one or choose another name")


def late(container: Container, start: int) -> InvalidState:
    """For news of this start, when the row is further."""
    found = f"it is {container.status} after start {container.start}"
    return InvalidState(f"news of start {start} come too late for container {container.name} ({container.id[:12]}): {found}")


def in_use(image: str, users: Iterable[tuple[str, str]]) -> ImageInUse:
    """users: names and IDs of containers."""
    names = ", ".join(f"{name} ({container[:12]})" for name, container in users)
    return ImageInUse(f"image {image[:12]} is in use by {names}; remove these containers first, or remove the image by force")


def known_network(name: str) -> NetworkFailed:
    return NetworkFailed(f"there is a network {name} already; remove it first, or choose another name")


def used_network(name: str, containers: Iterable[str]) -> NetworkFailed:
    return NetworkFailed(f"network {name} is used by {', '.join(each[:12] for each in containers)}; stop them first")


def places(ports: Iterable[Port]) -> dict[tuple[int, str], None]:
    """The ports of the host, each once. One that is to be chosen yet is nobody's."""
    return dict.fromkeys((port.host_port, port.protocol) for port in ports if port.host_port)


def free_number(network: Network, wanted: int, taken: set[int], ipv6: bool) -> int:
    """The first number from this one on that nobody has, round and round in the smaller range where there are two.

    Raises NetworkFailed for a full range.
    """
    ends = {network.subnet: range_of(network.subnet).num_addresses - 1}  # less the broadcast address
    if ipv6:
        ends[network.subnet6] = range_of(network.subnet6).num_addresses
    smaller = min(ends, key=lambda each: ends[each])
    count = ends[smaller] - FIRST
    for turn in range(count):
        number = FIRST + (wanted - FIRST + turn) % count
        if number not in taken:
            return number
    raise NetworkFailed(f"network {network.name}: all {count} addresses of {smaller} are in use; stop a container")
