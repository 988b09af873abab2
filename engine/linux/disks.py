"""Disks, as the kernel tells of them below /sys/dev/block (sysfs(5)). number: of a block device, as in `st_rdev` of stat(2)."""

import os
import re
from pathlib import Path

ROOT = Path("/sys/dev/block")


def is_partition(number: int, root: Path = ROOT) -> bool:
    """Whether it is a part of a disk: control groups know whole disks alone."""
    return (_place(number, root) / "partition").exists()


def scheduler(number: int, root: Path = ROOT) -> str:
    """Who puts the disk's requests in order, as `mq-deadline`; `none` for nobody."""
    try:
        text = (_place(number, root) / "queue" / "scheduler").read_text()
    except FileNotFoundError:  # a disk without a queue, as zram
        return "none"
    found = re.search(r"\[(.+)\]", text)
    return found[1] if found else text.strip()


def _place(number: int, root: Path) -> Path:
    return root / f"{os.major(number)}:{os.minor(number)}"
