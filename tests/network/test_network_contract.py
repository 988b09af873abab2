"""One contract for whatever networks are built on: the emulated ground is held to it, and so is the kernel's, with runc above."""

import itertools
import os
import shutil
import socket
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import own_cgroups
import pytest
import world

from podlink.engine.app import Engine
from podlink.engine.config import Config
from podlink.engine.network.driver import Ground, Held, Wiring
from podlink.engine.network.emulated import EmulatedGround
from podlink.engine.network.kernel import KernelGround
from podlink.engine.network.wires import Wires
from podlink.engine.oci.spec.values import Port
from podlink.engine.testing.network import CONTRACT, Clause
from podlink.engine.testing.town import RANGE, UPLINK, UPLINK6, Town, container_id

counter = itertools.count()

GROUNDS = [
    pytest.param("emulated", id="emulated"),
    pytest.param("kernel", id="kernel", marks=pytest.mark.needs("root", "runc", "overlay", "nft")),
]


@pytest.mark.parametrize("clause", CONTRACT, ids=lambda clause: clause.__name__)
def test_the_contract_of_the_network(town: Town, clause: Clause) -> None:
    clause(town)


@pytest.mark.parametrize("built", GROUNDS[1:], indirect=True)
def test_what_is_published_and_held_by_nobody_is_chosen_for_nobody_else(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    """As where a monitor was killed, whose sockets went with it: the kernel may choose its port again, and is made to here."""
    (first,) = town.attach(container_id(1), Port(80)).ports
    ground = town.wiring._ground
    hold, chosen = ground.hold, list[Port]()

    def choosing(port: Port) -> tuple[Port, Sequence[Held]]:
        chosen.append(port)
        return hold(first if len(chosen) == 1 else port)

    monkeypatch.setattr(ground, "hold", choosing)
    (second,) = town.attach(container_id(2), Port(80)).ports
    assert len(chosen) == 2 and second.host_port != first.host_port
    assert list(town.wiring.troubles()) == []


def test_the_world_around_is_the_one_that_the_contract_speaks_of() -> None:
    assert (world.HOST, world.HOST6) == (UPLINK, UPLINK6) and EmulatedGround().ranges_in_use()[0] == RANGE


@pytest.fixture
def town(built: Town) -> Iterator[Town]:
    """The town of the module, as if it were new; whatever a clause did, all of it can be taken back."""
    yield built
    built.clear()
    built.nothing_is_left()


@pytest.fixture(scope="module", params=GROUNDS)
def built(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, busybox_tar: Path) -> Iterator[Town]:
    folder = tmp_path_factory.mktemp("town")
    with emulated(folder) if request.param == "emulated" else on_a_kernel(folder) as town:
        town.engine.images.import_image(str(busybox_tar), "small", changes=["CMD=/bin/sh"])
        yield town


@contextmanager
def emulated(folder: Path) -> Iterator[Town]:
    """A town of no kernel; its namespace is the host's own."""
    with Engine.emulated() as engine:

        @contextmanager
        def occupy(port: Port) -> Iterator[str]:
            _, held = engine.host.network._ground.hold(port)  # type: ignore[attr-defined]
            yield "a start that is under way"
            for each in held:
                each.close()

        yield Town(engine, occupy, lambda: rewired(engine, EmulatedGround()), "/proc/self/ns/net")


@contextmanager
def on_a_kernel(folder: Path) -> Iterator[Town]:
    """A town in the network namespace of this test process; its namespace is that of the outside."""
    config = Config(root=folder / "root", runroot=folder / "run", cgroup_parent=own_cgroups.new_parent())
    with world.outside() as outside, Engine.open(config) as engine:

        def reboot() -> Wiring:
            for namespace in (config.runroot / "netns").iterdir():
                subprocess.run(["umount", namespace], check=True)
                namespace.unlink()
            for link in world.links():
                subprocess.run(["ip", "link", "del", link], capture_output=True)  # one end of a pair takes the other along
            world.HERE.run("nft", "flush", "ruleset")
            return rewired(engine, KernelGround(config.runroot, config.nft_table, f"podlink of {config.root}"))

        town = Town(engine, occupied, reboot, f"/proc/{outside.pid}/ns/net")
        try:
            yield town
        finally:
            town.clear()
        assert world.links() == set() and "podlink" not in world.ruleset()
        assert list((config.runroot / "netns").glob("*")) == []
    own_cgroups.remove_cgroups(config.cgroup_parent)
    shutil.rmtree(folder)


@contextmanager
def occupied(port: Port) -> Iterator[str]:
    """By a socket of this process that listens."""
    with socket.socket() as other:
        other.bind(("", port.host_port))
        other.listen()
        yield f"process {os.getpid()} \\(.+\\)"


def rewired(engine: Engine, ground: Ground) -> Wires:
    """The wiring of an engine that was opened after a reboot: the same state, nothing on the ground."""
    host = engine.host
    return Wires(host.state, ground, host.config.bridge, host.config.subnet, str(host.config.root), host.clock.now)
