"""A file system of any kind in a file: what a disk would be."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

SIZES = {"ext4": 2**22, "xfs": 2**29, "btrfs": 2**28}
"""Bytes, of which few are taken: little more than the least that mkfs(8) agrees to."""


@contextmanager
def loop_disk(folder: Path, kind: str, *options: str, size: int = 0) -> Iterator[Path]:
    """Where it is mounted, for as long as the block lasts: loop(4). options: for mkfs(8), which may be not there (OSError).

    Raises CalledProcessError where the kernel has no such file system, or no such devices.
    """
    image, place = folder / f"{kind}.image", folder / kind
    place.mkdir()
    with image.open("wb") as file:
        file.truncate(size or SIZES[kind])
    subprocess.run([f"mkfs.{kind}", "-q", *options, image], check=True, capture_output=True)
    subprocess.run(["mount", "-o", "loop", image, place], check=True, capture_output=True)
    try:
        yield place
    finally:
        subprocess.run(["umount", "-l", place], check=True)
