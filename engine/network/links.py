"""Links, addresses and routes: rtnetlink(7), by `netlink.py`.

The netlink socket of a namespace is one that was opened in it. So a container's side is set up by a thread that leaves for a
new namespace (unshare(2)) and never comes back; its caller's threads stay where they are.
"""

import hashlib
import ipaddress
import socket
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from podlink.engine.errors import NetworkFailed
from podlink.engine.linux import mounts, syscalls
from podlink.engine.linux import userns as namespaces
from podlink.engine.linux.threads import in_a_thread
from podlink.engine.network import settings
from podlink.engine.network.netlink import Netlink, nested
from podlink.engine.state.values import Lease, Network

INTERFACE = "eth0"
BRIDGE = "bridge"
"""The kind of link, as the kernel calls it."""
NODAD = 0x02
"""IFA_F_NODAD: an address from our books is nobody else's, and can be used at once."""
UP = 0x1
"""IFF_UP."""
MAIN = 254
"""RT_TABLE_MAIN: the routes that `ip route` shows."""
STATIC, UNICAST = 4, 1
"""RTPROT_STATIC, RTN_UNICAST."""
LOOPBACK = 1
"""The first device of every namespace."""
NSFS_MAGIC = 0x6E736673
"""statfs(2) of a namespace's file."""


def host_side(container: str) -> str:
    """The veth device that stays here: at most 15 characters (IFNAMSIZ)."""
    return "pl" + container[:13]


def find(kernel: Netlink, name: str) -> Any:
    """The link of this name; None where there is none."""
    return kernel.find("RTM_GETLINK", {"IFLA_IFNAME": name})


@dataclass(frozen=True, slots=True, kw_only=True)
class Device:
    """A link as it is found. ours: whether it has the owner's mark; master: the name of its bridge; hairpin: whether that
    sends frames back to it; ranges: what is reached over it directly."""

    name: str
    kind: str
    ours: bool
    up: bool
    mac: str
    mtu: int
    master: str
    hairpin: bool
    addresses: frozenset[str]
    ranges: frozenset[str]


def devices(owner: str) -> dict[str, Device]:
    """Every link of this namespace by its name."""
    with Netlink() as kernel:
        links = kernel.all("RTM_GETLINK")
        held = _held(kernel)
        led = _led(kernel)
    names = {each["index"]: each.get_attr("IFLA_IFNAME") for each in links}
    found = {}
    for each in links:
        name, kind = names[each["index"]], each.get_nested("IFLA_LINKINFO", "IFLA_INFO_KIND") or ""
        found[name] = Device(
            name=name,
            kind=kind,
            ours=is_of(each, owner),
            up=bool(each["flags"] & UP),
            mac=each.get_attr("IFLA_ADDRESS") or "",
            mtu=each.get_attr("IFLA_MTU"),
            master=names.get(each.get_attr("IFLA_MASTER"), ""),
            hairpin=bool(each.get_nested("IFLA_LINKINFO", "IFLA_INFO_SLAVE_DATA", "IFLA_BRPORT_MODE")),
            addresses=frozenset(held[each["index"]]),
            ranges=frozenset(led[each["index"]]),
        )
    return found


def _held(kernel: Netlink, **of: int) -> dict[int, set[str]]:
    """The addresses of devices, by their index, as `10.88.0.1/16`."""
    found = defaultdict[int, set[str]](set)
    for each in kernel.all("RTM_GETADDR", **of):
        found[each["index"]].add(f"{each.get_attr('IFA_ADDRESS')}/{each['prefixlen']}")
    return found


def _led(kernel: Netlink) -> dict[int, set[str]]:
    """The ranges that are reached over devices without a gateway, by their index."""
    found = defaultdict[int, set[str]](set)
    for each in (*_routes(kernel, socket.AF_INET), *_routes(kernel, socket.AF_INET6)):
        if each["dst_len"] and not each.get_attr("RTA_GATEWAY"):
            found[each.get_attr("RTA_OIF")].add(f"{each.get_attr('RTA_DST')}/{each['dst_len']}")
    return found


def ranges_in_use() -> list[str]:
    """What the routes of the main table lead to, without default routes and each device's own (fe80::/64, ff00::/8); and what
    devices have addresses of: where one is down, no route leads there yet."""
    with Netlink() as kernel:
        routes = [*_routes(kernel, socket.AF_INET), *_routes(kernel, socket.AF_INET6)]
        found = [(each.get_attr("RTA_DST"), each["dst_len"]) for each in routes]
        found += [(each.get_attr("IFA_ADDRESS"), each["prefixlen"]) for each in kernel.all("RTM_GETADDR")]
    ranges = (str(ipaddress.ip_network(each, strict=False)) for each in found if each[0] and each[1])
    return sorted({each for each in ranges if not each.startswith(("fe80:", "ff00:"))})


def _routes(kernel: Netlink, family: int) -> list[Any]:
    return [each for each in kernel.all("RTM_GETROUTE", family=family) if each.get_attr("RTA_TABLE") == MAIN]


def uplink_mtu(kernel: Netlink) -> int:
    """That of the device that the default route leads over."""
    sizes = {link["index"]: int(link.get_attr("IFLA_MTU")) for link in kernel.all("RTM_GETLINK")}
    for family in (socket.AF_INET, socket.AF_INET6):
        for each in _routes(kernel, family):
            if not each["dst_len"] and (found := sizes.get(each.get_attr("RTA_OIF"))):
                return found
    return 1500


def mac_of(owner: str, bridge: str) -> str:
    """The address of a bridge of ours. It is given in the message that makes the bridge, so that there is no moment at which one
    is there and can't be told from others'; and neighbours find the same gateway after a restart."""
    return ":".join(f"{byte:02x}" for byte in (0x02, 0x4F, *hashlib.sha256(f"{owner}\0{bridge}".encode()).digest()[:4]))


def is_of(link: Any, owner: str) -> bool:
    """Whether a bridge has the owner's mark: the address, or the alias, which is for people."""
    name = link.get_attr("IFLA_IFNAME")
    return bool(link.get_attr("IFLA_IFALIAS") == owner or link.get_attr("IFLA_ADDRESS") == mac_of(owner, name))


def raise_bridge(network: Network, owner: str, anew: bool = False) -> Literal["", "made", "there"]:
    """Have the bridge, with its settings and addresses, whatever of them is there. Empty where a link of that name is not ours.

    anew: what others may have changed of it, too: its MTU, its MAC address, the routes that its addresses bring.
    """
    name = network.bridge
    with Netlink() as kernel:
        was = find(kernel, name)
        link = was or _made_bridge(kernel, name, owner)
        if link is None or not is_of(link, owner):
            return ""
        index = link["index"]
        if anew or link.get_attr("IFLA_IFALIAS") != owner or not link["flags"] & UP:
            # An MTU that a bridge is made with is forgotten with its last port; one that was set stays.
            mac, mtu = mac_of(owner, name), uplink_mtu(kernel)
            words = ("ip", "link", "set", name, "up", "address", mac, "mtu", mtu, "alias", owner)
            as_made = {"IFLA_IFALIAS": owner, "IFLA_ADDRESS": mac, "IFLA_MTU": mtu}
            kernel.change("RTM_NEWLINK", as_made, *words, index=index, flags=UP, change=UP)
        settings.have(name)
        _have_addresses(kernel, index, network, owner, anew)
    return "there" if was else "made"


def _have_addresses(kernel: Netlink, index: int, network: Network, owner: str, anew: bool) -> None:
    """anew: where the route is lost that one of them brings, it is taken away and given again."""
    name, held = network.bridge, _held(kernel, index=index)[index]
    led = _led(kernel)[index] if anew else {route_of(each) for each in held}
    for address in gateways(network, owner, settings.has_ipv6()):
        if address not in held or route_of(address) not in led:
            for each in held:
                if _bare(each) == _bare(address):
                    _take(kernel, index, name, each)
            _give(kernel, index, name, address)


def _made_bridge(kernel: Netlink, name: str, owner: str) -> Any:
    """The link. Where another root's engine was faster it is not ours."""
    mac = mac_of(owner, name)
    bridge = {"IFLA_IFNAME": name, "IFLA_ADDRESS": mac, "IFLA_LINKINFO": nested(IFLA_INFO_KIND=BRIDGE)}
    words = ("ip", "link", "add", name, "address", mac, "up", "type", BRIDGE)
    kernel.add("RTM_NEWLINK", bridge, *words, flags=UP, change=UP)
    return find(kernel, name)


def gateways(network: Network, owner: str, ipv6: bool) -> list[str]:
    """The addresses of the bridge, as `10.88.0.1/16`. The last is what the kernel gives it, too, once it has a port."""
    four = [f"{network.gateway}/{network.prefix}"]
    six = [f"{network.gateway6}/{network.prefix6}", f"{link_local(mac_of(owner, network.bridge))}/64"]
    return four + six if ipv6 else four


def link_local(mac: str) -> str:
    """The address of IPv6 that a device has for its own link: RFC 4291, 2.5.6 and appendix A."""
    first, *others = bytes.fromhex(mac.replace(":", ""))
    identifier = (first ^ 0x02, *others[:2], 0xFF, 0xFE, *others[2:])
    return str(ipaddress.IPv6Address(bytes((0xFE, 0x80, 0, 0, 0, 0, 0, 0, *identifier))))


def remove_link(name: str, owner: str = "") -> None:
    """Where there is one. owner: only where it has their mark."""
    with Netlink() as kernel:
        link = find(kernel, name)
        if link is not None and (not owner or is_of(link, owner)):
            kernel.remove("RTM_DELLINK", {"IFLA_IFNAME": name}, "ip", "link", "del", name)


def connect(lease: Lease, place: Path, userns: str = "") -> None:
    """A new namespace, mounted at `place` so that it lives without a process, with one end of a veth pair in it.

    Of what is there already, the rest is made: a namespace that lost its devices gets them back. userns: who owns a new one.
    """
    place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    if not place.exists():  # a namespace that is mounted there can't be touched
        place.touch(mode=0o600)
    if userns and not is_namespace(place):
        namespaces.pin_network(Path(userns), place)
    in_a_thread(lambda: _connect(lease, place), "podlink-namespace")


def is_namespace(place: Path) -> bool:
    """Whether one is mounted there."""
    return place.exists() and syscalls.statfs_type(place) == NSFS_MAGIC


def amiss(device: Device | None, lease: Lease, bridge: Device) -> str:
    """What is not as `connect` made it of the device that stays here, in words; empty where all is."""
    if device is None:
        return f"has a lease and no device {host_side(lease.container)}"
    if device.master != bridge.name:
        return f"has its device {device.name} not on the bridge {bridge.name}"
    if not device.up:
        return f"has its device {device.name} down"
    if device.mtu != bridge.mtu:
        return f"has its device {device.name} with an MTU of {device.mtu}, and the bridge {bridge.name} has {bridge.mtu}"
    if not device.hairpin:
        return f"has its device {device.name} without hairpin"
    return ""


def _connect(lease: Lease, place: Path) -> None:
    with Netlink() as host:
        bridge = find(host, lease.network.bridge)
        if bridge is None:
            raise NetworkFailed(f"the bridge {lease.network.bridge} of network {lease.network.name} went away; start again")
        _enter(place)
        with place.open() as namespace, Netlink() as inside:
            made = _plug(host, lease, bridge, namespace.fileno())
            if not made and find(host, host_side(lease.container)) is None:
                # One end is in its place, and the other has another name now, or another namespace: both are made anew.
                inside.remove("RTM_DELLINK", {"IFLA_IFNAME": INTERFACE}, "ip", "link", "del", INTERFACE)
                made = _plug(host, lease, bridge, namespace.fileno())
            _set_up_port(host, lease, bridge, made)
            _set_up_inside(inside, lease, bridge.get_attr("IFLA_MTU"))


def _plug(host: Netlink, lease: Lease, bridge: Any, namespace: int) -> bool:
    """The pair, one end on the bridge, the other in the namespace of this descriptor: whether it was made."""
    name, mtu = host_side(lease.container), bridge.get_attr("IFLA_MTU")
    peer = nested(IFLA_IFNAME=INTERFACE, IFLA_ADDRESS=lease.mac, IFLA_MTU=mtu, IFLA_NET_NS_FD=namespace)
    kind = nested(IFLA_INFO_KIND="veth", IFLA_INFO_DATA=nested(VETH_INFO_PEER=peer))
    pair = {"IFLA_IFNAME": name, "IFLA_MASTER": bridge["index"], "IFLA_MTU": mtu, "IFLA_LINKINFO": kind}
    words = ("ip", "link", "add", name, "mtu", mtu, "master", lease.network.bridge, "type", "veth", "peer", INTERFACE)
    return host.add("RTM_NEWLINK", pair, *words, flags=UP, change=UP)


def _set_up_port(host: Netlink, lease: Lease, bridge: Any, made: bool) -> None:
    """The end that stays here. made: a moment ago, so that it is as it was made."""
    name, mtu = host_side(lease.container), bridge.get_attr("IFLA_MTU")
    if not made:
        own = {"IFLA_IFNAME": name, "IFLA_MASTER": bridge["index"], "IFLA_MTU": mtu}
        words = ("ip", "link", "set", name, "up", "mtu", mtu, "master", lease.network.bridge)
        host.change("RTM_NEWLINK", own, *words, flags=UP, change=UP)
    # Where bridges call iptables (br_netfilter), a frame to the container's own published port turns round here.
    hairpin = nested(IFLA_INFO_SLAVE_KIND=BRIDGE, IFLA_INFO_SLAVE_DATA=nested(IFLA_BRPORT_MODE=1))
    own = {"IFLA_IFNAME": name, "IFLA_LINKINFO": hairpin}
    host.change("RTM_NEWLINK", own, "bridge", "link", "set", "dev", name, "hairpin", "on")


def _enter(place: Path) -> None:
    """Take this thread to the namespace at `place`; a new one is mounted there where none is."""
    if is_namespace(place):
        with place.open() as namespace:
            syscalls.setns(namespace.fileno(), syscalls.CLONE_NEWNET)
        return
    syscalls.unshare(syscalls.CLONE_NEWNET)
    mounts.bind(Path("/proc/thread-self/ns/net"), place)


def _set_up_inside(inside: Netlink, lease: Lease, mtu: int) -> None:
    index, network = socket.if_nametoindex(INTERFACE), lease.network
    _give(inside, index, INTERFACE, f"{lease.address}/{network.prefix}")
    if lease.ipv6:
        settings.change(f"ipv6/conf/{INTERFACE}/accept_ra", "0")  # a neighbour is no router: all of its routes are known here
        _give(inside, index, INTERFACE, f"{lease.address6}/{network.prefix6}")
    inside.change("RTM_NEWLINK", {}, "ip", "link", "set", "lo", "up", index=LOOPBACK, flags=UP, change=UP)
    words = ("ip", "link", "set", INTERFACE, "up", "mtu", mtu)
    inside.change("RTM_NEWLINK", {"IFLA_MTU": mtu}, *words, index=index, flags=UP, change=UP)
    for gateway in (network.gateway, *([network.gateway6] if lease.ipv6 else [])):
        how = {"family": _family(gateway), "table": MAIN, "proto": STATIC, "type": UNICAST}
        inside.add("RTM_NEWROUTE", {"RTA_GATEWAY": gateway}, "ip", "route", "add", "default", "via", gateway, **how)


def _give(kernel: Netlink, index: int, name: str, address: str) -> None:
    """address: as `10.88.0.1/16`."""
    held, how = _of_address(index, address)
    kernel.add("RTM_NEWADDR", held, "ip", "addr", "add", address, "dev", name, **how)


def _take(kernel: Netlink, index: int, name: str, address: str) -> None:
    """The inverse of `_give`."""
    held, how = _of_address(index, address)
    kernel.remove("RTM_DELADDR", held, "ip", "addr", "del", address, "dev", name, **how)


def _of_address(index: int, address: str) -> tuple[dict[str, str], dict[str, int]]:
    """Attributes and fields of its message."""
    bare, _, prefix = address.partition("/")
    fields = {"family": _family(bare), "prefixlen": int(prefix), "flags": NODAD if ":" in bare else 0, "index": index}
    return {"IFA_LOCAL": bare, "IFA_ADDRESS": bare}, fields


def _bare(address: str) -> str:
    """Without its prefix."""
    return address.partition("/")[0]


def route_of(address: str) -> str:
    """The range that the route leads to which the address brings."""
    return str(ipaddress.ip_interface(address).network)


def _family(address: str) -> int:
    return socket.AF_INET6 if ":" in address else socket.AF_INET
