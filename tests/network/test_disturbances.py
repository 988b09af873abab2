"""Others change what is ours: a check names each change, and a reload brings back all that was there, not only what was named."""

import json
import re
from typing import Any

import pytest
import world
from patience import until

from podlink.engine.errors import NetworkFailed
from podlink.engine.network import links

pytestmark = pytest.mark.needs("root", "runc", "overlay", "nft")

DISTURBANCES = [
    # addresses and routes
    ("ip addr del {gateway}/16 dev podlink0", ["lacks its address {gateway}/16"]),
    (
        "ip addr flush dev podlink0",
        ["lacks its address {gateway}/16", "lacks its address fd.*/64", "lacks its address fe80:.*/64"],
    ),
    ("ip -6 addr flush dev podlink0 scope global", ["lacks its address fd.*/64"]),
    ("ip -6 addr flush dev podlink0 scope link", ["lacks its address fe80:.*/64"]),
    ("ip addr del {gateway}/16 dev podlink0; ip addr add {gateway}/24 dev podlink0", ["lacks its address {gateway}/16"]),
    ("ip route flush dev podlink0", [r"lacks its route to 10\.88\.0\.0/16"]),
    ("ip -6 route flush dev podlink0", ["lacks its route to fd.*/64", "lacks its route to fe80::/64"]),
    # the bridge
    ("ip link set podlink0 down", ["the bridge podlink0 of network podlink is down", "lacks its address fd"]),
    (
        "ip link set podlink0 mtu 1280",
        ["has an MTU of 1280, and the uplink has {mtu}", "{veth} with an MTU of {mtu}, and the bridge"],
    ),
    ("ip link set podlink0 address 02:00:00:00:00:77", ["has another MAC address than 02:4f:"]),
    ("ip link del podlink0", ["its bridge podlink0 is gone"]),
    # the container's device
    ("ip link set {veth} nomaster", ["has its device {veth} not on the bridge podlink0"]),
    ("ip link set {veth} down", ["has its device {veth} down"]),
    ("ip link set {veth} mtu 1280", ["has its device {veth} with an MTU of 1280, and the bridge podlink0 has {mtu}"]),
    ("bridge link set dev {veth} hairpin off", ["has its device {veth} without hairpin"]),
    ("ip link del {veth}", ["has a lease and no device {veth}"]),
    ("ip link set {veth} name other0", ["has a lease and no device {veth}"]),
    ("ip link del {veth}; ip link del podlink0; nft flush ruleset", ["its bridge podlink0 is gone", "has lost its rules"]),
    # rules
    ("nft flush ruleset", ["network podlink has lost its rules"]),
    ("nft delete table inet podlink", ["network podlink has lost its rules"]),
    ("nft flush table inet podlink", ["podlink0-in of nftables", "podlink0-forward of nftables"]),
    ("nft flush chain inet podlink podlink0-in", ["podlink0-in of nftables table podlink is not as it was made"]),
    ("nft delete chain inet podlink podlink0-guard", ["podlink0-guard of nftables table podlink is not as it was made"]),
    ("nft insert rule inet podlink podlink0-forward drop", ["podlink0-forward of nftables table podlink is not as it was made"]),
    ("nft 'chain inet podlink podlink0-forward {{ policy drop; }}'", ["podlink0-forward of nftables table podlink is not as it"]),
    ("nft flush map inet podlink podlink0-ports4", [r"published port \(tcp \. 8080\) is not in podlink0-ports4"]),
    (
        "nft delete element inet podlink podlink0-ports6 '{{ tcp . 8080 }}'",
        [r"published port \(tcp \. 8080\) is not in podlink0-ports6"],
    ),
    (
        "nft add element inet podlink podlink0-ports4 '{{ udp . 99 : 10.88.0.9 . 80 }}'",
        [r"leads a port \(udp \. 99\) to what is no container"],
    ),
    # settings
    ("sysctl -qw net.ipv4.ip_forward=0", ["net.ipv4.ip_forward is 0 and has to be 1", "podlink0.forwarding is 0"]),
    ("sysctl -qw net.ipv4.conf.podlink0.forwarding=0", ["net.ipv4.conf.podlink0.forwarding is 0 and has to be 1"]),
    ("sysctl -qw net.ipv4.conf.podlink0.route_localnet=0", ["net.ipv4.conf.podlink0.route_localnet is 0 and has to be 1"]),
    ("sysctl -qw net.ipv6.conf.all.forwarding=0", ["net.ipv6.conf.all.forwarding is 0 and has to be 1"]),
    ("sysctl -qw net.ipv6.conf.podlink0.accept_ra=2", ["net.ipv6.conf.podlink0.accept_ra is 2 and has to be 0"]),
    ("sysctl -qw net.ipv6.conf.podlink0.disable_ipv6=1", ["podlink0.disable_ipv6 is 1 and has to be 0", "lacks its address fd"]),
]


def shell(text: str) -> None:
    world.HERE.run("sh", "-c", text)


def listed(place: world.Place, *argv: str) -> Any:
    return json.loads(place.run(*argv) or "[]")


def addresses(place: world.Place, device: str) -> list[Any]:
    (link,) = listed(place, "ip", "-j", "addr", "show", device)
    kept = ("local", "prefixlen", "scope")
    held = sorted(tuple(each[key] for key in kept) for each in link["addr_info"])
    return [link["mtu"], "UP" in link["flags"], "LOWER_UP" in link["flags"], held]


def routes(place: world.Place, device: str) -> list[str]:
    """But for what the kernel adds by itself, once it is sure of an address."""
    lines = place.run("ip", "route", "show", "dev", device) + place.run("ip", "-6", "route", "show", "dev", device)
    return sorted(re.sub(r" (linkdown|pref \w+|metric \d+)", "", line).strip() for line in lines.splitlines())


def rules() -> Any:
    """All of the ruleset, without the numbers that the kernel gives."""

    def bare(part: Any) -> Any:
        if isinstance(part, dict):
            return {key: bare(value) for key, value in part.items() if key not in ("handle", "metainfo")}
        return [bare(each) for each in part] if isinstance(part, list) else part

    entries = [json.dumps(bare(each), sort_keys=True) for each in listed(world.HERE, "nft", "-j", "list", "ruleset")["nftables"]]
    chains = [each for each in entries if '"rule"' in each]  # their order counts; that of chains and maps does not
    return sorted(set(entries) - set(chains)), sorted(chains, key=lambda each: json.loads(each)["rule"]["chain"])


def settings() -> str:
    names = ["net.ipv4.ip_forward", "net.ipv4.conf.podlink0.forwarding", "net.ipv4.conf.podlink0.route_localnet"]
    names += ["net.ipv6.conf.all.forwarding", *(f"net.ipv6.conf.podlink0.{each}" for each in ("accept_ra", "disable_ipv6"))]
    return world.HERE.run("sysctl", *names)


def everything(place: world.Place, veth: str) -> list[Any]:
    """All that podlink makes for a container, as the kernel's own tools show it."""
    (bridge,) = listed(world.HERE, "ip", "-j", "link", "show", "podlink0")
    (port,) = listed(world.HERE, "ip", "-d", "-j", "link", "show", veth)
    hairpin = port["linkinfo"]["info_slave_data"]["hairpin"]
    inside = [addresses(place, "eth0"), routes(place, "eth0"), place.run("ip", "-br", "link", "show", "eth0").split()[2]]
    outside = [addresses(world.HERE, "podlink0"), routes(world.HERE, "podlink0"), bridge["address"], port["mtu"], port["master"]]
    return [*inside, *outside, hairpin, "UP" in port["flags"], rules(), settings()]


def test_each_disturbance_is_named_and_a_reload_brings_everything_back(site: Any, outside: world.Place) -> None:
    web = site.serve(hostname="web", publish=["8080:80"])
    place, veth = site.place(web), links.host_side(web.id)
    words = {"veth": veth, "gateway": site.engine.host.state.networks.find("podlink").gateway, "mtu": str(world.MTU)}
    until(lambda: "scope link" in (shown := world.HERE.run("ip", "-6", "addr", "show", "podlink0")) and "tentative" not in shown)
    before = everything(place, veth)
    assert before[3][3][2][0].startswith("fe80:"), "the kernel has given the bridge an address for its own link"

    def differences() -> list[Any]:
        return [pair for pair in zip(before, everything(place, veth), strict=True) if pair[0] != pair[1]]

    for command, sentences in DISTURBANCES:
        shell(command.format(**words))
        found = site.engine.networks.troubles()
        for sentence in sentences:
            assert any(re.search(sentence.format(**words), each) for each in found), (command, sentence, found)
        assert all(each.endswith("; run podlink network reload") for each in found), found
        site.engine.networks.reload()
        assert site.engine.networks.troubles() == [], command
        until(lambda: not differences(), differences)
    for address in (world.HOST, world.HOST6):
        assert outside.get(address, 8080) == "web\n", "after all of that"


def test_that_ipv6_was_switched_off_is_named_and_brought_back_once_it_is_on_again(site: Any, outside: world.Place) -> None:
    web = site.serve(hostname="web", publish=["8080:80"])
    try:
        shell("sysctl -qw net.ipv6.conf.all.disable_ipv6=1")
        assert any("IPv6 was switched off on this host, and containers have" in each for each in site.engine.networks.troubles())
        site.engine.networks.reload()
        assert outside.get(world.HOST, 8080) == "web\n"
    finally:
        shell("sysctl -qw net.ipv6.conf.all.disable_ipv6=0")
        shell(f"ip addr add {world.HOST6}/64 dev up0 nodad; ip -6 route add default via {world.OUTSIDE6}")
    assert site.engine.networks.troubles() != []
    site.engine.networks.reload()
    assert site.engine.networks.troubles() == []
    assert outside.get(world.HOST6, 8080) == "web\n"
    assert site.place(web).get(world.HOST6, 8080) == "web\n"


def test_what_can_not_be_mended_of_one_network_does_not_keep_the_others_from_it(site: Any) -> None:
    site.run("sleep", "1000")
    site.engine.networks.create("backend")
    site.run("sleep", "1000", network="backend")
    shell("ip link del podlink0; ip link add podlink0 type bridge; ip link del podlink1")
    with pytest.raises(NetworkFailed, match="network podlink: its bridge podlink0 is somebody else's now"):
        site.engine.networks.reload()
    assert not [each for each in site.engine.networks.troubles() if "backend" in each]
    shell("ip link del podlink0")
    site.engine.networks.reload()
    assert site.engine.networks.troubles() == []


ADVERTISE = """
import socket, struct, sys
body = struct.pack("!BBHBBHII", 134, 0, 0, 64, 0, 1800, 0, 0)  # RFC 4861, 4.2: a router, for half an hour
sender = socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_ICMPV6)
sender.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_HOPS, 255)
index = socket.if_nametoindex("eth0")
sender.sendto(body, ("ff02::1", 0, 0, index))
sender.sendto(struct.pack("!BBHI", 128, 0, 0, 0), (sys.argv[1], 0, 0, 0))  # an echo: once it is answered, the first has arrived
while sender.recv(100)[0] != 129:
    pass
"""


def test_a_container_that_says_to_be_a_router_is_believed_by_nobody(site: Any) -> None:
    """On a host that passed nothing on before, either: there all that listened to routers until then goes on with it."""
    shell("sysctl -qw net.ipv6.conf.all.forwarding=0 net.ipv6.conf.up0.accept_ra=1")
    liar, neighbour = site.run("sleep", "1000"), site.run("sleep", "1000")
    place, other = site.place(liar), site.place(neighbour)
    for each in (place, other, world.HERE):
        until(lambda each=each: "tentative" not in each.run("ip", "-6", "addr"))  # type: ignore[misc]
    assert world.HERE.run("sysctl", "-n", "net.ipv6.conf.up0.accept_ra") == "2\n"
    before = [each.run("ip", "-6", "route") for each in (world.HERE, other)]
    place.python(ADVERTISE, site.engine.host.state.networks.find("podlink").gateway6)
    place.python(ADVERTISE, site.address(neighbour)[1])
    assert [each.run("ip", "-6", "route") for each in (world.HERE, other)] == before
    shell("sysctl -qw net.ipv6.conf.podlink0.accept_ra=2")
    place.python(ADVERTISE, site.engine.host.state.networks.find("podlink").gateway6)
    until(lambda: "proto ra" in world.HERE.run("ip", "-6", "route"))  # this setting is what keeps the host from it
    shell("ip -6 route flush proto ra dev podlink0")
