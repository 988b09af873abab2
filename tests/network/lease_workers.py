"""What other processes do in the tests of leases. Run by `multiprocessing` with the method `spawn`; results come by a pipe."""

from multiprocessing.connection import Connection
from pathlib import Path

from podlink.engine.errors import NetworkFailed
from podlink.engine.network.driver import Wish
from podlink.engine.network.emulated import EmulatedGround
from podlink.engine.network.wires import Wires
from podlink.engine.state.state import State


def opened(folder: Path) -> tuple[State, Wires]:
    """The state of a folder, as any process opens it, and the wiring over it with no kernel below."""
    state = State.open(folder / "podlink.db", folder / "locks")
    return state, Wires(state, EmulatedGround(), "podlink0", "10.88.0.0/16", "the owner", lambda: 1)


def attach_some(folder: Path, pipe: Connection, names: list[str], network: str) -> None:
    """Wait for the word, attach one container after the other, and tell of each: its number, or the refusal."""
    _, wires = opened(folder)
    pipe.send("ready")
    pipe.recv()
    for name in names:
        try:
            lease = wires.attach(name, Wish(mode="bridge", network=network)).lease
            pipe.send(lease.number if lease else None)
        except NetworkFailed as refusal:
            pipe.send(str(refusal))
    pipe.send("done")


def come_and_go(folder: Path, pipe: Connection, name: str, rounds: int) -> None:
    """Attach and detach over and over; how often somebody else had our number meanwhile."""
    state, wires = opened(folder)
    pipe.send("ready")
    pipe.recv()
    rivals = 0
    for _ in range(rounds):
        mine = wires.attach(name, Wish(mode="bridge")).lease
        others = [lease.number for lease in state.networks.leases() if lease.container != name]
        rivals += mine is None or mine.number in others
        wires.detach(name)
    pipe.send(rivals)


def start_some(config: str, pipe: Connection, names: list[str]) -> None:
    """With an engine of its own, start containers that are there, one after the other; the addresses that they have."""
    from podlink.engine.app import Engine  # no other worker needs it, and it takes a while
    from podlink.engine.config import Config

    with Engine.open(Config.from_text(config)) as engine:
        pipe.send("ready")
        pipe.recv()
        for name in names:
            engine.containers.get(name).start()
            lease = engine.containers.get(name).summary().lease
            pipe.send(lease.address if lease else "")
    pipe.send("done")
