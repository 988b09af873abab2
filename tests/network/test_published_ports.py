"""A published port, from everywhere that it is to be reached from, by packets of a real kernel."""

import json
import socket
from typing import Any

import pytest
import world
from patience import patience

from podlink.engine.errors import InvalidRequest, NetworkFailed
from podlink.engine.network.holding import KINDS

pytestmark = pytest.mark.needs("root", "runc", "overlay", "nft")


def test_a_published_port_is_reached_from_everywhere(site: Any, outside: world.Place) -> None:
    web = site.serve(name="web", hostname="web", publish=["8080:80"])
    client = site.run("sleep", "1000")
    inside = site.place(client)
    assert outside.get(world.HOST, 8080) == "web\n"
    assert outside.get(world.HOST6, 8080) == "web\n"
    assert world.HERE.get("127.0.0.1", 8080) == "web\n"
    assert world.HERE.get(world.HOST, 8080) == "web\n"
    assert world.HERE.get(world.HOST6, 8080) == "web\n"
    for address in (world.HOST, world.HOST6):
        assert inside.get(address, 8080) == "web\n", "by another container, through the host's address"
        assert site.place(web).get(address, 8080) == "web\n", "by itself, through the host's address (hairpin)"
    for address in site.address(web):
        assert world.HERE.get(address, 80) == "web\n", "by the host, through the container's address"
        assert inside.get(address, 80) == "web\n", "by another container, through its address"


def test_datagrams_are_led_on_too(site: Any, outside: world.Place) -> None:
    server = site.run("sleep", "1000", publish=["5353:53/udp"])
    with site.place(server).serving(world.ECHO, "53"):
        assert outside.ask(world.HOST, 5353) == "echo of hello"
        assert outside.ask(world.HOST6, 5353) == "echo of hello"
        assert world.HERE.ask("127.0.0.1", 5353) == "echo of hello"
        assert world.HERE.ask(world.HOST, 5353) == "echo of hello"


@pytest.mark.needs("sctp")
def test_messages_of_sctp_are_led_on_too(site: Any, outside: world.Place) -> None:
    server = site.run("sleep", "1000", publish=["9090:90/sctp"])
    with site.place(server).serving(world.SPOKEN, "90"):
        for place in (outside, world.HERE, site.place(site.run("sleep", "1000"))):
            assert place.python(world.HEARD, world.HOST, "9090") == "hello by sctp"
    with socket.socket(socket.AF_INET, *KINDS["sctp"]) as other, pytest.raises(OSError, match="Address already in use"):
        other.bind(("0.0.0.0", 9090))


def test_what_goes_out_has_the_hosts_address(site: Any, outside: world.Place) -> None:
    client = site.run("sleep", "1000")
    with outside.serving(world.PEER):
        assert site.place(client).get(world.OUTSIDE, 8000) == world.HOST
        assert site.place(client).get(world.OUTSIDE6, 8000) == world.HOST6


def test_one_address_of_the_host_is_not_all_of_them(site: Any, outside: world.Place) -> None:
    site.serve(hostname="local", publish=["127.0.0.1:8080:80"])
    site.serve(hostname="shown", publish=[f"{world.HOST}:8080:80", f"[{world.HOST6}]:8080:80"])
    assert world.HERE.get("127.0.0.1", 8080) == "local\n"
    assert outside.get(world.HOST, 8080) == "shown\n"
    assert outside.get(world.HOST6, 8080) == "shown\n"


def test_nobody_outside_gets_at_what_listens_on_the_hosts_loopback(site: Any, outside: world.Place) -> None:
    """route_localnet lets packets for 127/8 through where it is set: it is set on the bridge, and there they are dropped."""
    client = site.run("sleep", "1000")
    with world.HERE.serving(world.PEER):
        assert world.HERE.get("127.0.0.1", 8000) == "127.0.0.1"
        inside = site.place(client)
        gateway = site.engine.host.state.networks.find("podlink").gateway
        inside.run("ip", "addr", "del", "127.0.0.1/8", "dev", "lo")
        inside.run("ip", "route", "add", "127.0.0.1/32", "via", gateway, "dev", "eth0")
        script = "import socket; s = socket.socket(); s.settimeout(1); s.connect(('127.0.0.1', 8000))"
        assert "Error" in inside.fails(inside.python, script)


def test_what_is_published_on_loopback_is_not_led_on_from_outside(site: Any, outside: world.Place) -> None:
    """Not even on a host whose administrator has set route_localnet for all devices, as Kubernetes does."""
    site.serve(hostname="local", publish=["127.0.0.1:8080:80"])
    knock = "import socket, sys; s = socket.socket(); s.settimeout(float(sys.argv[1])); s.connect(('127.0.0.1', 8080))"
    setting = "net.ipv4.conf.all.route_localnet"
    try:
        for place in (world.HERE, outside):
            place.run("sysctl", "-qw", f"{setting}=1")
        outside.run("ip", "addr", "del", "127.0.0.1/8", "dev", "lo")
        outside.run("ip", "route", "add", "127.0.0.1/32", "via", world.HOST, "dev", "up1")
        assert "Error" in outside.fails(outside.python, knock, "1")
        world.HERE.run("nft", "delete", "rule", "inet", "podlink", "podlink0-in", "handle", first_rule("podlink0-in"))
        assert outside.python(knock, str(patience())) == "", "it is the rule that keeps them out"
        assert world.HERE.get("127.0.0.1", 8080) == "local\n"
    finally:
        outside.run("ip", "route", "del", "127.0.0.1/32")
        outside.run("ip", "addr", "add", "127.0.0.1/8", "dev", "lo")
        for place in (world.HERE, outside):
            place.run("sysctl", "-qw", f"{setting}=0")


def first_rule(chain: str) -> str:
    """The handle of the first rule of a chain of ours."""
    listed = json.loads(world.HERE.run("nft", "-j", "-a", "list", "chain", "inet", "podlink", chain))["nftables"]
    return str(next(each["rule"]["handle"] for each in listed if "rule" in each))


def test_a_port_that_is_ours_can_not_be_taken_and_is_free_again_after(site: Any) -> None:
    web = site.run("sleep", "1000", publish=["8080:80", "8080:80/udp"])
    for kind in ("tcp", "udp"):
        with socket.socket(socket.AF_INET, KINDS[kind][0]) as other, pytest.raises(OSError, match="Address already in use"):
            other.bind(("127.0.0.1", 8080))
    with socket.socket() as other, pytest.raises(OSError, match="Address already in use"):
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        other.bind(("127.0.0.1", 8080))
        other.listen()
    web.stop(0)
    with socket.socket() as other:
        other.bind(("127.0.0.1", 8080))


def test_a_port_is_free_again_when_its_container_ends_by_itself(site: Any) -> None:
    one = site.run("true", publish=["8080:80"])
    one.wait()
    two = site.run("sleep", "1000", publish=["8080:80"])
    assert site.port(two) == 8080


def test_a_taken_port_is_refused_with_its_holders_name_and_nothing_starts(site: Any) -> None:
    before = world.links()
    with socket.socket() as other:
        other.bind(("", 8080))
        other.listen()
        container = site.create("true", publish=["8080:80"])
        with pytest.raises(NetworkFailed, match=r"port 8080/tcp is taken by process \d+ \(.+\); end that, or publish another"):
            container.start()
    assert site.status(container) == "configured" and world.links() == before
    container.start()


def test_a_port_of_another_container_is_refused_with_that_ones_name(site: Any) -> None:
    holder = site.run("sleep", "1000", name="holder", publish=["8080:80"])
    container = site.create("true", publish=["9090:90", "127.0.0.1:8080:80"])
    with pytest.raises(NetworkFailed, match=rf"is published by container {holder.id[:12]}; stop that one \(holder\) or"):
        container.start()
    with socket.socket() as other:
        other.bind(("", 9090))  # the one before it was let go


def test_all_exposed_ports_are_published_on_free_ones(site: Any, outside: world.Place) -> None:
    fields = {"exposed_ports": ["80/tcp", "53/udp"], "publish_all": True}
    one, two = site.serve(hostname="one", **fields), site.serve(hostname="two", **fields)
    assert len({site.port(one), site.port(two)}) == 2 and site.port(one, 53) > 0
    assert outside.get(world.HOST, site.port(one)) == "one\n"
    assert outside.get(world.HOST, site.port(two)) == "two\n"


def test_a_range_is_published_pair_by_pair(site: Any, outside: world.Place) -> None:
    site.serve(hostname="web", publish=["8000-8002:79-81"])
    assert outside.get(world.HOST, 8001) == "web\n"
    assert "refused" in outside.fails(outside.get, world.HOST, 8000)


def test_rules_that_somebody_flushed_are_missed_and_set_anew(site: Any, outside: world.Place) -> None:
    site.serve(hostname="web", publish=["8080:80"])
    world.HERE.run("nft", "flush", "ruleset")
    (trouble,) = site.engine.networks.troubles()
    assert "lost its rules; run podlink network reload" in trouble
    site.engine.networks.reload()
    assert outside.get(world.HOST, 8080) == "web\n" and site.engine.networks.troubles() == []
    once = world.ruleset()
    site.engine.networks.reload()
    assert world.ruleset() == once


def test_tables_of_others_are_left_alone(site: Any) -> None:
    world.HERE.run("nft", "add", "table", "inet", "theirs")
    try:
        site.output("true", publish=["8080:80"])
        assert world.ruleset().strip() == "table inet theirs {\n}"
    finally:
        world.HERE.run("nft", "delete", "table", "inet", "theirs")


@pytest.mark.parametrize(
    ("publish", "words"),
    [
        ("eighty", "is not of the form"),
        ("70000", "they go from 1 to 65535"),
        ("8080:0", "they go from 1 to 65535"),
        ("8000-8002:80-81", "has 3 ports of the host for 2 of the container"),
        ("80/icmp", "is none of tcp, udp, sctp"),
        ("300.1.1.1:80:80", "is no address"),
    ],
)
def test_bad_syntax_is_refused_by_the_name_of_its_field(site: Any, publish: str, words: str) -> None:
    with pytest.raises(InvalidRequest, match=f"publish: .*{words}"):
        site.create("true", publish=[publish])
    assert site.engine.containers.list() == []


def test_an_address_that_the_host_has_not_is_refused_when_it_is_asked_for(site: Any) -> None:
    container = site.create("true", publish=["198.51.100.9:8080:80"])
    with pytest.raises(NetworkFailed, match=r"198\.51\.100\.9 is no address of this host"):
        container.start()
