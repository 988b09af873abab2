"""Where the books and the host differ: pure functions from what was found to sentences, each of which says what to do.

What the engine can mend by itself, `podlink network reload` does; what is over is removed by hand, since only people know who
else may have made it.
"""

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

from podlink.engine.network import links, rules
from podlink.engine.network.links import Device
from podlink.engine.state.values import Lease, Network

RELOAD = "run podlink network reload"
ON_AGAIN = "set net.ipv6.conf.all.disable_ipv6 and net.ipv6.conf.default.disable_ipv6 to 0"
VETH = re.compile(r"pl[0-9a-f]{13}")
"""As `links.host_side` names them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """The host. owner: by whose mark bridges are ours; mtu: that of the uplink; ipv6: whether bridges have addresses; amiss:
    settings of each bridge that are not as they have to be; namespaces: containers that have something in the run directory,
    mounted: those of them of which a namespace is mounted."""

    table: str
    owner: str
    mtu: int
    devices: Mapping[str, Device]
    seen: rules.Seen
    ipv6: bool
    amiss: Mapping[str, Sequence[str]]
    namespaces: Collection[str]
    mounted: Collection[str]


def troubles(networks: Sequence[Network], leases: Sequence[Lease], found: Found) -> Iterator[str]:
    """What is missing comes first, what is over after."""
    used = {lease.network.name for lease in leases}
    if not found.ipv6 and any(lease.ipv6 for lease in leases):
        yield f"IPv6 was switched off on this host, and containers have addresses of it; {ON_AGAIN}, then {RELOAD}"
    for network in networks:
        if network.name in used:
            yield from _of_bridge(network, found)
            yield from _of_rules(network, [each for each in leases if each.network.name == network.name], found)
        elif rules.left_of(network, found.seen):
            yield f"network {network.name} is not in use and its rules are still there; {RELOAD}"
    for lease in leases:
        yield from _of_lease(lease, found)
    yield from _over(networks, leases, found)


def _of_bridge(network: Network, found: Found) -> Iterator[str]:
    bridge = found.devices.get(network.bridge)
    if bridge is None:
        yield f"network {network.name} is in use and its bridge {network.bridge} is gone; {RELOAD}"
        return
    if not bridge.ours:
        yield f"network {network.name} is in use and its bridge {network.bridge} is somebody else's; stop its containers"
        return
    which = f"the bridge {network.bridge} of network {network.name}"
    if not bridge.up:
        yield f"{which} is down; {RELOAD}"
    if bridge.mtu != found.mtu:
        yield f"{which} has an MTU of {bridge.mtu}, and the uplink has {found.mtu}; {RELOAD}"
    if bridge.mac != (mac := links.mac_of(found.owner, network.bridge)):
        yield f"{which} has another MAC address than {mac}; {RELOAD}"
    for setting in found.amiss[network.bridge]:
        yield f"{setting} for network {network.name}; {RELOAD}"
    for address in links.gateways(network, found.owner, found.ipv6):
        if address not in bridge.addresses:
            yield f"{which} lacks its address {address}; {RELOAD}"
        elif links.route_of(address) not in bridge.ranges:
            yield f"{which} lacks its route to {links.route_of(address)}; {RELOAD}"


def _of_rules(network: Network, leases: Sequence[Lease], found: Found) -> Iterator[str]:
    lost = rules.lacking(network, found.seen)
    if not rules.left_of(network, found.seen):
        yield f"network {network.name} has lost its rules; {RELOAD}"
        return
    for name in lost:
        yield f"network {network.name}: {name} of nftables table {found.table} is not as it was made; {RELOAD}"
    wanted = {(place, key): (value, lease.container) for lease in leases for place, key, value in rules.elements(lease)}
    for (place, key), (value, container) in wanted.items():
        if place not in lost and found.seen.maps[place].get(key) != value:
            yield f"container {container[:12]}: its published port ({key}) is not in {place} of nftables; {RELOAD}"
    for name in rules.MAPS:
        place = f"{network.bridge}-{name}"
        for key in found.seen.maps.get(place, ()):
            if (place, key) not in wanted:
                yield f"{place} of nftables leads a port ({key}) to what is no container of network {network.name}; {RELOAD}"


def _of_lease(lease: Lease, found: Found) -> Iterator[str]:
    name = lease.container[:12]
    device, bridge = found.devices.get(links.host_side(lease.container)), found.devices.get(lease.network.bridge)
    if lease.container not in found.mounted:
        yield f"container {name} has a lease and no device, for its namespace is gone; stop it and start it again"
    elif bridge and (trouble := links.amiss(device, lease, bridge)):
        yield f"container {name} {trouble}; {RELOAD}"


def _over(networks: Sequence[Network], leases: Sequence[Lease], found: Found) -> Iterator[str]:
    known = {lease.container for lease in leases}
    for container in sorted(set(found.namespaces) - known):
        yield f"container {container[:12]} has a namespace and no lease; open the engine anew, which removes it"
    bridges = {each.bridge for each in networks}
    used = {lease.network.bridge for lease in leases}
    sides = {links.host_side(container) for container in known}
    for device in found.devices.values():
        if device.kind == links.BRIDGE and device.ours and device.name not in used:
            remedy = RELOAD if device.name in bridges else f"remove it: ip link del {device.name}"
            yield f"the bridge {device.name} is ours and nobody is on it; {remedy}"
        if device.kind == "veth" and VETH.fullmatch(device.name) and device.name not in sides:
            master = found.devices.get(device.master)
            if master is None:
                yield (
                    f"the device {device.name} is no container's of this root and on no bridge; if it is no other root's,"
                    f" remove it: ip link del {device.name}"
                )
            elif master.ours:
                yield f"the device {device.name} on {device.master} is no container's; remove it: ip link del {device.name}"
