"""The engine dies between any two messages to the kernel. Whoever comes after finds the network whole, or nothing of it."""

import itertools
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import world
from crash_nursery import WISH

import podlink
from podlink.engine.errors import NetworkFailed
from podlink.engine.network.kernel import KernelGround
from podlink.engine.testing.faults import Step, each_change

pytestmark = pytest.mark.needs("root", "runc", "overlay", "nft")

DEAD, ALIVE = "d" * 64, "a" * 64


@pytest.fixture
def dying(site: Any) -> Iterator[Callable[[str, int], str]]:
    """Have a process of its own attach or detach DEAD and die at a step: the answer is the last change that it made."""
    home = str(Path(podlink.__file__).absolute().parent.parent)
    argv = [sys.executable, str(Path(__file__).with_name("crash_nursery.py")), site.config.to_text()]
    environment = {"PYTHONPATH": home, "PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment) as nursery:
        assert nursery.stdin and nursery.stdout

        def die(verb: str, number: int) -> str:
            assert nursery.stdin and nursery.stdout
            nursery.stdin.write(f"{verb} {DEAD} {number}\n")
            nursery.stdin.flush()
            return nursery.stdout.readline().strip()

        yield die
        nursery.stdin.close()


def ground(site: Any) -> KernelGround:
    """Another engine's view of the same host."""
    config = site.config
    return KernelGround(config.runroot.absolute(), config.nft_table, f"podlink of {config.root.absolute()}")


def troubles(site: Any) -> list[str]:
    state = site.engine.host.state
    return ground(site).troubles(state.networks.all(), state.networks.leases())


def nothing_is_left(site: Any) -> None:
    assert world.links() == set() and "podlink" not in world.ruleset()
    assert site.engine.host.network.known() == [] and site.engine.host.state.networks.leases() == [] and troubles(site) == []


def test_after_a_crash_at_any_message_of_an_attach_others_go_on_and_nothing_of_it_is_left(
    site: Any, dying: Callable[[str, int], str]
) -> None:
    network, seen = site.engine.host.network, []
    for number in itertools.count(1):
        seen.append(dying("attach", number))
        if seen[-1] != "whole":
            assert DEAD in network.known(), "whatever there is of it, it is known whose it is"
        if number % 2 or seen[-1] == "whole":
            network.attach(ALIVE, WISH.__class__(mode="bridge")).close()
            network.detach(DEAD)
            assert troubles(site) == [], "the one that was there before the crash was cleared has all it needs"
            network.detach(ALIVE)
        else:
            network.detach(DEAD)
        nothing_is_left(site)
        if seen[-1] == "whole":
            break
    kinds = {" ".join(each.split()[1:4]) for each in seen}
    assert {"ip link add", "ip addr add", "ip route add", "bridge link set"} <= kinds and len(seen) > 15, seen


def test_after_a_crash_at_any_message_of_a_detach_the_next_one_leaves_nothing(
    site: Any, dying: Callable[[str, int], str]
) -> None:
    network = site.engine.host.network
    for number in itertools.count(1):
        network.attach(DEAD, WISH).close()
        last = dying("detach", number)
        if last == "whole":
            break
        assert DEAD in network.known(), last
        if number % 2:
            network.attach(ALIVE, WISH.__class__(mode="bridge")).close()
            network.detach(DEAD)
            assert troubles(site) == [], last
            network.detach(ALIVE)
        network.detach(DEAD)
        nothing_is_left(site)
    assert number > 5
    nothing_is_left(site)


def test_an_attach_that_fails_at_any_message_leaves_nothing(site: Any) -> None:
    network = site.engine.host.network
    for number in itertools.count(1):

        def trip(step: Step, number: int = number) -> None:
            if step.number == number:
                raise NetworkFailed(f"failed on demand: {step.name}")

        try:
            with each_change(trip):
                network.attach(DEAD, WISH).close()
        except NetworkFailed as error:
            assert "failed on demand" in str(error)
            nothing_is_left(site)
            continue
        break
    assert number > 15
    network.detach(DEAD)
    nothing_is_left(site)
