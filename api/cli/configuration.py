"""From the command line to the engine's configuration: the options that every command has which opens an engine."""

import argparse
import re
from dataclasses import fields
from pathlib import Path

from podlink.engine.config import Config, Limits

LIMITS = tuple(field.name for field in fields(Limits) if field.name != "end_mark")
UNITS = {"": 1, "K": 2**10, "M": 2**20, "G": 2**30, "T": 2**40}


def add_options(parser: argparse.ArgumentParser) -> None:
    """Those of a `Config`; what is left out has the engine's own default."""
    parser.add_argument("--root", metavar="DIR", help="what survives a reboot (default: /var/lib/podlink)")
    parser.add_argument("--runroot", metavar="DIR", help="what does not (default: a folder of the root's own below /run/podlink)")
    parser.add_argument("--runtime", choices=("runc", "emulator"), help="what runs the containers (default: runc)")
    parser.add_argument(
        "--storage-driver", choices=("overlay", "vfs"), help="how layers are kept (default: overlay; vfs with the emulator)"
    )
    parser.add_argument("--cgroup-parent", metavar="NAME", help="the cgroup above the containers' own (default: podlink)")
    parser.add_argument("--bridge", metavar="NAME", help="the bridge of the default network (default: podlink0)")
    parser.add_argument("--subnet", metavar="RANGE", help="its addresses, unless the host uses them (default: 10.88.0.0/16)")
    parser.add_argument("--nft-table", metavar="NAME", help="the nftables table of our rules (default: podlink)")
    parser.add_argument(
        "--limit",
        type=_limit,
        action="append",
        default=[],
        metavar="NAME=NUMBER",
        help=f"what an image that is pulled or imported may be, as total=20G; again for another. NAME: {', '.join(LIMITS)}; "
        "K, M, G and T stand for powers of 1024 (defaults: docs/images.md)",
    )


def configuration(chosen: argparse.Namespace) -> Config:
    """What the options say."""
    emulated = chosen.runtime == "emulator"
    given = {
        "root": chosen.root and Path(chosen.root).absolute(),
        "runroot": chosen.runroot and Path(chosen.runroot).absolute(),
        "runtime": chosen.runtime,
        "storage_driver": chosen.storage_driver or ("vfs" if emulated else None),
        "cgroup_parent": chosen.cgroup_parent,
        "bridge": chosen.bridge,
        "subnet": chosen.subnet,
        "nft_table": chosen.nft_table,
        "limits": Limits(**dict(chosen.limit)),
    }
    return Config(**{name: value for name, value in given.items() if value is not None})


def _limit(text: str) -> tuple[str, int]:
    name, _, number = text.partition("=")
    found = re.fullmatch(r"([0-9]+)([KMGT]?)", number)
    if name not in LIMITS or not found:
        raise argparse.ArgumentTypeError(f"{text!r} is not NAME=NUMBER with a NAME of {', '.join(LIMITS)}")
    return name, int(found[1]) * UNITS[found[2]]
