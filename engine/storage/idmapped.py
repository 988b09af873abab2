"""Root file systems of containers with a user namespace of their own: on the disk the container's IDs, in the mount the host's.

    disk      upper, layers: root is 0          what changes, Commit, Export read: the same for every container
      │ store    an idmapped mount of the driver's folder, for the moment in which the overlay is mounted
      ▼
    rootfs    the overlay: root is 100000       what the container runs on, and sees as 0 again

An overlay itself can't be idmapped (EINVAL, up to Linux 6.18), what it is made of can (Linux 5.19). Files that are made in the
container pass the same mapping on their way to the disk, so nothing is ever copied or changed its owner.

    /run/podlink/roots/         for everybody to pass through
      81ac03f2/                 the same; one for each driver's folder, by a digest of its path
        4f1d…/                  for the container's root to pass through (its group), and for nobody else
          store  rootfs

They are here and not beside the container's files, for the runtime looks for the root file system as the container's root,
who may not pass the folders of the engine: path_resolution(7).
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from podlink.engine.config import RUN, digest_of
from podlink.engine.linux import mounts, userns
from podlink.engine.oci.spec.values import IDMaps, IDRange

ROOTS = RUN / "roots"
SAMPLE = IDMaps((IDRange(0, 100_000, 1),), (IDRange(0, 100_000, 1),))


class MappedRoots:
    """The mapped roots of the containers of one driver. root: the driver's folder."""

    def __init__(self, root: Path) -> None:
        self._root = root.resolve()
        self.folder = ROOTS / digest_of(self._root)

    def rootfs(self, container: str) -> Path:
        """Where the container's root is mounted while it is mapped."""
        return self.folder / container / "rootfs"

    def prepare(self, container: str, maps: IDMaps) -> Path:
        """Make the folders, and answer that of the root."""
        own = self.folder / container
        while not own.exists():
            with suppress(FileNotFoundError):  # another one's end may take the folder away between any two of these calls
                for folder in (RUN, ROOTS, self.folder):
                    folder.mkdir(mode=0o711, exist_ok=True)
                    folder.chmod(0o711)  # whatever the umask
                own.mkdir(mode=0o700, exist_ok=True)
        os.chown(own, 0, maps.root()[1])
        own.chmod(0o710)
        self.rootfs(container).mkdir(exist_ok=True)
        return self.rootfs(container)

    @contextmanager
    def store(self, container: str, maps: IDMaps) -> Iterator[Path]:
        """The driver's folder, its owners mapped, for as long as the block lasts. What is mounted of it then stays mounted."""
        place = self.folder / container / "store"
        place.mkdir(exist_ok=True)
        show(self._root, place, maps)
        try:
            yield place
        finally:
            mounts.unmount(place)
            place.rmdir()

    def clear(self, container: str) -> None:
        """Take all of it away. Again is no error."""
        own = self.folder / container
        if not own.exists():
            return
        for name in ("rootfs", "store"):
            if (own / name).exists():
                mounts.unmount(own / name)
                (own / name).rmdir()
        for folder in (own, self.folder):
            with suppress(OSError):  # the last one's is not empty while there are others
                folder.rmdir()


def show(source: Path, target: Path, maps: IDMaps) -> None:
    """Mount a directory a second time, its owners mapped."""
    with userns.new(_triples(maps.uids), _triples(maps.gids)) as namespace:
        mounts.mount_idmapped(source, target, namespace, _described(maps))


def _triples(ranges: tuple[IDRange, ...]) -> list[tuple[int, int, int]]:
    return [(each.inside, each.outside, each.size) for each in ranges]


def _described(maps: IDMaps) -> str:
    """As mount(8) has it: `u:0:100000:65536 g:0:100000:65536`."""
    kinds = (("u", maps.uids), ("g", maps.gids))
    return " ".join(f"{kind}:{each.inside}:{each.outside}:{each.size}" for kind, ranges in kinds for each in ranges)
