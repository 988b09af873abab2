"""The directories of our own volumes: made with the container, filled at its first start with what the image has there.

ROOT/volumes/data/_data           a named volume
ROOT/volumes/data/filled          an empty file: it was filled, and is never filled again
ROOT/containers/ID/volumes/…      the same for an anonymous one
"""

import os
import shutil
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

from podlink.engine.host import Host
from podlink.engine.linux import portable
from podlink.engine.linux.safepath import open_inside
from podlink.engine.oci.spec.values import ContainerConfig, Volume
from podlink.engine.storage.copy import copy_tree
from podlink.engine.storage.durable import sync_directory

MARK = "filled"


def make_volumes(host: Host, container: str, config: ContainerConfig, undo: ExitStack) -> None:
    """Make the directories that are missing; what is made here goes again should the creation fail."""
    for volume in _ours(config):
        data = Path(volume.source)
        if data.is_dir():
            continue
        if not data.is_relative_to(host.directory(container)):
            undo.callback(_remove_unused, data)
        data.mkdir(parents=True, mode=0o755, exist_ok=True)
        if (maps := config.id_maps()) and os.geteuid() == 0:
            os.chown(data, *maps.root())
        sync_directory(data.parent)


def fill_volumes(config: ContainerConfig, rootfs: Path) -> None:
    """Fill the volumes that were not filled yet from the mounted root, at their places in it."""
    for volume in _ours(config):
        data = Path(volume.source)
        mark = data.parent / MARK
        if mark.exists():
            continue
        if not any(data.iterdir()):
            _copy(rootfs, volume.destination, data)
        mark.touch()


def _ours(config: ContainerConfig) -> Iterator[Volume]:
    return (volume for volume in config.volumes if volume.seed)


def _copy(rootfs: Path, place: str, data: Path) -> None:
    """place: a path of the image, so it is opened as from inside; an image with no directory there fills nothing."""
    root = os.open(rootfs, portable.THROUGH)
    try:
        found = open_inside(root, os.fsencode(place), os.O_RDONLY | os.O_DIRECTORY)
    except OSError:
        return
    finally:
        os.close(root)
    try:
        copy_tree(Path(portable.way_to(found)), data)
    finally:
        os.close(found)


def _remove_unused(data: Path) -> None:
    """A named volume that was made for a container that came to nothing. Somebody else may have filled it since."""
    if not (data.parent / MARK).exists() and not any(data.iterdir()):
        shutil.rmtree(data.parent, ignore_errors=True)
