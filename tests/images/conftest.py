"""A host with a real state and a real storage driver, for verbs that start no container; and tarballs to import."""

import gzip
import io
import itertools
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import cast

import pytest
from shelf import MOMENT, Import, Tarball

from podlink.engine.clock import RealClock
from podlink.engine.config import Config
from podlink.engine.host import Host
from podlink.engine.images.import_ import import_image
from podlink.engine.linux.machine import ThisMachine
from podlink.engine.network.driver import Wiring
from podlink.engine.oci.spec.values import HostFacts
from podlink.engine.runtime.arrears import Arrears
from podlink.engine.runtime.base import Runtime
from podlink.engine.runtime.waits import Waits
from podlink.engine.state.state import State
from podlink.engine.storage.content import Content
from podlink.engine.storage.vfs import VfsDriver


class Seconds(RealClock):
    """It is a second later each time that somebody asks."""

    def __init__(self) -> None:
        self._passed = itertools.count()

    def now(self) -> int:
        return MOMENT + next(self._passed) * 10**9


@pytest.fixture
def host(tmp_path: Path) -> Iterator[Host]:
    """Runtime and network are for containers that run: none does here."""
    state = State.open(None, None)
    storage = VfsDriver(tmp_path / "root" / "vfs")
    yield Host(
        config=Config(root=tmp_path / "root", runroot=tmp_path / "run", storage_driver="vfs"),
        state=state,
        storage=storage,
        content=Content(tmp_path / "root" / "blobs"),
        runtime=cast(Runtime, None),
        network=cast(Wiring, None),
        facts=HostFacts(),
        machine=ThisMachine(),
        clock=Seconds(),
        waits=cast(Waits, None),
        arrears=Arrears(Seconds()),
    )
    storage.close()
    state.close()


@pytest.fixture
def tarball(tmp_path: Path) -> Tarball:
    """Make a tarball of these files, each with its text: `tarball({"etc/motd": "hello"}, compressed=True)`."""
    numbers = itertools.count()

    def make(files: dict[str, str] | None = None, compressed: bool = False) -> Path:
        buffer = io.BytesIO()
        with tarfile.open(fileobj=buffer, mode="w") as tar:
            for name, text in (files or {"etc/motd": "hello\n"}).items():
                entry = tarfile.TarInfo(name)
                entry.size = len(text.encode())
                tar.addfile(entry, io.BytesIO(text.encode()))
        path = tmp_path / f"root-{next(numbers)}.tar"
        path.write_bytes(gzip.compress(buffer.getvalue()) if compressed else buffer.getvalue())
        return path

    return make


@pytest.fixture
def imported(host: Host, tarball: Tarball) -> Import:
    """Import a tarball that holds this text, under this name; the answer is the image's ID."""

    def make(name: str = "alpine", text: str = "hello\n") -> str:
        return import_image(host, str(tarball({"etc/motd": text})), name)

    return make
