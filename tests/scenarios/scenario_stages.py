"""The two engines that scenarios and walks are played on, each behind a service of its own, in a folder of the test's."""

import itertools
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import own_cgroups
from scenario_player import Stage, stage

from podlink.engine.app import Engine
from podlink.engine.config import Config

MEMORY = Path("/dev/shm")
counter = itertools.count()


@contextmanager
def emulated_stage(folder: Path, tar: Path) -> Iterator[Stage]:
    with stage(Engine.emulated(), tar) as ready:
        yield ready


@contextmanager
def runc_stage(folder: Path, tar: Path) -> Iterator[Stage]:
    """In memory, where there is a file system for that: syncing is looked at elsewhere."""
    parent = own_cgroups.new_parent()
    if MEMORY.is_dir():
        subprocess.run(["mount", "-t", "tmpfs", "tmpfs", folder], check=True)
    try:
        with stage(Engine.open(Config(root=folder / "root", runroot=folder / "run", cgroup_parent=parent)), tar) as ready:
            yield ready
    finally:
        subprocess.run(["umount", "-l", folder], capture_output=True)
        own_cgroups.remove_cgroups(parent)
