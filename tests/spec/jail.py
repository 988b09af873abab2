"""A container of one program, run by runc itself from a document of ours: what it prints is what there was inside.

Everything is of its own: the root file system, runc's state, the cgroup (`own_cgroups`), and gone afterwards.
"""

import json
import secrets
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import own_cgroups
from patience import patience

from podlink.engine.linux import cgroups
from podlink.engine.oci.spec.build import build
from podlink.engine.oci.spec.values import ContainerConfig, HostFacts, Placement, User

ENVIRONMENT = ("PATH=/bin:/usr/bin:/usr/sbin:/sbin", "HOSTNAME=inside")


@dataclass
class Jail:
    """Where containers are tried out. rootfs: a root file system with a shell; host: the facts of this machine."""

    folder: Path
    rootfs: Path
    host: HostFacts
    parent: str = field(default_factory=lambda: f"/{own_cgroups.new_parent()}")

    def run(self, script: str, *, user: User | None = None, network: str = "private", **settings: Any) -> str:
        """What a shell script prints in a container with these settings of ContainerConfig; it must end well."""
        done = self.attempt(["sh", "-c", script], user=user, network=network, **settings)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout.strip()

    def attempt(
        self, args: list[str], *, user: User | None = None, network: str = "private", **settings: Any
    ) -> subprocess.CompletedProcess[str]:
        """Run one program, however it ends."""
        name = f"{self.parent.strip('/')}-{secrets.token_hex(4)}"
        placement = Placement(
            container=name, rootfs=self.rootfs, user=user or User(), cgroup=f"{self.parent}/{name}", network=network
        )
        config = ContainerConfig(args=tuple(args), env=ENVIRONMENT, **settings)
        bundle = self.folder / name
        bundle.mkdir()
        (bundle / "config.json").write_text(json.dumps(build(config, placement, self.host)))
        command = ["runc", "--root", str(self.folder / "runc"), "run", "--bundle", str(bundle), name]
        return subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=patience())


@contextmanager
def jail(folder: Path, rootfs: Path, host: HostFacts) -> Iterator[Jail]:
    """A jail for as long as the block lasts."""
    made = Jail(folder, rootfs, host)
    try:
        yield made
    finally:
        cgroups.kill_all(made.parent)
        cgroups.remove(made.parent)
