"""Root file systems to try documents on."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import own_cgroups
import pytest
from jail import Jail, jail

from podlink.engine.linux import facts
from podlink.engine.oci.spec.values import Device, HostFacts


@pytest.fixture(scope="session")
def this_host() -> HostFacts:
    parent = own_cgroups.new_parent()
    found = facts.read(f"/{parent}")
    own_cgroups.remove_cgroups(parent)
    return HostFacts(
        cgroup_version=found.cgroup_version,
        capabilities=found.capabilities,
        architecture=found.architecture,
        seccomp=found.seccomp,
        devices=tuple(Device(**vars(device)) for device in found.devices),
    )


@pytest.fixture(scope="module")
def busybox(tmp_path_factory: pytest.TempPathFactory, this_host: HostFacts) -> Iterator[Jail]:
    """A jail with nothing but busybox in it."""
    folder = tmp_path_factory.mktemp("busybox")
    rootfs = folder / "rootfs"
    (rootfs / "bin").mkdir(parents=True)
    shutil.copy("/bin/busybox", rootfs / "bin/busybox")
    applets = subprocess.run(["/bin/busybox", "--list"], capture_output=True, text=True, check=True).stdout.split()
    for applet in applets:
        if applet != "busybox":
            (rootfs / "bin" / applet).symlink_to("busybox")
    with jail(folder, rootfs, this_host) as made:
        yield made


@pytest.fixture(scope="module")
def mirror(tmp_path_factory: pytest.TempPathFactory, this_host: HostFacts) -> Iterator[Jail]:
    """A jail that shows this host's own files (and so its Python) under a writable layer of its own."""
    folder = tmp_path_factory.mktemp("mirror")
    for name in ("upper", "work", "merged"):
        (folder / name).mkdir()
    options = f"lowerdir=/,upperdir={folder}/upper,workdir={folder}/work"
    subprocess.run(["mount", "-t", "overlay", "overlay", "-o", options, folder / "merged"], check=True)
    try:
        with jail(folder, folder / "merged", this_host) as made:
            yield made
    finally:
        subprocess.run(["umount", folder / "merged"], check=True)


@pytest.fixture(scope="session")
def python() -> Path:
    """A Python outside of any virtual environment."""
    return Path(os.path.realpath(shutil.which("python3", path="/usr/bin:/usr/local/bin") or "/usr/bin/python3"))
