"""The part of the network's contract (`network.py`) that is about ports: what is published, who has a port, what is refused."""

import re
from collections.abc import Callable

from podlink.engine.errors import InvalidRequest, NetworkFailed
from podlink.engine.oci.spec.values import Port
from podlink.engine.testing.town import UPLINK, UPLINK6, Town, container_id, refused


def what_is_published_is_told(town: Town) -> None:
    told = [Port(53, 5353, "udp", "127.0.0.1"), Port(90, 8080, host_ip=UPLINK6), Port(91, 8081, host_ip=UPLINK6)]
    web = town.create(publish=["127.0.0.1:5353:53/udp", f"[{UPLINK6}]:8080-8081:90-91"])
    assert list(web.summary().ports) == told, "as it was asked for"
    web.start()
    assert list(town.lease(web).ports) == list(web.summary().ports) == told
    shown = web.inspect()["NetworkSettings"]["Ports"]
    assert [(each["hostIP"], each["hostPort"], each["containerPort"], each["protocol"]) for each in shown] == [
        (each.host_ip, each.host_port, each.container_port, each.protocol) for each in told
    ]


def a_port_is_not_given_twice_to_one(town: Town) -> None:
    refused(NetworkFailed, "port 8080/tcp is taken by", lambda: town.attach(container_id(1), Port(80, 8080), Port(81, 8080)))
    town.nothing_is_left()


def a_port_that_is_left_to_the_host_is_one_that_nobody_has(town: Town) -> None:
    first = town.run(publish=["80"])
    (chosen,) = town.ports(first)
    assert chosen > 1023
    near = [number for number in (chosen + 1, chosen + 2, chosen - 1) if number < 65536]
    fixed = town.run(publish=[f"{number}:{number}" for number in near])
    others = [town.run(publish=["80", "127.0.0.1::81", "82/udp"]) for _ in range(2)]
    tcp = [chosen, *town.ports(fixed), *(number for each in others for number in town.ports(each)[:2])]
    assert len({*tcp}) == len(tcp), tcp
    for number in (chosen, *town.ports(others[0])[:2]):
        late = town.create(publish=[f"{number}:80"])
        refused(NetworkFailed, f"port {number}/tcp is published by container [0-9a-f]{{12}}", late.start)


def all_that_is_exposed_is_published_on_free_ports(town: Town) -> None:
    fields = {"exposed_ports": ["80", "53/udp", "90-91"], "publish": ["8080:80"], "publish_all": True}
    ports = town.lease(town.run(**fields)).ports
    assert [(each.container_port, each.protocol) for each in ports] == [(80, "tcp"), (53, "udp"), (90, "tcp"), (91, "tcp")]
    assert ports[0].host_port == 8080 and all(each.host_port > 1023 for each in ports)
    silent = town.run(exposed_ports=["80"])
    assert town.lease(silent).ports == (), "exposed is not published"


def a_port_of_another_container_is_refused_by_that_ones_name(town: Town) -> None:
    holder = town.run(publish=["8080:80"])
    late = town.create(publish=["9090:90", "127.0.0.1:8080:80"])
    refused(NetworkFailed, f"8080/tcp of 127.0.0.1 is published by container {holder.id[:12]}; stop that one", late.start)
    assert town.wiring.known() == [holder.id] and late.summary().container.status == "configured"
    other = town.run(publish=["9090:90", "8080:80/udp"])
    assert town.ports(other) == [9090, 8080], "what was taken before the refusal was let go, and of UDP nothing was"
    holder.stop(0)
    other.stop(0)
    late.start()


def a_port_of_somebody_else_is_refused_by_their_name(town: Town) -> None:
    container = town.create(publish=["9090:90", "8080:80"])
    with town.occupy(Port(0, 8080)) as holder:
        refused(NetworkFailed, f"port 8080/tcp is taken by {holder}; end that, or publish another port", container.start)
        town.nothing_is_left()
        assert container.summary().container.status == "configured"
    container.start()
    assert town.ports(container) == [9090, 8080]


def one_address_of_the_host_is_not_another(town: Town) -> None:
    for place in ("127.0.0.1", UPLINK, f"[{UPLINK6}]"):
        town.run(publish=[f"{place}:8080:80"])
    refused(NetworkFailed, "port 8080/tcp is published by container", town.create(publish=["8080:80"]).start)


def an_address_that_the_host_has_not_is_refused(town: Town) -> None:
    for place, address in (("198.51.100.9", "198.51.100.9"), ("[2001:db8:1::9]", "2001:db8:1::9")):
        container = town.create(publish=["9090:90", f"{place}:8080:80"])
        words = f"port 8080/tcp of {address}: {address} is no address of this host"
        refused(NetworkFailed, re.escape(words), container.start)
        town.nothing_is_left()
    assert town.ports(town.run(publish=["9090:90"])) == [9090]


def bad_syntax_is_refused_before_there_is_a_container(town: Town) -> None:
    for text, words in (
        ("eighty", "is not of the form"),
        ("70000", "they go from 1 to 65535"),
        ("8000-8002:80-81", "has 3 ports of the host for 2 of the container"),
        ("80/icmp", "is none of tcp, udp, sctp"),
        ("300.1.1.1:80:80", "is no address"),
        ("255.255.255.255:80:80", "is no address by which a host is reached"),
        ("[::ffff:192.0.2.1]:80:80", "is an address of IPv4; write 192.0.2.1"),
    ):
        refused(InvalidRequest, f"publish: .*{words}", lambda text=text: town.create(publish=[text]))  # type: ignore[misc]
    words = r"exposed_ports: 'web' is not of the form containerPort\[/protocol\]"
    refused(InvalidRequest, words, lambda: town.create(exposed_ports=["web"]))
    refused(InvalidRequest, "publish: port 8080/tcp is asked for twice", lambda: town.create(publish=["8080:80", "8080:81"]))
    assert town.engine.containers.list() == []


CLAUSES: tuple[Callable[[Town], None], ...] = (
    what_is_published_is_told,
    a_port_is_not_given_twice_to_one,
    a_port_that_is_left_to_the_host_is_one_that_nobody_has,
    all_that_is_exposed_is_published_on_free_ports,
    a_port_of_another_container_is_refused_by_that_ones_name,
    a_port_of_somebody_else_is_refused_by_their_name,
    one_address_of_the_host_is_not_another,
    an_address_that_the_host_has_not_is_refused,
    bad_syntax_is_refused_before_there_is_a_container,
)
