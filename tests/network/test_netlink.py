"""Messages of rtnetlink and the kernel's word on them: on loopback, the one device that every namespace has."""

import sys
from collections.abc import Iterator
from typing import Any

import pytest
import world

from podlink.engine.errors import EngineUnavailable, NetworkFailed
from podlink.engine.network import netlink
from podlink.engine.network.netlink import Netlink, nested
from podlink.engine.testing.faults import Step, each_change

pytestmark = pytest.mark.needs("root")

LOOPBACK, IPV4, UP = 1, 2, 1


@pytest.fixture
def kernel() -> Iterator[Netlink]:
    with Netlink() as opened:
        yield opened


def address(text: str) -> dict[str, str]:
    return {"IFA_LOCAL": text, "IFA_ADDRESS": text}


def test_what_is_there_is_found_and_what_is_not_is_not(kernel: Netlink) -> None:
    for _ in range(2):  # each question gets the answer to itself
        assert kernel.find("RTM_GETLINK", {"IFLA_IFNAME": "lo"})["index"] == LOOPBACK
        assert kernel.find("RTM_GETLINK", {"IFLA_IFNAME": "no0"}) is None
    assert {each.get_attr("IFLA_IFNAME") for each in kernel.all("RTM_GETLINK")} >= {"lo"}
    assert {each["index"] for each in kernel.all("RTM_GETADDR", index=LOOPBACK)} == {LOOPBACK}


def test_a_change_is_told_once_it_is_made_and_what_is_there_is_made_no_second_time(kernel: Netlink) -> None:
    told = list[str]()

    def tell(step: Step) -> None:
        told.append(step.name)

    where: dict[str, Any] = {"family": IPV4, "prefixlen": 32, "index": LOOPBACK}
    with each_change(tell):
        assert kernel.add("RTM_NEWADDR", address("198.18.7.7"), "ip", "addr", "add", "198.18.7.7/32", **where)
        assert not kernel.add("RTM_NEWADDR", address("198.18.7.7"), "ip", "addr", "add", "198.18.7.7/32", **where)
        assert not kernel.remove("RTM_DELLINK", {"IFLA_IFNAME": "no0"}, "ip", "link", "del", "no0")
        kernel.change("RTM_DELADDR", address("198.18.7.7"), "ip", "addr", "del", "198.18.7.7/32", **where)
    assert told == ["# ip addr add 198.18.7.7/32", "# ip addr del 198.18.7.7/32"]
    assert "198.18.7.7" not in world.HERE.run("ip", "addr")


def test_a_refusal_has_what_was_asked_and_the_kernels_own_words(kernel: Netlink) -> None:
    with pytest.raises(NetworkFailed) as caught:
        kernel.add("RTM_NEWADDR", address("198.18.7.7"), "ip", "addr", "add", "198.18.7.7/40", family=IPV4, prefixlen=40, index=1)
    words = "the kernel refused to build the network: ip addr add 198.18.7.7/40: invalid argument (ipv4: Invalid prefix length)"
    assert str(caught.value) == words
    unknown = {"IFLA_IFNAME": "no0", "IFLA_LINKINFO": nested(IFLA_INFO_KIND="nosuchkind")}
    with pytest.raises(NetworkFailed, match=r"not supported \(Unknown device type\); the kernel lacks bridge or veth"):
        kernel.add("RTM_NEWLINK", unknown, "ip", "link", "add", "no0", flags=UP, change=UP)
    assert "no0" not in world.links()


def test_a_list_is_refused_by_its_name(kernel: Netlink, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(NetworkFailed, match="the kernel refused to build the network: RTM_GETADDR: no such device"):
        kernel.all("RTM_GETADDR", index=2**30)
    monkeypatch.setattr(netlink, "READINGS", 0)
    with pytest.raises(NetworkFailed, match="RTM_GETLINK: the kernel's list changed at each of 0 readings; try again"):
        kernel.all("RTM_GETLINK")


def test_without_the_library_it_is_said_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyroute2", None)
    with pytest.raises(EngineUnavailable, match=r"pyroute2 is not installed; networks need it: pip install 'podlink\[host\]'"):
        Netlink()
