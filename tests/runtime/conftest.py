"""A stage for the contract: the emulator everywhere, and runc where the host can."""

import itertools
import tarfile
from collections.abc import Iterator
from pathlib import Path

import own_cgroups
import pytest

from podlink.engine.linux import facts
from podlink.engine.oci.spec.values import HostFacts
from podlink.engine.runtime.emulator.runtime import EmulatorRuntime
from podlink.engine.runtime.runc import RuncRuntime
from podlink.engine.testing.stage import Stage

counter = itertools.count()

RUNTIMES = [
    pytest.param("emulator", id="emulator"),
    pytest.param("runc", id="runc", marks=pytest.mark.needs("root", "runc", "overlay")),
]


@pytest.fixture(scope="session")
def rootfs(tmp_path_factory: pytest.TempPathFactory, busybox_tar: Path) -> Path:
    """What the container's root is a directory of: unpacked once, and changed by no clause."""
    folder = tmp_path_factory.mktemp("rootfs")
    with tarfile.open(busybox_tar) as tar:
        tar.extractall(folder)
    return folder


@pytest.fixture(params=RUNTIMES)
def stage(request: pytest.FixtureRequest, tmp_path: Path, rootfs: Path) -> Iterator[Stage]:
    folder = tmp_path / "containers"
    folder.mkdir()
    if request.param == "emulator":
        emulated = HostFacts(capabilities=frozenset(facts.every_capability()))
        yield from _used(Stage(EmulatorRuntime(), rootfs, folder, emulated))
        return
    yield from _on_runc(tmp_path, rootfs, folder)


def _on_runc(tmp_path: Path, rootfs: Path, folder: Path) -> Iterator[Stage]:
    parent = own_cgroups.new_parent()
    host = facts.read(f"/{parent}")
    real = HostFacts(
        cgroup_version=host.cgroup_version,
        capabilities=host.capabilities,
        architecture=host.architecture,
        seccomp=host.seccomp,
    )
    try:
        yield from _used(Stage(RuncRuntime(tmp_path / "run", parent), rootfs, folder, real, parent))
        left = [path for path in Path("/sys/fs/cgroup").glob(f"*/{parent}/*/") if path.name != "monitor"]
        assert left == []
    finally:
        own_cgroups.remove_cgroups(parent)


def _used(stage: Stage) -> Iterator[Stage]:
    try:
        yield stage
        for container in stage.runtime.known():
            stage.runtime.destroy(container)
        assert stage.runtime.known() == []
    finally:
        stage.runtime.close()
