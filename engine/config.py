"""What an engine is opened with. Values only: `engine/app.py` turns them into parts.

/run/podlink/             RUN: what doesn't survive a reboot, of every root
  14218cb1/               the run directory of a root, unless another was chosen: named by a digest of the root's path
  attach/  roots/         short ways to sockets; roots that belong to containers' users (`engine/runtime`, `engine/storage`)
"""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

GIB = 2**30
RUN = Path("/run/podlink")
DERIVED = RUN / "DIGEST"
"""Stands for the run directory that goes with the root."""


def digest_of(folder: Path) -> str:
    """Eight hexadecimal digits that stand for a folder, by whatever links it is reached."""
    import hashlib  # late: the process that unpacks a layer needs the limits only

    return hashlib.sha256(bytes(folder.resolve())).hexdigest()[:8]


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Bounds on what a layer, or an archive of an image, may ask of this host: it is hostile until it is unpacked.

    entries: members of the tar. total: bytes of the uncompressed tar, and of the files it makes (holes counted too).
    path: bytes of one name or link target. header: bytes of one entry's extended headers (PAX records, GNU long names).
    names: bytes of all names together, those of directories that are only gone through too: names are what is remembered.
    ratio: how many times its compressed size it may have, once it has more than a GiB. spare: bytes of the disk that stay free,
    but no more than a twentieth of it.
    end_mark: whether the archive must have its end mark. It is what tells a whole archive from one that was cut off, where no
    digest does; umoci has written layers without. What is pulled has a digest, and may do without in any case.
    """

    entries: int = 2_000_000
    total: int = 64 * GIB
    path: int = 4096
    header: int = 2**20
    names: int = 2**27
    ratio: int = 200
    spare: int = GIB // 4
    end_mark: bool = True


USUAL = Limits()


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """Where an engine keeps its things and with what it works.

    root/                     survives a reboot
      podlink.db              the state: SQLite, WAL
      blobs/sha256/…          layers as they came, by digest
      overlay/ or vfs/        layers unpacked, and the writable layers of containers
      containers/ID/          ctr.log, and exit.json once it has exited
      runroot                 the run directory that goes with it
      reserve/                room for what has to be written down on a full disk
    runroot/                  gone after a reboot; of one root alone
      root                    whose it is: the root's path
      containers/ID/          the OCI bundle, the monitor's lock and pid file
      runc/                   runc's own state (`runc --root`)
      locks/                  one file a container, for flock(2)
    """

    root: Path = Path("/var/lib/podlink")
    runroot: Path = DERIVED
    runtime: Literal["runc", "emulator"] = "runc"
    storage_driver: Literal["overlay", "vfs"] = "overlay"
    cgroup_parent: str = "podlink"
    """The cgroup under which each container gets its own, relative to the root of each hierarchy."""
    bridge: str = "podlink0"
    """The bridge of the default network. Where the host has one of this name that isn't ours, the next free number is taken.
    A changed bridge or range counts as soon as nobody is on the network."""
    subnet: str = "10.88.0.0/16"
    """The addresses of the default network, unless the host uses some of them: then the next range of that size."""
    nft_table: str = "podlink"
    """The nftables table that all our rules are in (family inet)."""
    limits: Limits = USUAL
    """What an image that is pulled or imported may be."""

    def __post_init__(self) -> None:
        if self.runroot == DERIVED:
            object.__setattr__(self, "runroot", RUN / digest_of(self.root))

    def to_text(self) -> str:
        """As one line of JSON: how a configuration reaches a process that the engine starts."""
        return json.dumps(asdict(self), default=str)

    @classmethod
    def from_text(cls, text: str) -> "Config":
        """The inverse of `to_text`."""
        values = json.loads(text)
        places = {name: Path(values[name]) for name in ("root", "runroot")}
        return cls(**{**values, **places, "limits": Limits(**values["limits"])})
