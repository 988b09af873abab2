"""Networks that somebody else made, what is published by an image, what is shown of it, and what is left when nobody looks."""

import os
import re
import resource
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import world
from patience import patience, until

import podlink
from podlink.engine.app import Engine
from podlink.engine.errors import InvalidRequest, NetworkFailed, RuntimeFailed
from podlink.engine.linux import capabilities, syscalls
from podlink.engine.network import holding, kernel, links
from podlink.engine.network.rules import elements
from podlink.engine.oci.spec.values import Port
from podlink.engine.state.values import Lease, Network

pytestmark = pytest.mark.needs("root", "runc", "overlay", "nft")

CAP_NET_ADMIN = 12


def test_a_namespace_that_somebody_made_is_joined(site: Any, outside: world.Place, tmp_path: Path) -> None:
    text = site.output("ip", "-4", "-o", "addr", "show", net_mode=f"ns:/proc/{outside.pid}/ns/net")
    assert world.OUTSIDE in text and "eth0" not in text
    with pytest.raises(InvalidRequest, match="net_mode: /no/such/file is not there"):
        site.create("true", net_mode="ns:/no/such/file")
    loop = tmp_path / "loop"
    loop.symlink_to(loop)
    with pytest.raises(
        InvalidRequest, match=r"net_mode: /.*/loop can't be had \(too many levels of symbolic links\); it is to be"
    ):
        site.create("true", net_mode=f"ns:{loop}")


@pytest.mark.parametrize(
    ("path", "words"),
    [("/etc/passwd", "no namespace"), ("/dev", "no namespace"), ("/proc/self/ns/uts", "a namespace of kind uts")],
)
def test_what_is_no_network_is_not_joined(site: Any, tmp_path: Path, path: str, words: str) -> None:
    refusal = f"net_mode: {path} is {words}; name a file like /proc/PID/ns/net, or a mount of one"
    with pytest.raises(InvalidRequest, match=refusal):
        site.create("true", net_mode=f"ns:{path}")
    made = tmp_path / "namespace"
    made.symlink_to("/proc/self/ns/net")
    container = site.create("true", net_mode=f"ns:{made}")
    made.unlink()
    made.symlink_to(path)  # what is said at creation may be something else at the start
    with pytest.raises(RuntimeFailed, match=refusal.replace(path, str(made))):
        container.start()
    assert site.status(container) == "configured"
    container.remove()


def test_what_an_image_exposes_is_published_and_shown(site: Any, busybox_tar: Path, outside: world.Place) -> None:
    site.engine.images.import_image(str(busybox_tar), "exposing", changes=["CMD=/bin/sh", "EXPOSE=80", "EXPOSE=53/udp"])
    web = site.engine.containers.create(
        image="exposing",
        command=["/bin/sh", "-c", "httpd -f -p 80 -h /etc"],
        stop_signal=9,
        publish_all=True,
        publish=["7000:81"],
    )
    assert [str(each) for each in web.summary().ports] == ["7000/tcp"], "a free port is not chosen yet"
    web.start()
    until(lambda: ":80 " in site.place(web).run("ss", "-Hltn"))
    chosen = {(each.container_port, each.protocol): each.host_port for each in web.summary().ports}
    assert set(chosen) == {(81, "tcp"), (80, "tcp"), (53, "udp")} and chosen[81, "tcp"] == 7000 and min(chosen.values()) > 0
    (listed,) = [each for each in site.engine.containers.list() if each.container.id == web.id]
    assert listed.ports == web.summary().ports
    shown = web.inspect()["NetworkSettings"]
    assert {(each["containerPort"], each["protocol"]): each["hostPort"] for each in shown["Ports"]} == chosen
    assert shown["HairpinMode"] is True
    assert "404" in outside.fails(outside.get, world.HOST, chosen[80, "tcp"]), "a web server without a page answered"


def test_containers_reach_one_another_by_name(site: Any) -> None:
    site.engine.networks.create("backend")
    site.serve(name="web", hostname="www", network="backend")
    assert site.output("wget", "-qO-", "http://web/", network="backend", name="client") == "www\n"


def test_lines_that_a_container_added_to_its_hosts_stay(site: Any) -> None:
    site.engine.networks.create("backend")
    first = site.run("sleep", "1000", name="first", network="backend")
    inside = Path(f"/proc/{site.place(first).pid}/root/etc/hosts")
    with inside.open("ab") as hosts:
        hosts.write(b"192.0.2.77\tmine \xff\n")
    second = site.run("sleep", "1000", name="second", network="backend")
    assert b"\tsecond " in inside.read_bytes() and inside.read_bytes().endswith(b"192.0.2.77\tmine \xff\n")
    second.stop(0)
    assert b"second" not in inside.read_bytes() and inside.read_bytes().endswith(b"192.0.2.77\tmine \xff\n")


def test_servers_are_found_whatever_stands_between_the_words(site: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from podlink.engine.containers import names

    own = tmp_path / "resolv.conf"
    own.write_text("\nsearch\thome  lab\nnameserver\t192.0.2.1\n nameserver  \t192.0.2.2 \n")
    monkeypatch.setattr(names, "RESOLV", (own, tmp_path / "none"))
    assert site.output("cat", "/etc/resolv.conf") == "search home lab\nnameserver 192.0.2.1\nnameserver 192.0.2.2\n"


def test_a_container_that_ends_while_no_engine_is_open_leaves_nothing(site: Any) -> None:
    """Its monitor runs the clean-up."""
    site.engine.networks.create("backend")
    ending = site.run("/bin/sh", "-c", "while [ ! -e /end ]; do sleep 0.1; done", publish=["8080:80"], network="backend")
    end = Path(f"/proc/{site.place(ending).pid}/root/end")
    site.engine.close()
    end.touch()
    until(lambda: world.links() == set() and "podlink" not in world.ruleset())
    until(lambda: list((site.config.runroot / "netns").iterdir()) == [])
    site.engine = Engine.open(site.config)  # it leaves to the clean-up what that is at
    until(lambda: site.status(ending) == "exited")  # the last that it does
    assert site.engine.host.state.networks.leases() == [] and site.engine.networks.troubles() == []


def test_all_addresses_of_one_protocol_are_not_those_of_the_other(site: Any, outside: world.Place) -> None:
    site.serve(hostname="four", publish=["0.0.0.0:8080:80"])
    site.serve(hostname="six", publish=["[::]:8080:80"])
    site.create("true", publish=["0.0.0.0:9090:80", "[::]:9090:80"])
    assert outside.get(world.HOST, 8080) == "four\n" and outside.get(world.HOST6, 8080) == "six\n"
    for twice in (["9090:80", "0.0.0.0:9090:81"], ["[::]:9090:80", f"[{world.HOST6}]:9090:80"]):
        with pytest.raises(InvalidRequest, match=r"publish: port 9090/tcp.* is asked for twice"):
            site.create("true", publish=twice)


@pytest.mark.parametrize(
    ("address", "words"), [("[::1]", "publish 127.0.0.1"), ("[fe80::1]", "choose another"), ("224.0.0.1", "choose")]
)
def test_an_address_that_leads_nowhere_is_refused_by_name(site: Any, address: str, words: str) -> None:
    with pytest.raises(InvalidRequest, match=rf"publish: .*{re.escape(address)}.*{words}"):
        site.create("true", publish=[f"{address}:8081:80"])


BOUND = "import socket, sys, time; s = socket.socket(); s.bind((sys.argv[1], 8080))"
READY = "; print('ready', flush=True); time.sleep(99)"


@pytest.mark.parametrize("script", [f"{BOUND}; s.listen(){READY}", BOUND + READY], ids=["listens", "is bound only"])
def test_of_two_that_have_a_port_the_one_in_the_way_is_named(site: Any, outside: world.Place, script: str) -> None:
    container = site.run("sleep", "1000", publish=[f"{world.HOST}:8080:80", f"[{world.HOST6}]:8080:80"])
    with world.HERE.serving(script, "127.0.0.1"):
        for address, holder in (("127.0.0.1", r"process \d+ \(python"), (world.HOST, f"container {container.id[:12]} of")):
            with pytest.raises(NetworkFailed, match=f"port 8080/tcp of {address} is taken by {holder}"):
                holding.hold(Port(80, 8080, "tcp", address), ipv6=True)


@pytest.fixture
def may_open() -> Iterator[Callable[[int], None]]:
    """Let this process open so many files, unless it allows itself more."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    yield lambda files: resource.setrlimit(resource.RLIMIT_NOFILE, (files, before[1]))
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


def test_ports_have_all_the_files_that_this_process_may_allow_itself(site: Any, may_open: Callable[[int], None]) -> None:
    may_open(400)
    site.engine.close()
    site.engine = Engine.open(site.config)  # whose monitors begin with this limit, too
    site.run("sleep", "1000", publish=["10000-10499:10000-10499"])
    for number in (10000, 10499):
        with socket.socket() as other, pytest.raises(OSError, match="Address already in use"):
            other.bind(("", number))


def test_more_ports_than_a_process_may_open_files_are_refused_with_the_limit(
    site: Any, may_open: Callable[[int], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    container = site.create("true", publish=["10000-11999:10000-11999"])
    may_open(1000)
    monkeypatch.setattr(resource, "getrlimit", lambda which: (1000, 1000))
    with pytest.raises(NetworkFailed, match=r"port 10\d+/tcp: this process may open 1000 files \(RLIMIT_NOFILE\).*publish fewer"):
        container.start()
    assert site.status(container) == "configured" and world.links() == set() and site.engine.host.network.known() == []
    with Engine.open(site.config) as other:
        words = r"publish: that is 600 ports, which take 1200 open files, and this process may open 1000 \(RLIMIT_NOFILE\)"
        with pytest.raises(InvalidRequest, match=words):
            other.containers.create(image="small", command=["true"], publish=["10000-10599:10000-10599"])
        other.containers.create(image="small", command=["true"], publish=["127.0.0.1:10000-10599:10000-10599"])


@pytest.mark.parametrize("protocol", ["tcp", "udp"])
def test_a_port_of_another_roots_container_is_refused_with_that_ones_name(site: Any, tmp_path: Path, protocol: str) -> None:
    holder = site.run("sleep", "1000", publish=[f"8080:80/{protocol}"])
    with pytest.raises(NetworkFailed) as caught:  # as a ground sees it that has no book of this root
        holding.hold(Port(80, 8080, protocol), ipv6=True)
    assert f"is taken by container {holder.id[:12]} of the podlink with run directory {site.config.runroot}" in str(caught.value)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
        other.bind(("", 9090))
        with pytest.raises(NetworkFailed, match=rf"9090/udp is taken by process {os.getpid()} \("):
            holding.hold(Port(80, 9090, "udp"), ipv6=True)


def test_a_port_of_sctp_is_an_element_like_the_others(site: Any) -> None:
    container = site.run("sleep", "1000", publish=["9090:80/sctp"])
    assert f'sctp . 9090 comment "{container.id}" : {site.address(container)[0]} . 80' in world.ruleset()
    assert site.engine.networks.troubles() == []


def test_without_ipv6_a_port_leads_to_one_address() -> None:
    network = Network(name="n", bridge="b0", subnet="10.0.0.0/24", subnet6="fd00::/64")
    lease = Lease(container="c", network=network, number=2, ports=(Port(80, 8080),), ipv6=False)
    assert list(elements(lease)) == [("b0-ports4", "tcp . 8080", "10.0.0.2 . 80")]


def apart(act: Callable[[], object]) -> BaseException | None:
    """What it fails with, in a thread that may not build networks: capabilities are a thread's own."""
    failed: list[BaseException] = []

    def run() -> None:
        mask = sum(1 << number for number in range(len(capabilities.NAMES)) if number != CAP_NET_ADMIN)
        held = int(re.search(r"CapPrm:\s*(\w+)", Path("/proc/thread-self/status").read_text())[1], 16)  # type: ignore[index]
        syscalls.capset(mask & held)
        try:
            act()
        except BaseException as error:
            failed.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    return failed[0] if failed else None


def test_without_the_capability_a_bridge_is_refused_and_nothing_is_left(site: Any) -> None:
    container = site.create("true", publish=["8080:80"])
    error = apart(container.start)
    assert isinstance(error, NetworkFailed) and "the engine needs CAP_NET_ADMIN, or say net_mode host" in str(error)
    assert site.status(container) == "configured" and world.links() == set() and site.engine.host.network.known() == []
    with socket.socket() as other:
        other.bind(("", 8080))


NO_ADMIN = "NetworkFailed: networks can't be built: operation not permitted; the engine needs CAP_NET_ADMIN, or say net_mode host"
NO_LOOPBACK = "NetworkFailed: net_mode none: a network of its own can't be set up, .*; the engine needs CAP_NET_ADMIN, or say"
NO_ROOT = "RuntimeFailed: container .* can't be started: the engine needs CAP_SYS_ADMIN, .*; run the engine as root of the host"
OWN_USERS = {"userns_mode": "private", "uidmap": ["0:100000:65536"], "gidmap": ["0:100000:65536"]}


@pytest.mark.parametrize(
    ("lost", "mode", "fields", "words"),
    [
        ("net_admin", "bridge", {}, NO_ADMIN),
        ("net_admin", "bridge", OWN_USERS, NO_ADMIN),
        ("net_admin", "none", {}, NO_LOOPBACK),
        ("net_admin", "none", OWN_USERS, "started"),
        ("net_admin", "host", {}, "started"),
        ("net_admin", "ns:{outside}", {}, "started"),
        ("sys_admin", "bridge", {}, NO_ROOT),
        ("sys_admin", "none", {}, NO_ROOT),
        ("sys_admin", "host", {}, NO_ROOT),
    ],
)
def test_without_a_capability_each_mode_works_or_says_what_is_missing(
    site: Any, outside: world.Place, lost: str, mode: str, fields: dict[str, Any], words: str
) -> None:
    """For runc and whatever else is started, too: it is out of the bounding set."""
    container = site.create("sleep", "1000", net_mode=mode.format(outside=f"/proc/{outside.pid}/ns/net"), **fields)
    before = world.mounted(site.config)
    script = str(Path(__file__).with_name("powerless.py"))
    environment = {"PYTHONPATH": str(Path(podlink.__file__).absolute().parent.parent), "PATH": os.environ["PATH"]}
    argv = ["setpriv", f"--bounding-set=-{lost}", sys.executable, script, site.config.to_text(), container.id]
    done = subprocess.run(argv, capture_output=True, text=True, env=environment, timeout=patience())
    assert re.fullmatch(words + ".*\n", done.stdout), (done.stdout, done.stderr)
    if words != "started":
        assert site.status(container) == "configured" and world.links() == set() and "podlink" not in world.ruleset()
        assert site.engine.host.network.known() == [] and site.engine.host.state.networks.leases() == []
        assert world.mounted(site.config) == before


def test_without_nft_it_is_said_and_nothing_is_left(site: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kernel, "SEARCH_PATH", "/nowhere")
    container = site.create("true", publish=["8080:80"])
    with pytest.raises(
        NetworkFailed, match="nft was not found in /nowhere; install it: apt install nftables, or say net_mode none"
    ):
        container.start()
    assert site.status(container) == "configured" and world.links() == set() and site.engine.host.network.known() == []
    assert site.output("echo", "here", net_mode="none") == "here\n"


def test_without_bridges_in_the_kernel_it_is_said_and_nothing_is_left(site: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(links, "BRIDGE", "nosuchkind")
    container = site.create("true")
    with pytest.raises(NetworkFailed, match="the kernel lacks bridge or veth: modprobe bridge veth"):
        container.start()
    assert site.status(container) == "configured" and world.links() == set() and site.engine.host.network.known() == []


def test_that_the_host_passes_packets_on_now_is_said(site: Any, caplog: pytest.LogCaptureFixture) -> None:
    subprocess.run(["sysctl", "-qw", "net.ipv4.ip_forward=0"], check=True)
    site.run("sleep", "1000")
    assert [each for each in caplog.messages if each.startswith("net.ipv4.ip_forward was off and is on now")]
