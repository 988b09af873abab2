"""An engine to try the verbs on: emulated everywhere, and on runc where the host can."""

import itertools
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import own_cgroups
import pytest
from patience import until

from podlink.engine.app import Engine
from podlink.engine.config import Config
from podlink.engine.handles import Container
from podlink.engine.storage import probe
from podlink.engine.storage.idmapped import MappedRoots

counter = itertools.count()

RUNTIMES = [
    pytest.param("emulator", id="emulator"),
    pytest.param("runc", id="runc", marks=pytest.mark.needs("root", "runc", "overlay")),
]


@dataclass
class Bench:
    """An engine with an image `small` in it, and how to open another one on the same root."""

    engine: Engine
    runtime: str
    open: Callable[[], Engine]
    config: Config | None = None

    def create(self, *command: str, **fields: Any) -> Container:
        return self.engine.containers.create(image="small", command=command, **fields)

    def run(self, *command: str, **fields: Any) -> Container:
        container = self.create(*command, **fields)
        container.start()
        return container

    def left(self) -> list[str]:
        """What it has on the host, the processes of this one and of others."""
        return leftovers(self.config) if self.config else []

    def output(self, *command: str, **fields: Any) -> str:
        """What a container with this command writes until it exits."""
        container = self.run(*command, **fields)
        container.wait()
        text = "".join(container.logs())
        container.remove()
        return text


def leftovers(config: Config) -> list[str]:
    """What an engine left on the host: mounts below its root, cgroups below its parent, processes that name its run directory."""
    mounts = [line.split()[4] for line in Path("/proc/self/mountinfo").read_text().splitlines() if str(config.root) in line]
    mounts += [str(path) for path in MappedRoots(config.root / config.storage_driver).folder.glob("*")]
    cgroups = [
        str(path)
        for path in Path("/sys/fs/cgroup").glob(f"*/{config.cgroup_parent}/*")
        if path.is_dir() and path.name != "monitor"
    ]
    processes = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal() and int(entry.name) != os.getpid():
            with suppress(OSError):
                if str(config.runroot).encode() in (entry / "cmdline").read_bytes():
                    processes.append(f"process {entry.name}")
    return mounts + cgroups + processes


@pytest.fixture(params=RUNTIMES)
def bench(request: pytest.FixtureRequest, tmp_path: Path, busybox_tar: Path) -> Iterator[Bench]:
    if request.param == "emulator":
        engine = Engine.emulated()
        yield from with_image(Bench(engine, "emulator", lambda: engine), busybox_tar)
        return
    yield from on_runc(tmp_path, busybox_tar)


@pytest.fixture
def real(tmp_path: Path, busybox_tar: Path) -> Iterator[Bench]:
    """On runc only; the test is to be marked with what it needs."""
    yield from on_runc(tmp_path, busybox_tar)


@pytest.fixture(params=["overlay", "vfs", "copies"])
def stored(request: pytest.FixtureRequest, tmp_path: Path, busybox_tar: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    """On runc, with each storage driver, and as where the kernel maps no owners; the test is to be marked with what it needs."""
    if request.param == "copies":
        monkeypatch.setattr(probe, "maps_owners", lambda folder, overlay="": "not here")
    yield from on_runc(tmp_path, busybox_tar, "overlay" if request.param == "overlay" else "vfs")


@dataclass
class Disk:
    """The file system that the root is on."""

    path: Path

    def fill(self) -> None:
        """To the last page, beside what is there."""
        with suppress(OSError), (self.path / "ballast").open("ab", buffering=0) as file:
            while file.write(bytes(4096)):
                pass
        assert shutil.disk_usage(self.path).free < 4096

    def make_room(self) -> None:
        (self.path / "ballast").unlink()


@pytest.fixture
def cramped_runc(tmp_path: Path, busybox_tar: Path, disk: Disk) -> Iterator[Bench]:
    """The same on runc only; the test is to be marked with what it needs."""
    yield from on_runc(tmp_path, busybox_tar, disk=disk.path)


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    """Of 16 MiB, in memory. For tests that need root."""
    folder = tmp_path / "disk"
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=16m", "podlink-test", folder], check=True)
    try:
        yield Disk(folder)
    finally:
        subprocess.run(["umount", "-l", folder], capture_output=True)  # where `on_runc` has not


@pytest.fixture(params=RUNTIMES)
def cramped(request: pytest.FixtureRequest, tmp_path: Path, busybox_tar: Path, disk: Disk) -> Iterator[Bench]:
    """A bench whose root is on the small disk."""
    if request.param == "emulator":
        engine = Engine.emulated(disk.path / "root")
        yield from with_image(Bench(engine, "emulator", lambda: engine), busybox_tar)
    else:
        yield from on_runc(tmp_path, busybox_tar, disk=disk.path)


def on_runc(
    tmp_path: Path, busybox_tar: Path, driver: Literal["overlay", "vfs"] = "overlay", disk: Path | None = None
) -> Iterator[Bench]:
    """disk: where the root is to be, if not beside the rest."""
    parent = own_cgroups.new_parent()
    config = Config(root=(disk or tmp_path) / "root", runroot=tmp_path / "run", cgroup_parent=parent, storage_driver=driver)
    try:
        yield from with_image(Bench(Engine.open(config), "runc", lambda: Engine.open(config), config), busybox_tar)
        assert [each for each in leftovers(config) if not each.startswith("process ")] == []
        until(lambda: not leftovers(config), lambda: leftovers(config))  # a monitor's last steps are nobody's to wait for
    finally:
        for line in subprocess.run(["findmnt", "-rno", "TARGET"], capture_output=True, text=True).stdout.splitlines():
            if line.startswith(str(tmp_path)):
                subprocess.run(["umount", "-l", line])
        own_cgroups.remove_cgroups(parent)


def with_image(bench: Bench, busybox_tar: Path) -> Iterator[Bench]:
    with bench.engine as engine:
        engine.images.import_image(str(busybox_tar), "small", changes=["CMD=/bin/sh", "ENV=FROM_IMAGE=yes"])
        yield bench
        for each in bench.engine.containers.list():
            with suppress(Exception):
                container = bench.engine.containers.get(each.container.id)
                with suppress(Exception):  # one that runs: nobody waits for what it would do about SIGTERM
                    container.kill(9)
                container.remove(force=True)
        bench.engine.close()  # it may be another one by now
