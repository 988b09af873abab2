"""The contract of `engine/network/driver.py`, for every ground: each clause is a function that a test gives a `Town`.

    @pytest.mark.parametrize("clause", CONTRACT)
    def test_the_contract(town: Town, clause: Clause) -> None:
        clause(town)

A clause's name says what is promised, its assertions are the proof: what a client sees of its containers' network, and what the
`Wiring` below does. Packets are no part of it, since an emulated network carries none.
"""

import ipaddress
import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import combinations

from podlink.engine.errors import InvalidRequest, InvalidState, NetworkFailed, RuntimeFailed, StorageFailed
from podlink.engine.handles import Container
from podlink.engine.network.driver import Wish
from podlink.engine.network.wires import DEFAULT
from podlink.engine.oci.spec.values import Port
from podlink.engine.state.values import Lease
from podlink.engine.testing import published
from podlink.engine.testing.town import RANGE, Town, container_id, refused

Clause = Callable[[Town], None]
THREADS, EACH = 6, 4


def numbers(*leases: Lease) -> list[int]:
    return [lease.number for lease in leases]


# modes


def nothing_said_is_a_bridge_with_addresses_of_both_kinds(town: Town) -> None:
    one, two = town.lease(town.run()), town.lease(town.run(net_mode="bridge"))
    network = town.engine.networks.inspect(DEFAULT)[0]
    for lease in (one, two):
        assert lease.network == network and lease.ports == ()
        assert ipaddress.ip_address(lease.address) in ipaddress.ip_network(network.subnet)
        assert ipaddress.ip_address(lease.address6) in ipaddress.ip_network(network.subnet6)
        assert ipaddress.ip_network(network.subnet6).subnet_of(ipaddress.ip_network("fd00::/8"))  # type: ignore[arg-type]
    for pair in ((one.address, two.address), (one.address6, two.address6), (one.mac, two.mac)):
        assert len({*pair}) == 2 and network.gateway not in pair and network.gateway6 not in pair


def each_has_a_namespace_of_its_own_unless_it_says_otherwise(town: Town) -> None:
    web = town.run(name="web")
    private = [town.namespace_of(town.run(net_mode=mode)) for mode in ("bridge", "none", "none")]
    host = [town.namespace_of(town.run(net_mode="host")) for _ in range(2)]
    shared = town.namespace_of(town.run(net_mode="container:web"))
    joined = [town.namespace_of(town.run(net_mode=f"ns:{town.namespace}")) for _ in range(2)]
    assert shared == town.namespace_of(web) and host[0] == host[1] and joined[0] == joined[1]
    assert len({shared, *private, host[0], joined[0]}) == 6


def who_has_no_bridge_has_no_lease(town: Town) -> None:
    web = town.run(name="web")
    for mode in ("none", "host", "container:web", f"ns:{town.namespace}"):
        town.run(net_mode=mode)
    assert [lease.container for lease in town.engine.host.state.networks.leases()] == [web.id]
    assert town.wiring.known() == [web.id]


def a_network_is_named_in_either_field(town: Town) -> None:
    made = town.engine.networks.create("backend")
    for fields in ({"network": "backend"}, {"net_mode": "backend"}, {"net_mode": "bridge", "network": "backend"}):
        assert town.lease(town.run(**fields)).network == made
    assert [each.name for each in town.engine.networks.list()] == ["backend"]


def modes_that_contradict_one_another_are_refused(town: Town) -> None:
    town.engine.networks.create("backend")
    for fields, words in (
        ({"network": "nowhere"}, "there is no network 'nowhere'; there are backend, podlink"),
        (
            {"net_mode": "slirp"},
            "net_mode: 'slirp' is none of bridge, none, host, container:NAME and ns:PATH, and there is no network",
        ),
        ({"net_mode": "container:"}, "net_mode: 'container:' is none of bridge, none, host, container:NAME and ns:PATH"),
        ({"net_mode": "none", "network": "backend"}, "network: 'backend' goes with net_mode bridge"),
        ({"net_mode": "none", "publish": ["80"]}, "publish: with net_mode none"),
        ({"net_mode": "host", "exposed_ports": ["80"], "publish_all": True}, "publish_all: with net_mode host"),
        ({"net_mode": "container:nobody"}, "net_mode: there is no container 'nobody'"),
        ({"net_mode": "ns:/nowhere/ns"}, "net_mode: /nowhere/ns is not there"),
    ):
        refused(InvalidRequest, re.escape(words), lambda fields=fields: town.create(**fields))  # type: ignore[misc]
    assert town.engine.containers.list() == []


def the_network_of_one_that_has_stopped_is_not_to_be_had(town: Town) -> None:
    web = town.run(name="web")
    guest = town.create(net_mode="container:web")
    web.stop(0)
    refused(InvalidState, "net_mode: container web, .* is exited; start it first", guest.start)
    town.nothing_is_left()


# addresses


def addresses_are_given_in_turn_and_come_back_late(town: Town) -> None:
    town.engine.networks.create("small", "10.99.0.0/29")
    first, second, third = (town.run(network="small") for _ in range(3))
    assert numbers(*map(town.lease, (first, second, third))) == [2, 3, 4]
    second.stop(0)
    assert numbers(town.lease(town.run(network="small"))) == [5]
    first.remove(force=True)
    assert numbers(*(town.lease(town.run(network="small")) for _ in range(2))) == [6, 2], "round and round"


def a_lease_lasts_as_long_as_the_run(town: Town) -> None:
    container = town.create()
    assert town.engine.host.state.networks.leases() == []
    for _ in range(2):
        container.start()
        assert town.lease(container).container == container.id
        container.stop(0)
        town.nothing_is_left()
    short = town.run("true", publish=["8080:80"])
    short.wait()
    again = town.run(publish=["8080:80"])
    assert town.ports(again) == [8080], "it had ended by itself a moment before"
    again.restart(0)
    assert town.ports(again) == [8080]


def a_full_range_is_said_and_nothing_is_left(town: Town) -> None:
    town.engine.networks.create("tiny", "10.99.0.0/29")
    running = [town.run(network="tiny") for _ in range(5)]
    late = town.create(network="tiny", publish=["8080:80"])
    words = r"network tiny: all 5 addresses of 10\.99\.0\.0/29 are in use; stop a container"
    refused(NetworkFailed, words, late.start)
    assert len(town.wiring.known()) == 5 and late.summary().container.status == "configured"
    running[2].stop(0)
    late.start()
    assert numbers(town.lease(late)) == [4] and town.ports(late) == [8080]


def many_threads_get_an_address_and_a_port_each(town: Town) -> None:
    def some(thread: int) -> list[Lease]:
        return [town.attach(container_id(thread * EACH + number), Port(80)) for number in range(EACH)]

    with ThreadPoolExecutor(THREADS) as pool:
        leases = [lease for part in pool.map(some, range(THREADS)) for lease in part]
        assert sorted(numbers(*leases)) == list(range(2, 2 + THREADS * EACH))
        assert len({lease.ports[0].host_port for lease in leases}) == THREADS * EACH
        assert list(town.wiring.troubles()) == []
        list(pool.map(town.wiring.detach, [lease.container for lease in leases]))
    town.nothing_is_left()


def leases_outlive_a_reboot_until_they_are_given_back(town: Town) -> None:
    town.engine.networks.create("backend")
    before = [town.attach(container_id(1)), town.attach(container_id(2), Port(80, 8080), network="backend")]
    wiring = town.reboot()
    assert sorted(wiring.known()) == [lease.container for lease in before]
    assert [town.engine.host.state.networks.lease_of(lease.container) for lease in before] == before
    gone = {lease: f"network {lease.network.name} is in use and its bridge {lease.network.bridge} is gone" for lease in before}
    for lease in before:
        lost = (
            f"container {lease.container[:12]} has a lease and no device, for its namespace is gone; stop it and start it again"
        )
        assert {f"{gone[lease]}; run podlink network reload", lost} <= {*wiring.troubles()}
    wiring.reload()
    assert not [each for each in wiring.troubles() if each.startswith((*gone.values(),))], "what has no memory is built again"
    for _ in range(2):
        for lease in before:
            wiring.detach(lease.container)
    assert wiring.known() == [] and list(wiring.troubles()) == []
    after = wiring.attach(container_id(3), Wish(mode="bridge", network="backend", ports=(Port(80, 8080),)))
    after.close()
    assert after.lease is not None and (after.lease.number, after.lease.network) == (before[1].number + 1, before[1].network)
    wiring.detach(container_id(3))


# names


def the_files_of_names_say_what_was_asked_for(town: Town) -> None:
    fields = {
        "name": "web",
        "hostname": "www",
        "dns_servers": ["192.0.2.53", "2001:db8::53"],
        "dns_search": ["example.org"],
        "dns_opt": ["ndots:3"],
        "host_add": ["db:192.0.2.9", "six:[2001:db8::9]"],
    }
    hosts = [line.split() for line in town.reads("/etc/hosts", **fields)]
    assert ["127.0.0.1", "localhost"] in hosts and ["192.0.2.9", "db"] in hosts and ["2001:db8::9", "six"] in hosts
    assert [line[1:] for line in hosts if line[0].startswith(("10.", "fd"))] == [["www", "web"]] * 2
    resolv = ["search example.org", "nameserver 192.0.2.53", "nameserver 2001:db8::53", "options ndots:3"]
    assert town.reads("/etc/resolv.conf", **fields) == resolv
    assert town.reads("/etc/hostname", **fields) == ["www"]
    assert ["127.0.0.1", "www", "web"] in [line.split() for line in town.reads("/etc/hosts", **fields | {"net_mode": "none"})]


def who_shares_a_network_shares_its_names(town: Town) -> None:
    town.run(name="web", hostname="www", host_add=["db:192.0.2.9"])
    town.run(name="sidecar", net_mode="container:web", uts_mode="container:web")
    for joined in ("web", "sidecar"):
        own = town.reads("/etc/hosts", net_mode=f"container:{joined}")
        assert "192.0.2.9\tdb" in own and any(line.endswith("\twww web") for line in own)
    assert town.reads("/etc/hostname", net_mode="container:web", hostname="own") == ["own"], "a host name is not of the network"
    assert town.reads("/etc/hostname", uts_mode="container:sidecar") == ["www"]
    for field, value in (("host_add", "db:192.0.2.9"), ("dns_servers", "192.0.2.53"), ("dns_search", "x"), ("dns_opt", "rotate")):
        words = f"{field}: with net_mode container:web it is that container's; drop one"
        make = partial(town.create, net_mode="container:web", **{field: [value]})
        refused(InvalidRequest, words, make)


def containers_of_one_network_know_one_another_and_nobody_else(town: Town) -> None:
    for network in ("backend", "frontend"):
        town.engine.networks.create(network)
    first = town.run(name="first", network="backend")
    town.run(name="stranger", network="frontend")
    second = town.run(name="second", network="backend")
    lines = {each.id: _hosts(town, each) for each in (first, second)}
    assert f"{town.lease(second).address}\tsecond {second.id[:12]}" in lines[first.id]
    assert f"{town.lease(first).address6}\tfirst {first.id[:12]}" in lines[second.id]
    assert "stranger" not in "".join(lines[first.id] + lines[second.id])
    second.stop(0)
    assert "second" not in "".join(_hosts(town, first))
    town.run(name="third")
    assert "third" not in "".join(town.reads("/etc/hosts")), "on the default network nobody knows anybody"


def where_neighbours_can_not_be_told_nothing_starts(town: Town) -> None:
    town.engine.networks.create("backend")
    first, second = town.run(name="first", network="backend"), town.create(name="second", network="backend")
    hosts = town.engine.host.directory(first.id) / "hosts"
    kept = hosts.rename(hosts.with_name("kept"))
    hosts.mkdir()
    refused(StorageFailed, f"container {first.id[:12]}: its /etc/hosts: is a directory", second.start)
    assert town.engine.host.state.networks.lease_of(second.id) is None and town.wiring.known() == [first.id]
    assert second.summary().container.status == "configured"
    hosts.rmdir()
    kept.rename(hosts)
    second.start()
    assert "\tsecond " in hosts.read_text()
    hosts.write_text("mine\n" + hosts.read_text())
    refused(RuntimeFailed, "", town.create("/no/such/program", name="third", network="backend").start)
    assert hosts.read_text().startswith("mine\n") and "\tsecond " in hosts.read_text() and "third" not in hosts.read_text()


def _hosts(town: Town, container: Container) -> list[str]:
    """As it is seen by whoever shares its network."""
    return town.reads("/etc/hosts", net_mode=f"container:{container.id}")


# networks


def networks_are_made_shown_and_removed(town: Town) -> None:
    networks = town.engine.networks
    made = [networks.create("one", "10.99.0.0/24", "fd99::/64"), networks.create("two"), networks.create("three")]
    assert (made[0].subnet, made[0].subnet6, made[0].gateway, made[0].gateway6) == (
        "10.99.0.0/24",
        "fd99::/64",
        "10.99.0.1",
        "fd99::1",
    )
    assert list(networks.list()) == made and networks.inspect("two") == (made[1], [])
    for one, other in combinations(made, 2):
        assert not ipaddress.IPv4Network(one.subnet).overlaps(ipaddress.IPv4Network(other.subnet))
        assert one.bridge != other.bridge and one.subnet6 != other.subnet6
    user = town.create(name="user", network="one")
    refused(NetworkFailed, "network one is that of user; remove them first", lambda: networks.remove("one"))
    user.start()
    assert [lease.container for lease in networks.inspect("one")[1]] == [user.id]
    user.remove(force=True)
    for network in made:
        networks.remove(network.name)
    assert list(networks.list()) == []
    for act in (lambda: networks.inspect("one"), lambda: networks.remove("one")):
        refused(NetworkFailed, "there is no network 'one'", act)


def a_name_or_a_range_that_is_taken_is_refused(town: Town) -> None:
    networks = town.engine.networks
    networks.create("one", "10.99.0.0/24")
    for arguments, words in (
        (("one",), "there is a network one already; remove it first, or choose another name"),
        (("two", "10.99.0.0/16"), "10.99.0.0/16 overlaps 10.99.0.0/24"),
        (("two", "192.0.2.0/25"), f"192.0.2.0/25 overlaps {RANGE}, which this host"),
    ):
        refused(NetworkFailed, re.escape(words), lambda arguments=arguments: networks.create(*arguments))  # type: ignore[misc]
    for name, subnet in (("two", "10.0.0.1/24"), ("two", "nonsense"), ("two", "10.0.0.0/31"), ("two", "fd00::/64"), ("none", "")):
        refused(InvalidRequest, "", lambda name=name, subnet=subnet: networks.create(name, subnet))  # type: ignore[misc]
    refused(InvalidRequest, "network: podlink is the default one", lambda: networks.create(DEFAULT, "10.98.0.0/24"))
    assert [each.name for each in networks.list()] == ["one"]


# the end


def a_refused_start_leaves_nothing(town: Town) -> None:
    container = town.create("/bin/bozo", publish=["8080:80"])
    refused(RuntimeFailed, "/bin/bozo", container.start)
    town.nothing_is_left()
    assert town.ports(town.run(publish=["8080:80"])) == [8080]


def what_is_detached_is_detached_and_again_is_no_error(town: Town) -> None:
    town.engine.networks.create("backend")
    leases = [town.attach(container_id(number), Port(80, 8000 + number), network="backend") for number in range(1, 4)]
    assert town.wiring.known() == [lease.container for lease in leases] and list(town.wiring.troubles()) == []
    for _ in range(2):
        town.wiring.detach(leases[1].container)
        town.wiring.detach("ff" * 32)
    assert town.wiring.known() == [leases[0].container, leases[2].container] and list(town.wiring.troubles()) == []
    town.wiring.reload()
    again = town.attach(leases[1].container, Port(80, 8002), network="backend")
    assert (*numbers(again), again.ports) == (leases[2].number + 1, leases[1].ports)
    for lease in leases:
        town.wiring.detach(lease.container)
    town.nothing_is_left()


def figures_of_a_network_are_told_where_there_is_one(town: Town) -> None:
    silent, speaking = town.run(net_mode="none").stats().sample, town.run().stats().sample
    assert (silent.net_input, silent.net_output) == (0, 0)
    assert speaking.net_input >= 0 and speaking.net_output >= 0


CONTRACT: tuple[Clause, ...] = (
    nothing_said_is_a_bridge_with_addresses_of_both_kinds,
    each_has_a_namespace_of_its_own_unless_it_says_otherwise,
    who_has_no_bridge_has_no_lease,
    a_network_is_named_in_either_field,
    modes_that_contradict_one_another_are_refused,
    the_network_of_one_that_has_stopped_is_not_to_be_had,
    addresses_are_given_in_turn_and_come_back_late,
    a_lease_lasts_as_long_as_the_run,
    a_full_range_is_said_and_nothing_is_left,
    many_threads_get_an_address_and_a_port_each,
    leases_outlive_a_reboot_until_they_are_given_back,
    *published.CLAUSES,
    the_files_of_names_say_what_was_asked_for,
    who_shares_a_network_shares_its_names,
    containers_of_one_network_know_one_another_and_nobody_else,
    where_neighbours_can_not_be_told_nothing_starts,
    networks_are_made_shown_and_removed,
    a_name_or_a_range_that_is_taken_is_refused,
    a_refused_start_leaves_nothing,
    what_is_detached_is_detached_and_again_is_no_error,
    figures_of_a_network_are_told_where_there_is_one,
)
