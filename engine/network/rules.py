"""The rules of a network, as nft(8) reads them: pure text. One table for all, chains and maps of its own for each bridge.

    outside ─▶ prerouting ─ DNAT by the maps ─▶ route ─▶ forward ─▶ postrouting ─▶ container
    host    ─▶ output ───── DNAT by the maps ─▶ route ────────────▶ postrouting ─ source becomes the bridge's ─▶ container
    container ─────────────────────────────────▶ route ─▶ forward ─▶ postrouting ─ source becomes the host's ──▶ outside

What all containers share is rules, written when the bridge is; what one container has is elements of maps, added and deleted in
one transaction, which the kernel does in microseconds where a change of rules waits for every processor to have seen it.

    ports4   protocol . port             ─▶ address . port      published on every address of the host
    bound4   address . protocol . port   ─▶ address . port      published on one address
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from podlink.engine.network.ports import ANY, versions
from podlink.engine.state.values import Lease, Network

CHAINS = {
    "guard": "filter hook prerouting priority raw",
    "in": "nat hook prerouting priority dstnat",
    "local": "nat hook output priority -100",
    "out": "nat hook postrouting priority srcnat",
    "forward": "filter hook forward priority filter",
}
POLICY = "accept"
"""Of every chain: what is no container's is left to others."""
MAPS = {
    "ports4": "inet_proto . inet_service : ipv4_addr . inet_service",
    "bound4": "ipv4_addr . inet_proto . inet_service : ipv4_addr . inet_service",
    "ports6": "inet_proto . inet_service : ipv6_addr . inet_service",
    "bound6": "ipv6_addr . inet_proto . inet_service : ipv6_addr . inet_service",
}


@dataclass(frozen=True, slots=True)
class Rule:
    """chain: which of CHAINS it is of; words: matches and a verdict."""

    chain: str
    words: str
    comment: str


def network_rules(table: str, network: Network, leases: Sequence[Lease] = ()) -> str:
    """The network's chains and maps from nothing, whatever was there, and these leases' ports."""
    bridge = network.bridge
    lines = [_declared(table, network)]
    lines += [f"flush chain inet {table} {bridge}-{name}" for name in CHAINS]
    lines += [f"flush map inet {table} {bridge}-{name}" for name in MAPS]
    lines += [f'add rule inet {table} {bridge}-{each.chain} {each.words} comment "{each.comment}"' for each in _rules(network)]
    return "\n".join([*lines, *(added(table, lease) for lease in leases), ""])


def _rules(network: Network) -> Iterator[Rule]:
    """Each has a comment that no other of its chain has: by these it is told whether all are there."""
    bridge = network.bridge
    yield Rule("guard", f'iifname "{bridge}" ip daddr 127.0.0.0/8 drop', "route_localnet is for the host itself")
    # The host's own went through "local". What else comes for 127/8 was let in by somebody's route_localnet on all devices.
    yield Rule("in", "ip daddr 127.0.0.0/8 accept", "from outside for 127.0.0.1: not led on")
    for chain in ("in", "local"):
        for family, anybody in (("ip", "4"), ("ip6", "6")):
            bound = f"dnat {family} to {family} daddr . meta l4proto . th dport map @{bridge}-bound{anybody}"
            yield Rule(chain, bound, f"published on one address, {family}")
            mine = "fib daddr type local" + (" ip6 daddr != ::1" if family == "ip6" else "")
            every = f"{mine} dnat {family} to meta l4proto . th dport map @{bridge}-ports{anybody}"
            yield Rule(chain, every, f"published on every address, {family}")
    for family, subnet in (("ip", network.subnet), ("ip6", network.subnet6)):
        yield Rule("out", f'{family} saddr {subnet} oifname != "{bridge}" masquerade', f"to the outside, {family}")
        own = f"{family} saddr {subnet} {family} daddr {subnet} ct status dnat masquerade"
        yield Rule("out", own, f"to itself by the host's address (hairpin), {family}")
    yield Rule("out", f'ip saddr 127.0.0.0/8 oifname "{bridge}" masquerade', "from the host by 127.0.0.1")
    yield Rule("forward", f'iifname "{bridge}" accept', "from containers")
    yield Rule("forward", f'oifname "{bridge}" ct state established,related accept', "answers")
    yield Rule("forward", f'oifname "{bridge}" ct status dnat accept', "to published ports")


def removed_network(table: str, network: Network) -> str:
    """The inverse of `network_rules`, of whatever of them is there. What is to be deleted must exist, so it is declared first;
    and chains go first, since their rules use the maps."""
    names = [("chain", name) for name in CHAINS] + [("map", name) for name in MAPS]
    lines = [_declared(table, network), *(f"delete {kind} inet {table} {network.bridge}-{name}" for kind, name in names)]
    return "\n".join([*lines, ""])


def _declared(table: str, network: Network) -> str:
    """Its chains and maps, empty; where there are some of the name, those as they are."""
    bridge = network.bridge
    chains = "".join(f"  chain {bridge}-{name} {{ type {hook}; policy {POLICY}; }}\n" for name, hook in CHAINS.items())
    maps = "".join(f"  map {bridge}-{name} {{ type {kind}; }}\n" for name, kind in MAPS.items())
    return f"table inet {table} {{\n{maps}{chains}}}"


def added(table: str, lease: Lease) -> str:
    """The container's ports, all or none."""
    return "".join(
        f'add element inet {table} {name} {{ {key} comment "{lease.container}" : {value} }}\n'
        for name, key, value in elements(lease)
    )


def dropped(table: str, lease: Lease, found: "Seen | None" = None) -> str:
    """The inverse of `added`. found: what the table holds, where some may be gone from it."""
    return "".join(
        f"delete element inet {table} {name} {{ {key} }}\n"
        for name, key, _ in elements(lease)
        if found is None or key in found.maps.get(name, ())
    )


def elements(lease: Lease) -> Iterator[tuple[str, str, str]]:
    """Map, key and value of each port, as nft(8) writes them."""
    places = {"4": lease.address, "6": lease.address6}
    for port in lease.ports:
        key = f"{port.protocol} . {port.host_port}"
        kind, front = ("ports", "") if port.host_ip in ANY else ("bound", f"{port.host_ip} . ")
        for version in versions(port):
            if places[version]:
                yield f"{lease.network.bridge}-{kind}{version}", front + key, f"{places[version]} . {port.container_port}"


@dataclass(frozen=True, slots=True)
class Seen:
    """What a table holds. chains: the comments of each one's rules, in order; policies: what becomes of what no rule of a chain
    speaks of; maps: key and value of each one's elements."""

    chains: Mapping[str, Sequence[str]] = field(default_factory=dict)
    policies: Mapping[str, str] = field(default_factory=dict)
    maps: Mapping[str, Mapping[str, str]] = field(default_factory=dict)


def seen(listed: str) -> Seen:
    """From what `nft -j list table` writes: libnftables-json(5)."""
    chains, policies, maps = dict[str, list[str]](), dict[str, str](), dict[str, dict[str, str]]()
    for entry in json.loads(listed)["nftables"] if listed else ():
        if chain := entry.get("chain"):
            chains.setdefault(chain["name"], [])
            policies[chain["name"]] = chain.get("policy", "")
        if rule := entry.get("rule"):
            chains.setdefault(rule["chain"], []).append(rule.get("comment", ""))
        if each := entry.get("map"):
            maps[each["name"]] = {_joined(key): _joined(value) for key, value in each.get("elem", ())}
    return Seen(chains, policies, maps)


def _joined(part: Any) -> str:
    """`tcp . 8080`, of a concatenation with or without a comment of its own."""
    if "elem" in part:
        part = part["elem"]["val"]
    return " . ".join(str(word) for word in part["concat"])


def lacking(network: Network, found: Seen) -> list[str]:
    """The network's chains and maps that are not there, or not with just the rules that they were made with."""
    wanted: dict[str, list[str]] = {f"{network.bridge}-{chain}": [] for chain in CHAINS}
    for rule in _rules(network):
        wanted[f"{network.bridge}-{rule.chain}"].append(rule.comment)
    lost = [name for name, comments in wanted.items() if found.chains.get(name) != comments or found.policies[name] != POLICY]
    return lost + [f"{network.bridge}-{name}" for name in MAPS if f"{network.bridge}-{name}" not in found.maps]


def left_of(network: Network, found: Seen) -> bool:
    """Whether anything of the network is in the table."""
    names = {f"{network.bridge}-{name}" for name in (*CHAINS, *MAPS)}
    return bool(names & {*found.chains, *found.maps})
