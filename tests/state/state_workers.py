"""What other processes do in the tests. Run by `multiprocessing` with the method `spawn`; results come back through a pipe."""

import time
from multiprocessing.connection import Connection
from pathlib import Path

from state_samples import container

from podlink.engine.errors import EngineError
from podlink.engine.state.locks import Locks
from podlink.engine.state.migrations import open_database
from podlink.engine.state.state import State


def open_and_add(path: Path, pipe: Connection, start: str, name: str) -> None:
    """Wait for the word, then open the state and add a container; tell how it went."""
    pipe.send("ready")
    pipe.recv()
    try:
        State.open(path, None).containers.add(container(start, name))
        pipe.send("added")
    except EngineError as error:
        pipe.send(f"{type(error).__name__}: {error}")


def open_fresh(path: Path, pipe: Connection) -> None:
    """Wait for the word, then open a state that is not there yet."""
    pipe.send("ready")
    pipe.recv()
    try:
        State.open(path, None).close()
        pipe.send("opened")
    except EngineError as error:
        pipe.send(f"{type(error).__name__}: {error}")


def write_half(path: Path, pipe: Connection, image: str) -> None:
    """Begin a transaction, write, and never commit."""
    with open_database(path).writing() as connection:
        connection.execute("INSERT INTO image_names (name, image) VALUES ('half', ?)", (image,))
        pipe.send("written")
        time.sleep(60)


def add_for_ever(path: Path, pipe: Connection) -> None:
    """Add one container after another, and tell of each only once it was acknowledged."""
    state = State.open(path, None)
    for number in range(100_000):
        state.containers.add(container(f"{number:08x}", f"c{number}"))
        pipe.send(f"c{number}")


def hold_lock(directory: Path, pipe: Connection, key: str) -> None:
    """Hold a lock until told to let go."""
    with Locks(directory).hold(key):
        pipe.send("held")
        pipe.recv()
    pipe.send("released")


def count_under_lock(directory: Path, pipe: Connection, rounds: int) -> None:
    """Add to a number in a file under a lock whose file is forgotten each time: only exclusion keeps the count."""
    locks, number = Locks(directory), directory / "number"
    pipe.send("ready")
    pipe.recv()
    for _ in range(rounds):
        with locks.hold("count"):
            value = int(number.read_text())
            number.write_text(str(value + 1))
            locks.forget("count")
    pipe.send("done")
