"""Registries to speak to: real ones with TLS and logins, and one that lies."""

import json
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from certified import Certified
from liar import Behaviour, Liar, lying
from patience import patience
from registry_server import Settings, running_registry

from podlink.engine.cancel import Cancel
from podlink.engine.oci.distribution.client import Client
from podlink.engine.oci.distribution.connection import Timeouts
from podlink.engine.oci.distribution.endpoint import Endpoint
from podlink.engine.oci.distribution.retry import Patience

Connect = Callable[..., Client]
USUAL = Timeouts()


@pytest.fixture
def naps() -> list[float]:
    """The seconds that clients would have slept."""
    return []


@pytest.fixture
def connect(naps: list[float]) -> Iterator[Connect]:
    """A client of the registry at an address, plain unless told otherwise. It never sleeps."""

    def nap(seconds: float, cancel: Cancel) -> None:
        naps.append(seconds)

    with ExitStack() as stack:

        def make(address: str, timeouts: Timeouts = USUAL, **fields: Any) -> Client:
            endpoint = Endpoint(**{"name": address, "host": address, "insecure": True, **fields})
            return stack.enter_context(Client(endpoint, patience=Patience(sleep=nap), timeouts=timeouts))

        yield make


@pytest.fixture
def liar() -> Iterator[Callable[[Behaviour], Liar]]:
    """Start a server that behaves like this."""
    with ExitStack() as stack:
        yield lambda behaviour: stack.enter_context(lying(behaviour))


@pytest.fixture
def certified(tmp_path: Path) -> Certified:
    folder = tmp_path / "certified"
    folder.mkdir()
    return Certified(folder)


@pytest.fixture
def guarded(tmp_path: Path, certified: Certified) -> Iterator[str]:
    """A registry that speaks TLS and wants name and password."""
    with running_registry(tmp_path / "guarded", Settings(certificate=certified.certificate, login=True)) as address:
        yield address


Skopeo = Callable[..., str]


@pytest.fixture
def skopeo(tmp_path: Path) -> Skopeo:
    """Run skopeo, which trusts nothing that this host has configured; its output."""

    def run(*words: object) -> str:
        policy = tmp_path / "policy.json"
        policy.write_text(json.dumps({"default": [{"type": "insecureAcceptAnything"}]}))
        command = ["skopeo", "--policy", str(policy), *(str(word) for word in words)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=patience())
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run
