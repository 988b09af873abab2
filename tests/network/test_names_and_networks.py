"""What a container knows of names, and networks of one's own."""

import subprocess
from pathlib import Path
from typing import Any

import pytest
import world

from podlink.engine.app import Engine
from podlink.engine.containers.names import tell_neighbours
from podlink.engine.containers.networking import wish
from podlink.engine.errors import InvalidRequest, InvalidState, NetworkFailed
from podlink.engine.network import kernel

pytestmark = pytest.mark.needs("root", "runc", "overlay", "nft")


def test_the_files_of_names_say_what_was_asked_for(site: Any) -> None:
    text = site.output(
        "/bin/sh",
        "-c",
        "cat /etc/hosts; echo --; cat /etc/resolv.conf; echo --; cat /etc/hostname; ip -4 -o addr show eth0",
        name="web",
        hostname="www",
        dns_servers=["192.0.2.53", "2001:db8::53"],
        dns_search=["example.org", "example.net"],
        dns_opt=["ndots:3", "rotate"],
        host_add=["db:192.0.2.9", "six:[2001:db8::9]"],
    )
    hosts, resolv, rest = text.split("--\n")
    lines = [line.split() for line in hosts.splitlines()]
    address = rest.split()[rest.split().index("inet") + 1].partition("/")[0]
    assert ["192.0.2.9", "db"] in lines and ["2001:db8::9", "six"] in lines and [address, "www", "web"] in lines
    assert resolv == ("search example.org example.net\nnameserver 192.0.2.53\nnameserver 2001:db8::53\noptions ndots:3 rotate\n")
    assert rest.startswith("www\n")


@pytest.mark.parametrize(
    ("field", "text", "message"),
    [
        ("host_add", "a:fe80::1%x\n192.0.2.6 bank.example", "behind % goes the name of an interface"),
        ("host_add", "a:fe80::1%x y", "behind % goes the name of an interface"),
        ("host_add", "a:192.0.2.1\n192.0.2.6 bank.example", "is no address"),
        ("dns_servers", "fe80::1%x\nnameserver 192.0.2.6", "behind % goes the name of an interface"),
        ("dns_search", "a\nnameserver 192.0.2.6", "is not made of letters"),
        ("publish", '[2001:db8::1%x"; drop]:80:80', "leave out the zone"),
    ],
)
def test_no_field_adds_lines_of_its_own(site: Any, field: str, text: str, message: str) -> None:
    with pytest.raises(InvalidRequest, match=message):
        site.engine.containers.create(image="small", command=["true"], **{field: [text]})
    assert site.engine.containers.list() == []


def test_a_server_behind_an_interface_is_written_with_it(site: Any) -> None:
    assert site.output("cat", "/etc/resolv.conf", dns_servers=["fe80::1%eth0"]).startswith("nameserver fe80::1%eth0\n")


def test_a_loopback_server_of_the_host_is_not_passed_on(site: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from podlink.engine.containers import names

    own = tmp_path / "resolv.conf"
    own.write_text("search home\nnameserver 127.0.0.53\nnameserver 192.0.2.1\n")
    monkeypatch.setattr(names, "RESOLV", (own, tmp_path / "none"))
    assert site.output("cat", "/etc/resolv.conf") == "search home\nnameserver 192.0.2.1\n"
    assert "127.0.0.53" in site.output("cat", "/etc/resolv.conf", net_mode="host")


def test_containers_of_a_network_know_one_another_by_name(site: Any) -> None:
    site.engine.networks.create("backend")
    first = site.run("sleep", "1000", name="first", network="backend")
    second = site.run("sleep", "1000", name="second", network="backend")
    files = [site.config.root / "containers" / each.id / "hosts" for each in (first, second)]
    inside = Path(f"/proc/{site.place(first).pid}/root/etc/hosts")
    assert f"{site.address(second)[0]}\tsecond {second.id[:12]}" in inside.read_text()
    assert f"{site.address(first)[1]}\tfirst" in files[1].read_text()
    second.stop(0)
    assert "second" not in files[0].read_text() and "second" not in inside.read_text()
    assert "first" not in site.output("cat", "/etc/hosts"), "on the default network nobody knows anybody"


def test_each_of_a_network_is_looked_up_once_however_many_are_told(monkeypatch: pytest.MonkeyPatch, busybox_tar: Path) -> None:
    with Engine.emulated() as engine:
        engine.images.import_image(str(busybox_tar), "small")
        engine.networks.create("backend")
        made = [engine.containers.create(image="small", command=["sleep", "1000"], network="backend") for _ in range(6)]
        for each in made:
            each.start()
        table = type(engine.host.state.containers)
        asked, get = list[str](), table.get

        def counted(self: Any, id: str) -> object:
            asked.append(id)
            return get(self, id)

        monkeypatch.setattr(table, "get", counted)
        tell_neighbours(engine.host, "backend")
        assert sorted(asked) == sorted(each.id for each in made)


def test_a_start_that_was_cut_short_is_not_among_the_names_once_an_engine_opens(site: Any) -> None:
    site.engine.networks.create("backend")
    first = site.run("sleep", "1000", name="first", network="backend")
    second, host = site.create("sleep", "1000", name="second", network="backend"), site.engine.host
    host.network.attach(second.id, wish(host, host.state.containers.get(second.id).config)).close()
    tell_neighbours(host, "backend")
    hosts = host.directory(first.id) / "hosts"
    assert "\tsecond " in hosts.read_text()
    with Engine.open(site.config):
        assert "second" not in hosts.read_text() and host.network.known() == [first.id]


def test_networks_are_made_shown_and_removed(site: Any) -> None:
    networks = site.engine.networks
    made = networks.create("backend", "10.99.0.0/24")
    container = site.create("sleep", "1000", name="user", network="backend")
    with pytest.raises(NetworkFailed, match="network backend is that of user"):
        networks.remove("backend")
    container.start()
    network, (lease,) = networks.inspect("backend")
    assert network == made and lease.address == "10.99.0.2" and lease.container == container.id
    container.remove(force=True)
    networks.remove("backend")
    with pytest.raises(NetworkFailed, match="there is no network 'backend'"):
        networks.inspect("backend")
    with pytest.raises(InvalidRequest, match="network: there is no network 'backend'"):
        site.create("true", network="backend")


def test_ranges_that_overlap_are_refused_and_the_default_steps_aside(site: Any) -> None:
    networks = site.engine.networks
    networks.create("one", "10.99.0.0/24")
    with pytest.raises(NetworkFailed, match=r"10\.99\.0\.0/16 overlaps 10\.99\.0\.0/24"):
        networks.create("two", "10.99.0.0/16")
    with pytest.raises(NetworkFailed, match=r"192\.0\.2\.0/25 overlaps 192\.0\.2\.0/24, which this host"):
        networks.create("two", "192.0.2.0/25")
    for bad in ("10.0.0.1/24", "nonsense", "10.0.0.0/31", "fd00::/64"):
        with pytest.raises(InvalidRequest, match="subnet"):
            networks.create("two", bad)
    world.ip("link add other0 type bridge")
    try:
        world.ip("addr add 10.88.5.1/24 dev other0")  # which is down: no route leads there
        world.ip(f"route add 10.89.7.0/24 via {world.OUTSIDE}")
        assert "10.90.0." in site.output("ip", "-4", "-o", "addr", "show", "eth0")
    finally:
        world.ip("link del other0")
        world.ip("route del 10.89.7.0/24")


def test_a_full_range_is_said(site: Any) -> None:
    site.engine.networks.create("tiny", "10.99.0.0/30")
    site.run("sleep", "1000", network="tiny")
    late = site.create("true", network="tiny")
    with pytest.raises(NetworkFailed, match=r"network tiny: all 1 addresses of 10\.99\.0\.0/30 are in use; stop a container"):
        late.start()
    assert site.status(late) == "configured" and len(world.links()) == 2


def test_a_bridge_that_is_not_ours_is_left_alone(site: Any) -> None:
    world.ip("link add podlink0 type bridge")
    try:
        site.run("sleep", "1000")
        assert "podlink1" in world.links()
        site.clear()
        assert world.links() == {"podlink0"}
    finally:
        world.ip("link del podlink0")


def test_the_device_inside_has_the_uplinks_mtu_and_a_mac_of_its_own(site: Any) -> None:
    text = site.output("ip", "link", "show", "eth0")
    assert f"mtu {world.MTU}" in text and "02:4e:0a:58:00:02" in text
    world.ip("route del default")
    try:
        assert f"mtu {world.MTU}" in site.output("ip", "link", "show", "eth0"), "where there is no uplink but one of IPv6"
    finally:
        world.ip(f"route add default via {world.OUTSIDE}")


def test_bytes_are_counted_for_the_right_direction(site: Any, outside: world.Place) -> None:
    """The other direction has what neighbours say to all of a bridge, a little now and then."""
    client = site.run("sleep", "1000")
    script = (
        "import socket; s = socket.socket(type=socket.SOCK_DGRAM); [s.sendto(bytes(1000), ('192.0.2.2', 9)) for _ in range(100)]"
    )
    before = client.stats()
    site.place(client).python(script)
    after = client.stats()
    assert 100_000 <= after.sample.net_output - before.sample.net_output < 200_000
    assert after.sample.net_input - before.sample.net_input < 50_000


def test_another_containers_network_is_shared_while_that_one_runs(site: Any) -> None:
    web = site.serve(name="web", hostname="web")
    assert site.output("wget", "-qO-", "http://127.0.0.1/", net_mode="container:web") == "web\n"
    late = site.create("true", net_mode="container:web")
    web.stop(0)
    with pytest.raises(InvalidState, match="net_mode"):
        late.start()
    with pytest.raises(InvalidRequest, match="publish"):
        site.create("true", net_mode="none", publish=["80"])


def test_without_nft_a_bridge_is_refused_and_says_what_to_install(site: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kernel, "SEARCH_PATH", "/nowhere")
    container = site.create("true")
    with pytest.raises(NetworkFailed, match="apt install nftables, or say net_mode none or host"):
        container.start()
    assert world.links() == set() and site.status(container) == "configured"
    assert site.output("echo", "well", net_mode="none") == "well\n"


def test_what_a_host_that_restarted_has_lost_is_made_anew(site: Any) -> None:
    """The namespace, the bridge and the rules are gone, the lease is not: as after a reboot."""
    web = site.serve(name="web", hostname="web", publish=["8080:80"])
    subprocess.run(["umount", site.config.runroot / "netns" / web.id], check=True)
    world.ip("link del podlink0")
    world.HERE.run("nft", "flush", "ruleset")
    assert site.engine.networks.troubles()
    web.stop(0)
    site.serve(name="again", hostname="again", publish=["8080:80"])
    assert site.engine.networks.troubles() == []
    assert world.HERE.get("127.0.0.1", 8080) == "again\n"
