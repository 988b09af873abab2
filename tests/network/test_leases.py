"""Addresses: nothing is handed out twice, whoever asks at the same time; what was handed out stays so whoever dies."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import lease_workers
import pytest
import world
from lease_workers import opened
from other_processes import Start, processes
from patience import patience

from podlink.engine.errors import NetworkFailed
from podlink.engine.network.driver import Wish
from podlink.engine.oci.spec.values import Port
from podlink.engine.state import networks
from podlink.engine.state.values import Lease

BRIDGE = Wish(mode="bridge")


@pytest.fixture
def spawn() -> Iterator[Start]:
    """Run a function of `lease_workers` in a process of its own; the answer is the process and our end of its pipe."""
    with processes() as run:
        yield run


def told(pipe: Connection) -> Iterator[Any]:
    """Whatever a worker says until it is done, or dead."""
    while pipe.poll(patience()):
        try:
            word = pipe.recv()
        except EOFError:
            return
        if word == "done":
            return
        yield word
    raise AssertionError("a worker says nothing")


def together(pipes: list[Connection]) -> None:
    """Let workers begin at the same moment, once all are ready."""
    for pipe in pipes:
        assert pipe.poll(patience()) and pipe.recv() == "ready"
    for pipe in pipes:
        pipe.send("go")


def test_processes_that_ask_at_the_same_time_get_an_address_each_until_there_is_none(tmp_path: Path, spawn: Start) -> None:
    state, wires = opened(tmp_path)
    wires.create("small", "10.99.0.0/28")
    names = [[f"{process}{number:02x}" * 21 for number in range(9)] for process in range(2)]
    pipes = [spawn(lease_workers.attach_some, tmp_path, each, "small")[1] for each in names]
    together(pipes)
    answers = [answer for pipe in pipes for answer in told(pipe)]
    assert sorted(answer for answer in answers if isinstance(answer, int)) == list(range(2, 15))
    refusals = [answer for answer in answers if isinstance(answer, str)]
    assert refusals == ["network small: all 13 addresses of 10.99.0.0/28 are in use; stop a container"] * 5
    assert len(state.networks.leases()) == 13
    state.close()


def test_those_who_come_and_go_never_share(tmp_path: Path, spawn: Start) -> None:
    state, _ = opened(tmp_path)
    pipes = [spawn(lease_workers.come_and_go, tmp_path, f"{number}" * 64, 20)[1] for number in range(2)]
    together(pipes)
    assert [pipe.poll(patience()) and pipe.recv() for pipe in pipes] == [0, 0]
    assert state.networks.leases() == []
    state.close()


def test_threads_that_come_and_go_never_share(tmp_path: Path) -> None:
    state, wires = opened(tmp_path)

    def rounds(name: str) -> int:
        rivals = 0
        for _ in range(10):
            mine = wires.attach(name, BRIDGE).lease
            rivals += mine is None or mine.number in [each.number for each in state.networks.leases() if each.container != name]
            wires.detach(name)
        return rivals

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(rounds, [f"{number}" * 64 for number in range(8)])) == [0] * 8
    assert state.networks.leases() == []
    state.close()


def test_what_a_process_was_given_is_its_own_after_it_was_killed(tmp_path: Path, spawn: Start) -> None:
    names = [f"0{number:02x}" * 21 for number in range(200)]
    process, pipe = spawn(lease_workers.attach_some, tmp_path, names, "")
    together([pipe])
    given = list(islice(told(pipe), 5))
    process.kill()
    process.join()
    given += told(pipe)  # what it had said before it died
    state, wires = opened(tmp_path)
    leases = state.networks.leases()
    assert given == list(range(2, 2 + len(given))) and len(given) <= len(leases) <= len(given) + 1
    assert [lease.container for lease in sorted(leases, key=lambda each: each.number)] == names[: len(leases)]
    after = wires.attach("f" * 64, BRIDGE).lease
    assert after and after.number == 2 + len(leases)
    wires.detach(names[1])
    again = wires.attach("e" * 64, BRIDGE).lease
    assert again and again.number == 3 + len(leases)
    assert wires.known() == sorted({*names[: len(leases)], "f" * 64, "e" * 64} - {names[1]})
    state.close()


def test_the_order_in_which_addresses_are_given_and_come_back(tmp_path: Path) -> None:
    """In turn, so that one comes back as late as can be; each network for itself."""
    state, wires = opened(tmp_path)
    wires.create("other", "10.99.0.0/29")

    def number(name: str, network: str = "") -> int:
        lease = wires.attach(name, Wish(mode="bridge", network=network)).lease
        assert lease
        return lease.number

    assert [number(name) for name in "abcde"] == [2, 3, 4, 5, 6]
    assert [number(name, "other") for name in "vwxyz"] == [2, 3, 4, 5, 6]
    with pytest.raises(NetworkFailed, match=r"network other: all 5 addresses of 10\.99\.0\.0/29 are in use"):
        number("u", "other")
    for name in "dbxz":
        wires.detach(name)
    assert [number(name) for name in "fga"] == [7, 8, 2]
    assert [number(name, "other") for name in "uv"] == [4, 2] and number("t", "other") == 6
    state.close()


def test_who_has_a_port_is_found_and_nobody_elses_lease_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    state, wires = opened(tmp_path)
    for number in range(20):
        ports = (Port(80, 8000 + number), Port(53, 8000, "udp", f"127.0.0.{number}"))
        wires.attach(f"{number:064x}", Wish(mode="bridge", ports=ports))
    read, whole = list[str](), networks._lease

    def counted(row: Any) -> Lease:
        read.append(row[0])
        return whole(row)

    monkeypatch.setattr(networks, "_lease", counted)
    found = state.networks.publishing((Port(1, 8003), Port(2, 9000), Port(3)))
    assert [each.container for each in found] == read == [f"{3:064x}"]
    assert len(state.networks.publishing((Port(53, 8000, "udp"),))) == 20
    assert state.networks.publishing((Port(53, 8003, "udp"),)) == [], "another protocol's port is another one"
    read.clear()
    wires.attach("f" * 64, Wish(mode="bridge", ports=(Port(80, 9000), Port(80)))).close()
    assert {*read} <= {"f" * 64}
    wires.detach(f"{3:064x}")
    assert state.networks.publishing((Port(1, 8003),)) == []
    state.close()


@pytest.mark.needs("root", "runc", "overlay", "nft")
def test_two_engines_of_one_root_build_one_bridge_and_give_each_address_once(site: Any, spawn: Start) -> None:
    names = [[f"{process}-{number}" for number in range(3)] for process in range(2)]
    for name in [*names[0], *names[1]]:
        site.create("sleep", "1000", name=name)
    pipes = [spawn(lease_workers.start_some, site.config.to_text(), some)[1] for some in names]
    together(pipes)
    addresses = [address for pipe in pipes for address in told(pipe)]
    assert sorted(addresses) == [f"10.88.0.{number}" for number in range(2, 8)]
    assert len(world.links()) == 7 and site.engine.networks.troubles() == []
