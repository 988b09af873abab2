"""The rules of a network, as nft(8) reads them: pure text. One table for all, chains and maps of its own for each bridge.

    outside ─▶ prerouting ─ DNAT by the maps ─▶ route ─▶ forward ─▶ postrouting ─▶ container
    host    ─▶ output ───── DNAT by the maps ─▶ route ────────────▶ postrouting ─ source becomes the bridge's ─▶ container
    container ─────────────────────────────────▶ route ─▶ forward ─▶ postrouting ─ source becomes the host's ──▶ outside

What all containers share is rules, written when the bridge is; what one container has is elements of maps, added and deleted in
one transaction, which the kernel does in microseconds where a change of rules waits for every processor to have seen it.

    ports4   protocol . port             ─▶ address . port      published on every address of the host
    bound4   address . protocol . port   ─▶ address . port      published on one address
"""

import ipaddress
from collections.abc import Iterator, Sequence

from podlink.engine.state.networks import Lease, Network

CHAINS = {
    "guard": "filter hook prerouting priority raw",
    "in": "nat hook prerouting priority dstnat",
    "local": "nat hook output priority -100",
    "out": "nat hook postrouting priority srcnat",
    "forward": "filter hook forward priority filter",
}
MAPS = {
    "ports4": "inet_proto . inet_service : ipv4_addr . inet_service",
    "bound4": "ipv4_addr . inet_proto . inet_service : ipv4_addr . inet_service",
    "ports6": "inet_proto . inet_service : ipv6_addr . inet_service",
    "bound6": "ipv6_addr . inet_proto . inet_service : ipv6_addr . inet_service",
}


def network_rules(table: str, network: Network, leases: Sequence[Lease] = ()) -> str:
    """The network's chains and maps from nothing, whatever was there, and these leases' ports."""
    bridge = network.bridge
    chains = "".join(f"  chain {bridge}-{name} {{ type {hook}; policy accept; }}\n" for name, hook in CHAINS.items())
    maps = "".join(f"  map {bridge}-{name} {{ type {kind}; }}\n" for name, kind in MAPS.items())
    lines = [f"table inet {table} {{\n{maps}{chains}}}"]
    lines += [f"flush chain inet {table} {bridge}-{name}" for name in CHAINS]
    lines += [f"flush map inet {table} {bridge}-{name}" for name in MAPS]
    lines += [f"add rule inet {table} {bridge}-{rule}" for rule in _rules(network)]
    return "\n".join([*lines, *(added(table, lease) for lease in leases), ""])


def _rules(network: Network) -> Iterator[str]:
    bridge = network.bridge
    yield f'guard iifname "{bridge}" ip daddr 127.0.0.0/8 drop comment "route_localnet is for the host itself"'
    for chain in ("in", "local"):
        for family, anybody in (("ip", "4"), ("ip6", "6")):
            yield f"{chain} dnat {family} to {family} daddr . meta l4proto . th dport map @{bridge}-bound{anybody}"
            mine = "fib daddr type local" + (" ip6 daddr != ::1" if family == "ip6" else "")
            yield f"{chain} {mine} dnat {family} to meta l4proto . th dport map @{bridge}-ports{anybody}"
    for family, subnet in (("ip", network.subnet), ("ip6", network.subnet6)):
        yield f'out {family} saddr {subnet} oifname != "{bridge}" masquerade comment "to the outside"'
        yield f'out {family} saddr {subnet} {family} daddr {subnet} ct status dnat masquerade comment "hairpin"'
    yield f'out ip saddr 127.0.0.0/8 oifname "{bridge}" masquerade comment "from the host by 127.0.0.1"'
    yield f'forward iifname "{bridge}" accept'
    yield f'forward oifname "{bridge}" ct state established,related accept'
    yield f'forward oifname "{bridge}" ct status dnat accept'


def removed_network(table: str, network: Network) -> str:
    """The inverse of `network_rules`. Chains go first: their rules use the maps."""
    names = [("chain", name) for name in CHAINS] + [("map", name) for name in MAPS]
    return "".join(f"delete {kind} inet {table} {network.bridge}-{name}\n" for kind, name in names)


def added(table: str, lease: Lease) -> str:
    """The container's ports, all or none."""
    return "".join(
        f'add element inet {table} {name} {{ {key} comment "{lease.container}" : {value} }}\n'
        for name, key, value in _elements(lease)
    )


def dropped(table: str, lease: Lease) -> str:
    """The inverse of `added`."""
    return "".join(f"delete element inet {table} {name} {{ {key} }}\n" for name, key, _ in _elements(lease))


def _elements(lease: Lease) -> Iterator[tuple[str, str, str]]:
    """Map, key and value of each port."""
    for port in lease.ports:
        key = f"{port.protocol} . {port.host_port}"
        places = {"4": lease.address, "6": lease.address6}
        family = str(ipaddress.ip_address(port.host_ip).version) if port.host_ip not in ("", "::") else ""
        for version in (family,) if family else (("6",) if port.host_ip == "::" else ("4", "6")):
            bound = f"bound{version}" if family else f"ports{version}"
            front = f"{port.host_ip} . " if family else ""
            yield f"{lease.network.bridge}-{bound}", front + key, f"{places[version]} . {port.container_port}"
