"""What an engine is opened with. Values only: `engine/app.py` turns them into parts."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """Where an engine keeps its things and with what it works.

    root/                     survives a reboot
      podlink.db              the state: SQLite, WAL
      blobs/sha256/…          layers as they came, by digest
      overlay/ or vfs/        layers unpacked, and the writable layers of containers
      containers/ID/          ctr.log, and exit.json once it has exited
    runroot/                  gone after a reboot
      containers/ID/          the OCI bundle, the monitor's lock and pid file
      runc/                   runc's own state (`runc --root`)
      locks/                  one file a container, for flock(2)
    """

    root: Path = Path("/var/lib/podlink")
    runroot: Path = Path("/run/podlink")
    runtime: Literal["runc", "emulator"] = "runc"
    storage_driver: Literal["overlay", "vfs"] = "overlay"
    cgroup_parent: str = "podlink"
    bridge: str = "podlink0"
    """The bridge of the default network. Where the host has one of this name that isn't ours, the next free number is taken."""
    subnet: str = "10.88.0.0/16"
    """The addresses of the default network, unless the host uses some of them: then the next range of that size."""
    nft_table: str = "podlink"
    """The nftables table that all our rules are in (family inet)."""
    """The cgroup under which each container gets its own, relative to the root of each hierarchy."""

    def to_text(self) -> str:
        """As one line of JSON: how a configuration reaches a process that the engine starts."""
        return json.dumps(asdict(self), default=str)

    @classmethod
    def from_text(cls, text: str) -> "Config":
        """The inverse of `to_text`."""
        values = json.loads(text)
        return cls(**{**values, "root": Path(values["root"]), "runroot": Path(values["runroot"])})
