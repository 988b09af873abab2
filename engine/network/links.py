"""Links, addresses and routes: rtnetlink(7), by way of pyroute2, which only this module imports, and late: it takes 300 ms.

The netlink socket of a namespace is one that was opened in it. So a container's side is set up by a thread that leaves for a
new namespace (unshare(2)) and never comes back; its caller's threads stay where they are.
"""

import errno
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any

from podlink.engine import trace
from podlink.engine.errors import EngineUnavailable, NetworkFailed
from podlink.engine.linux import mounts, syscalls
from podlink.engine.state.networks import Lease, Network

INTERFACE = "eth0"
SYSCTL = Path("/proc/sys/net")
"""Of the network namespace of the thread that looks."""
NODAD = 0x02
"""IFA_F_NODAD: an address from our books is nobody else's, and can be used at once."""
UP = 0x1
"""IFF_UP."""


def has_ipv6() -> bool:
    return (SYSCTL / "ipv6/conf/all/forwarding").exists()


def host_side(container: str) -> str:
    """The veth device that stays here: at most 15 characters (IFNAMSIZ)."""
    return "pl" + container[:13]


@contextmanager
def netlink() -> Iterator[Any]:
    """A socket of this thread's namespace. Refusals are NetworkFailed in words that help."""
    try:
        library = import_module("pyroute2")
    except ImportError:
        raise EngineUnavailable(
            "pyroute2 is not installed; networks need it: pip install 'podlink[host]', or net_mode none"
        ) from None
    try:
        with library.IPRoute() as route:
            yield route
    except library.NetlinkError as error:
        raise _refusal(error.code) from error


def _refusal(code: int) -> NetworkFailed:
    reason = os.strerror(code).lower()
    if code in (errno.EPERM, errno.EACCES):
        return NetworkFailed(f"networks can't be built: {reason}; the engine needs CAP_NET_ADMIN, or say net_mode none or host")
    if code == errno.EOPNOTSUPP:
        return NetworkFailed(f"networks can't be built: {reason}; the kernel lacks bridge or veth: modprobe bridge veth")
    return NetworkFailed(f"the kernel refused to build the network: {reason}")


def find(route: Any, name: str) -> Any:
    """The link of this name; None where there is none."""
    found = route.link_lookup(ifname=name)
    return route.link("get", index=found[0])[0] if found else None


def ranges_in_use() -> list[str]:
    """What the routes of the main table lead to, default routes left out."""
    found = []
    with netlink() as route:
        for each in route.get_routes(family=2, table=254):
            if (place := each.get_attr("RTA_DST")) and each["dst_len"]:
                found.append(f"{place}/{each['dst_len']}")
    return found


def uplink_mtu(route: Any) -> int:
    """That of the device that the default route leads over."""
    for each in route.get_default_routes(family=2, table=254):
        if index := each.get_attr("RTA_OIF"):
            return int(route.link("get", index=index)[0].get_attr("IFLA_MTU"))
    return 1500


def raise_bridge(network: Network, owner: str) -> bool:
    """The bridge with its addresses; False where a link of that name is not ours."""
    with netlink() as route:
        link = find(route, network.bridge)
        if link is not None:
            return bool(link.get_attr("IFLA_IFALIAS") == owner)
        mtu = uplink_mtu(route)
        route.link("add", ifname=network.bridge, kind="bridge")
        index = route.link_lookup(ifname=network.bridge)[0]
        route.link("set", index=index, ifalias=owner, mtu=mtu, state="up")
        trace.ran("ip", "link", "add", network.bridge, "mtu", mtu, "type", "bridge")
        _address(route, index, network.bridge, network.gateway, network.prefix)
        if has_ipv6():
            _address(route, index, network.bridge, network.gateway6, network.prefix6)
    return True


def forward(bridge: str) -> None:
    """Have the host pass packets on, and this bridge take those from 127.0.0.1."""
    set_sysctl("ipv4/ip_forward", "1")
    set_sysctl(f"ipv4/conf/{bridge}/route_localnet", "1")
    if has_ipv6() and (SYSCTL / "ipv6/conf/all/forwarding").read_text().strip() == "0":
        for each in (SYSCTL / "ipv6/conf").iterdir():  # a router ignores advertisements unless told not to: keep what was
            if (each / "accept_ra").read_text().strip() == "1":
                (each / "accept_ra").write_text("2")
        set_sysctl("ipv6/conf/all/forwarding", "1")


def set_sysctl(name: str, value: str) -> None:
    path = SYSCTL / name
    try:
        if path.read_text().strip() != value:
            path.write_text(value)
            trace.ran("sysctl", "-w", f"net.{name.replace('/', '.')}={value}")
    except OSError as error:
        raise NetworkFailed(f"net.{name.replace('/', '.')} can't be set to {value}: {(error.strerror or '').lower()}") from error


def remove_link(name: str, owner: str = "") -> None:
    """Where there is one. owner: only where its alias says that it is theirs."""
    with netlink() as route:
        link = find(route, name)
        if link is not None and owner in ("", link.get_attr("IFLA_IFALIAS")):
            route.link("del", index=link["index"])
            trace.ran("ip", "link", "del", name)


def connect(lease: Lease, place: Path) -> None:
    """A new namespace, mounted at `place` so that it lives without a process, with one end of a veth pair in it."""
    place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    place.touch(mode=0o600)
    _apart(lambda: _connect(lease, place))


def _connect(lease: Lease, place: Path) -> None:
    with netlink() as host:
        bridge = find(host, lease.network.bridge)
        if bridge is None:
            raise NetworkFailed(f"the bridge {lease.network.bridge} of network {lease.network.name} went away; start again")
        syscalls.unshare(syscalls.CLONE_NEWNET)
        mounts.bind(Path("/proc/thread-self/ns/net"), place)
        mtu = bridge.get_attr("IFLA_MTU")
        with place.open() as namespace:
            peer = {"ifname": INTERFACE, "address": lease.mac, "mtu": mtu, "net_ns_fd": namespace.fileno()}
            name = host_side(lease.container)
            host.link("add", ifname=name, kind="veth", mtu=mtu, master=bridge["index"], flags=UP, change=UP, peer=peer)
        # Where bridges call iptables (br_netfilter), a frame to the container's own published port turns round here.
        host.brport("set", index=host.link_lookup(ifname=name)[0], mode=1)
        trace.ran("ip", "link", "add", name, "mtu", mtu, "master", lease.network.bridge, "type", "veth", "peer", INTERFACE)
        trace.ran("bridge", "link", "set", "dev", name, "hairpin", "on")
    with netlink() as inside:
        _set_up_inside(inside, lease)


def _set_up_inside(inside: Any, lease: Lease) -> None:
    index = inside.link_lookup(ifname=INTERFACE)[0]
    _address(inside, index, INTERFACE, lease.address, lease.network.prefix)
    if has_ipv6():
        _address(inside, index, INTERFACE, lease.address6, lease.network.prefix6)
    for each in (1, index):  # loopback is the first device of every namespace
        inside.link("set", index=each, state="up")
    inside.route("add", gateway=lease.network.gateway)
    trace.ran("ip", "-n", lease.container[:12], "route", "add", "default", "via", lease.network.gateway)
    if has_ipv6():
        inside.route("add", family=10, dst="default", gateway=lease.network.gateway6)


def _address(route: Any, index: int, name: str, address: str, prefix: int) -> None:
    more = {"flags": NODAD} if ":" in address else {}
    route.addr("add", index=index, address=address, prefixlen=prefix, **more)
    trace.ran("ip", "addr", "add", f"{address}/{prefix}", "dev", name)


def _apart(act: Callable[[], None]) -> None:
    """In a thread that ends with it. Its failure is the caller's."""
    failed: list[BaseException] = []

    def run() -> None:
        try:
            act()
        except BaseException as error:
            failed.append(error)

    thread = threading.Thread(target=run, name="podlink-namespace")
    thread.start()
    thread.join()
    if failed:
        raise failed[0]
