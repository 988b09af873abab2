"""The tables of networks and leases, in memory and in a file. Several processes at it: tests/network/test_leases.py."""

from dataclasses import replace

import pytest
from state_samples import full_id

from podlink.engine.errors import NetworkFailed
from podlink.engine.oci.spec.values import Port
from podlink.engine.state.state import State
from podlink.engine.state.values import Network

SMALL = Network(name="small", bridge="podlink1", subnet="10.89.0.0/29", subnet6="fd00:1::/64", created_at=2)
LARGE = Network(name="large", bridge="podlink2", subnet="10.90.0.0/16", subnet6="fd00:2::/64", created_at=1)
WEB, DB = full_id("4f1d"), full_id("5")
HTTP = Port(container_port=80, host_port=8080, protocol="tcp")


@pytest.fixture
def both(state: State) -> State:
    """A state with the two networks."""
    state.networks.add(SMALL)
    state.networks.add(LARGE)
    return state


def test_networks_come_back_as_they_were_added_oldest_first(both: State) -> None:
    assert both.networks.all() == [LARGE, SMALL]
    assert both.networks.find("small") == SMALL
    assert both.networks.find("none") is None


@pytest.mark.parametrize(
    ("other", "reason"),
    [
        (replace(LARGE, name="small"), "there is a network small already"),
        (replace(LARGE, bridge="podlink1"), "network large: its bridge or range is"),
        (replace(LARGE, subnet=SMALL.subnet), "network large: its bridge or range is"),
        (replace(LARGE, subnet6=SMALL.subnet6), "network large: its bridge or range is"),
    ],
    ids=["name", "bridge", "range", "IPv6 range"],
)
def test_what_another_network_has_is_refused(state: State, other: Network, reason: str) -> None:
    state.networks.add(SMALL)
    with pytest.raises(NetworkFailed, match=reason):
        state.networks.add(other)
    assert state.networks.all() == [SMALL]


def test_a_network_that_moves_keeps_its_name(both: State) -> None:
    moved = replace(SMALL, bridge="podlink9", subnet="10.99.0.0/24", asked="10.99.0.0/24")
    both.networks.move(moved)
    assert both.networks.find("small") == moved
    assert both.networks.lease(WEB, "small", ()).address == "10.99.0.2"


def test_numbers_are_given_in_turn_and_each_to_one_container(both: State) -> None:
    assert both.networks.lease(WEB, "small", ()).number == 2
    assert both.networks.lease(DB, "small", ()).number == 3
    both.networks.release(WEB)
    assert both.networks.lease(WEB, "small", ()).number == 4, "what was given back comes again last"
    assert both.networks.lease(WEB, "small", (HTTP,)).number == 4, "who has one keeps it"
    assert both.networks.lease_of(WEB) == both.networks.lease(WEB, "small", (HTTP,))
    assert {lease.container: lease.network.name for lease in both.networks.leases()} == {WEB: "small", DB: "small"}


def test_a_full_range_says_so_and_the_next_free_number_is_found_all_around(both: State) -> None:
    containers = [full_id(f"{number}") for number in range(6)]
    numbers = [both.networks.lease(each, "small", ()).number for each in containers[:5]]
    assert numbers == [2, 3, 4, 5, 6]
    with pytest.raises(NetworkFailed, match=r"network small: all 5 addresses of 10\.89\.0\.0/29 are in use"):
        both.networks.lease(containers[5], "small", ())
    both.networks.release(containers[1])
    assert both.networks.lease(containers[5], "small", ()).number == 3
    assert both.networks.lease_of(containers[1]) is None
    both.networks.release(containers[1])


def test_who_publishes_a_port_is_found_until_the_lease_goes(both: State) -> None:
    web = both.networks.lease(WEB, "small", (HTTP, replace(HTTP, container_port=443, host_port=0)))
    both.networks.lease(DB, "large", (replace(HTTP, host_port=5432),))
    assert both.networks.publishing([HTTP]) == [web]
    assert both.networks.publishing([replace(HTTP, protocol="udp"), replace(HTTP, host_port=0)]) == []
    both.networks.release(WEB)
    assert both.networks.publishing([HTTP]) == []


def test_a_network_stays_while_somebody_has_an_address_of_it(both: State) -> None:
    both.networks.lease(WEB, "small", (), ipv6=False)
    assert both.networks.used("small", DB) and not both.networks.used("small", WEB) and not both.networks.used("large", DB)
    with pytest.raises(NetworkFailed, match=f"network small is used by {WEB[:12]}; stop them first"):
        both.networks.remove("small")
    both.networks.release(WEB)
    both.networks.remove("small")
    assert both.networks.all() == [LARGE]
