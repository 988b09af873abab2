"""Where books and host differ: it is told in words that say what to do, and what the engine can mend it mends."""

import ipaddress
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
import world

from podlink.engine.app import Engine
from podlink.engine.errors import EngineUnavailable, NetworkFailed
from podlink.engine.network import links
from podlink.engine.network.kernel import KernelGround
from podlink.engine.network.rules import Seen
from podlink.engine.state.values import Network

pytestmark = pytest.mark.needs("root", "runc", "overlay", "nft")

STRAY = "pl" + "e" * 13


def nft(words: str) -> None:
    world.HERE.run("nft", words)


def test_each_thing_that_is_over_is_told(site: Any) -> None:
    container = site.run("sleep", "1000")
    troubles = site.engine.networks.troubles

    world.ip(f"link add {STRAY} type veth peer name stray1")
    assert [each for each in troubles() if f"ip link del {STRAY}" in each and "on no bridge" in each]
    world.ip(f"link set {STRAY} master podlink0")
    assert [
        each for each in troubles() if each == f"the device {STRAY} on podlink0 is no container's; remove it: ip link del {STRAY}"
    ]
    world.ip(f"link del {STRAY}")

    nft("add element inet podlink podlink0-ports4 { tcp . 9999 : 10.88.0.9 . 80 }")
    assert [each for each in troubles() if r"leads a port (tcp . 9999) to what is no container" in each]
    site.engine.networks.reload()

    namespace = site.config.runroot / "netns" / ("e" * 64)
    namespace.touch()
    assert [each for each in troubles() if "eeeeeeeeeeee has a namespace and no lease; open the engine anew" in each]
    with Engine.open(site.config):
        assert not namespace.exists() and troubles() == []

    subprocess.run(["umount", site.config.runroot / "netns" / container.id], check=True)
    assert [each for each in troubles() if "its namespace is gone; stop it and start it again" in each]


def test_a_bridge_and_rules_that_nobody_uses_are_told_and_cleared(site: Any) -> None:
    backend = site.engine.networks.create("backend")
    site.output("true")  # the default network has been
    owner = f"podlink of {site.config.root.absolute()}"
    assert links.raise_bridge(backend, owner) and links.raise_bridge(replace(backend, bridge="other7"), owner)
    assert sorted(site.engine.networks.troubles()) == [
        "the bridge other7 is ours and nobody is on it; remove it: ip link del other7",
        f"the bridge {backend.bridge} is ours and nobody is on it; run podlink network reload",
    ]
    world.ip("link del other7")
    site.engine.networks.reload()
    assert site.engine.networks.troubles() == [] and world.links() == set()


def test_a_lease_of_no_container_is_told_and_given_back_when_an_engine_opens(site: Any) -> None:
    site.output("true")
    site.engine.host.state.networks.lease("e" * 64, "podlink", ())
    assert (
        "container eeeeeeeeeeee is gone and has a lease; open the engine anew, which gives it back"
        in site.engine.networks.troubles()
    )
    with Engine.open(site.config) as other:
        assert other.networks.troubles() == []


@pytest.mark.parametrize("ports", [[], ["9090:80"]])
def test_a_start_after_a_flush_sets_the_rules_of_all_anew(site: Any, outside: world.Place, ports: list[str]) -> None:
    site.serve(hostname="first", publish=["8080:80"])
    nft("flush ruleset")
    site.serve(hostname="second", publish=ports)
    assert site.engine.networks.troubles() == []
    assert outside.get(world.HOST, 8080) == "first\n"
    assert not ports or outside.get(world.HOST, 9090) == "second\n"


def test_a_start_after_the_bridge_was_removed_brings_all_back_to_it(site: Any, outside: world.Place) -> None:
    first = site.serve(hostname="first", publish=["8080:80"])
    world.ip("link del podlink0")
    site.serve(hostname="second", publish=["9090:80"])
    assert site.engine.networks.troubles() == []
    assert outside.get(world.HOST, 8080) == "first\n" and outside.get(world.HOST6, 9090) == "second\n"
    assert site.place(first).get(world.HOST, 9090) == "second\n"


@pytest.mark.parametrize("lost", ["flush ruleset", "delete element inet podlink podlink0-ports4 { tcp . 8080 }"])
def test_ports_of_which_somebody_took_some_are_dropped_in_few_steps(
    site: Any, monkeypatch: pytest.MonkeyPatch, lost: str
) -> None:
    neighbour, many = site.run("sleep", "1000"), site.run("sleep", "1000", publish=["8080-8179:80-179"])
    nft(lost)
    ran, run = list[tuple[str, ...]](), KernelGround._run

    def counted(self: KernelGround, *argv: str, script: str = "") -> "subprocess.CompletedProcess[str]":
        ran.append(argv)
        return run(self, *argv, script=script)

    monkeypatch.setattr(KernelGround, "_run", counted)
    many.stop(0)
    assert len(ran) <= 3, "a try, a look, and what is left"
    site.engine.networks.reload()
    assert site.engine.networks.troubles() == [] and site.status(neighbour) == "running"
    assert "tcp . 81" not in world.ruleset()


def test_a_table_that_another_root_comes_into_is_not_deleted(site: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """It comes at the worst moment: when the last network of the first root is out of the table, and that was seen."""
    networks = [
        Network(name=each, bridge=each, subnet=f"10.9{each[1]}.0.0/24", subnet6=f"fd9{each[1]}::/64") for each in ("n1", "n2")
    ]
    grounds = [KernelGround(site.config.runroot / each.name, "podlink", f"podlink of {each.name}") for each in networks]
    other = Thread(target=lambda: grounds[1].raise_network(networks[1], tuple))
    look = grounds[0]._seen

    def looked(*options: str) -> Seen:
        seen = look(*options)
        if seen == Seen():
            other.start()
            other.join(0.5)  # a moment for it to come, unless it is kept out
        return seen

    assert grounds[0].raise_network(networks[0], tuple)
    monkeypatch.setattr(grounds[0], "_seen", looked)
    grounds[0].lower_network(networks[0])
    other.join()
    try:
        assert "n2-guard" in world.ruleset() and "n1-guard" not in world.ruleset()
    finally:
        grounds[1].lower_network(networks[1])
    assert "podlink" not in world.ruleset()


def test_a_bridge_that_a_crash_left_half_made_is_ours_and_completed(site: Any) -> None:
    """Ours by its address alone, as in the moment after the message that makes it."""
    mac = links.mac_of(f"podlink of {site.config.root.absolute()}", "podlink0")
    world.ip(f"link add podlink0 address {mac} type bridge")
    site.run("sleep", "1000")
    assert site.engine.networks.troubles() == [] and "podlink1" not in world.links()


@contextmanager
def reopened(site: Any, **changes: Any) -> Iterator[Engine]:
    with Engine.open(replace(site.config, **changes)) as engine:
        yield engine


def test_a_changed_configuration_counts_once_nobody_is_on_the_network(site: Any) -> None:
    holder = site.run("sleep", "1000", name="holder")
    with reopened(site, bridge="other0", subnet="10.99.0.0/16") as changed:
        late = changed.containers.create(image="small", command=["sleep", "1000"], stop_signal=9)
        words = (
            r"in use as podlink0 with 10\.88\.0\.0/16, .* says other0 with 10\.99\.0\.0/16; stop [0-9a-f]{12} \(holder\) first"
        )
        with pytest.raises(NetworkFailed, match=words):
            late.start()
        assert site.status(late) == "configured" and "other0" not in world.links()
        holder.stop(0)
        late.start()
        assert site.address(late)[0].startswith("10.99.0.") and "other0" in world.links() and "podlink0" not in world.links()
        late.remove(force=True)
    site.run("sleep", "1000")
    assert "podlink0" in world.links(), "and back"


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("bridge", "a-name-too-long-0"),
        ("bridge", "no/slash"),
        ("bridge", ""),
        ("nft_table", "two words"),
        ("subnet", "10.0.0.1/8"),
    ],
)
def test_a_setting_that_can_not_be_is_refused_when_the_engine_opens(site: Any, setting: str, value: str) -> None:
    with (
        pytest.raises(EngineUnavailable, match=f"{setting} .--{setting.replace('_', '-')}.: "),
        reopened(site, **{setting: value}),
    ):
        pass


@pytest.fixture
def without_ipv6() -> Iterator[None]:
    """New devices have none; those that are there keep theirs."""
    setting = Path("/proc/sys/net/ipv6/conf/default/disable_ipv6")
    setting.write_text("1")
    yield
    setting.write_text("0")


def test_where_ipv6_is_off_containers_have_none_and_are_shown_none(site: Any, outside: world.Place, without_ipv6: None) -> None:
    web = site.serve(name="web", hostname="web", publish=["8080:80"])
    assert outside.get(world.HOST, 8080) == "web\n" and site.address(web) == ("10.88.0.2", "")
    settings = web.inspect()["NetworkSettings"]
    assert (settings["IPAddress"], settings["GlobalIPv6Addresses"], settings["IPv6Gateway"]) == (["10.88.0.2"], [], "")
    hosts = (site.config.root / "containers" / web.id / "hosts").read_text()
    assert "10.88.0.2\tweb" in hosts and "fd" not in hosts
    assert site.engine.networks.troubles() == []
    six = site.create("true", publish=["[::]:9090:80"])
    with pytest.raises(NetworkFailed, match=r"port 9090/tcp of ::: IPv6 is off on this host .*; publish an IPv4 one"):
        six.start()


def test_ranges_of_ipv6_are_looked_at_too(site: Any) -> None:
    networks = site.engine.networks
    with pytest.raises(NetworkFailed, match=r"subnet6: 2001:db8::/80 overlaps 2001:db8::/64, which this host"):
        networks.create("one", "", "2001:db8::/80")
    made = networks.create("one", "", "fd00:1::/126")
    with pytest.raises(NetworkFailed, match=r"subnet6: fd00:1::/64 overlaps fd00:1::/126"):
        networks.create("two", "", "fd00:1::/64")
    for _ in range(2):
        site.run("sleep", "1000", network="one")
    late = site.create("true", network="one")
    with pytest.raises(NetworkFailed, match=r"network one: all 2 addresses of fd00:1::/126 are in use; stop a container"):
        late.start()
    assert ipaddress.ip_network(made.subnet).prefixlen == 24
