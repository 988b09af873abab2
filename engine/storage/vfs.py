"""Layers and containers as plain directories, each a whole copy of what it stands on. No kernel feature, no root.

    ROOT/
      9f86d081…/tree              this layer and all below it
      containers/4f1d…/tree       the container's root file system
      containers/4f1d…/layers     chain IDs, base first, a line each
      containers/4f1d…/made       an empty file: its time of change (st_ctime) is when the copy was complete
      containers/4f1d…/owners     where the kernel can't show a tree with mapped owners: to whose IDs the copy was given, as JSON

Slow and large, and right: what overlayfs makes up at each look is carried out here once. What a container has changed since is
told by the time of change of each file, which nobody can set: what is later than `made`. So `usage` looks at every file's inode,
at no file's data, and counts a file whole that was changed in any way, as overlayfs does. A root that is restored from a backup
counts as all changed.
"""

import json
import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict
from functools import cached_property
from pathlib import Path

from podlink.engine.errors import StorageFailed
from podlink.engine.linux import mounts, portable, trees
from podlink.engine.linux.safepath import read_inside
from podlink.engine.oci.layer.owners import Owners
from podlink.engine.oci.layer.whiteouts import Whiteouts
from podlink.engine.oci.spec.values import IDMaps, IDRange
from podlink.engine.storage import idmapped, probe
from podlink.engine.storage.changes import Change, Plain, Stack, of_tree
from podlink.engine.storage.copy import copy_tree
from podlink.engine.storage.directories import DirectoryDriver
from podlink.engine.storage.driver import Staging
from podlink.engine.storage.durable import refusals


class VfsDriver(DirectoryDriver):
    """The driver that works everywhere. Safe to use from several threads and processes; a container's lock is the caller's
    to hold.
    """

    name = "vfs"
    whiteouts = Whiteouts.APPLY
    contents = "tree"
    stacks = False

    def __init__(self, root: Path, *, owners: bool = True) -> None:
        """owners: whether files have owners that count. An emulated host knows none."""
        super().__init__(root)
        self._owners = owners

    def status(self) -> dict[str, str]:
        with refusals(f"storage in {self.root}"), self._scratch() as path:
            return {
                "backing_filesystem": probe.backing_filesystem(path),
                "native_overlay_diff": "false",
                "supports_d_type": str(probe.supports_d_type(path)).lower(),
            }

    def stage(self, parents: Sequence[str], over: Staging | None = None) -> Staging:
        self._require(parents)
        with refusals("a new layer"), self._making() as path:
            return Staging(self._copied(path, over.path if over else self._top(parents)), self.whiteouts)

    def create(self, container: str, layers: Sequence[str], maps: IDMaps | None = None) -> None:
        self._require(layers)
        target = self._container(container)
        owners = Owners(maps) if maps and self._owners and self._refusal else None
        with refusals(f"container {container}"), self._making() as path:
            self._copied(path, self._top(layers), owners)
            if owners:
                (path / "owners").write_text(json.dumps(asdict(owners.maps)))
            self._list(path, layers)
            self._complete(path)
            self._publish(path, target)

    def mount(self, container: str, maps: IDMaps | None = None) -> Path:
        """The copy itself: there is nothing to mount. Where owners are mapped, an idmapped mount of it."""
        tree = self._existing(container) / self.contents
        if not (maps and self._owners):
            return tree
        with refusals(f"container {container}: mount of its root"):
            place = self._mapped.prepare(container, maps)
            if not mounts.is_mounted(place):
                if (given := self.owners(container)) is None:
                    idmapped.show(tree, place, maps)
                elif given.maps == maps:
                    mounts.bind(tree, place)
                else:
                    raise StorageFailed(f"container {container}: its files were given to other IDs than those it is to have now")
        return place

    def owners(self, container: str) -> Owners | None:
        path = self._existing(container) / "owners"
        if not path.exists():
            return None
        try:
            found = json.loads(path.read_bytes())
            return Owners(IDMaps(*(tuple(IDRange(**each) for each in found[kind]) for kind in ("uids", "gids"))))
        except (ValueError, TypeError, KeyError) as error:
            raise StorageFailed(f"{path} can't be read: {error}; whose the container's files are is not known") from error

    def maps_owners(self) -> str:
        """Without the kernel's help the copy, which there is anyway, is given to others."""
        return ""

    @cached_property
    def _refusal(self) -> str:
        if not self._owners:
            return ""
        with refusals(f"storage in {self.root}"), self._scratch() as path:
            return probe.maps_owners(path)

    @contextmanager
    def seen(self, container: str) -> Iterator[Path]:
        yield self._existing(container) / self.contents

    def read(self, container: str, path: str, limit: int) -> bytes | None:
        with refusals(f"container {container}"), self.seen(container) as root:
            return read_inside(root, path, limit)

    def unmount(self, container: str) -> None:
        """Mostly nothing to do: what is not mounted stays."""
        with refusals(f"container {container}: unmount of its root"):
            self._mapped.clear(container)

    def delete(self, container: str) -> None:
        self.unmount(container)
        with refusals(f"container {container}"):
            self._bury(self._container(container))

    def usage(self, container: str) -> int:
        """The sizes of the files that were made or changed since the container was made, each once however many names it has."""
        path = self._existing(container)
        sizes: dict[int, int] = {}
        with refusals(f"container {container}"):
            made = (path / "made").stat().st_ctime_ns
            for _, entry in trees.walk(path / self.contents):
                with suppress(FileNotFoundError):
                    status = entry.stat(follow_symlinks=False)
                    if status.st_ctime_ns > made and not entry.is_dir(follow_symlinks=False):
                        sizes[status.st_ino] = status.st_size
        return sum(sizes.values())

    def changes(self, container: str) -> list[Change]:
        path = self._existing(container)
        layers = (path / "layers").read_text().split()
        below = Plain(os.fsencode(self.contents_of(layers[-1]))) if layers else Stack([])
        with refusals(f"container {container}"):
            made = (path / "made").stat().st_ctime_ns
            return of_tree(path / self.contents, below, made, self.owners(container))

    def written(self, container: str) -> Path:
        return self._existing(container) / self.contents

    def place(self, container: str) -> dict[str, str]:
        tree = self._existing(container) / self.contents
        return {"MergedDir": str(mapped if (mapped := self._mapped.rootfs(container)).exists() else tree)}

    def _list(self, path: Path, layers: Sequence[str]) -> None:
        (path / "layers").write_text("".join(f"{layer}\n" for layer in layers))

    def _complete(self, path: Path) -> None:
        """From now on, whatever is changed is the container's doing."""
        (path / "made").touch()
        _next_tick((path / "made").stat().st_ctime_ns)

    def _top(self, layers: Sequence[str]) -> Path | None:
        """The topmost layer, which has all below it in it."""
        return self.contents_of(layers[-1]) if layers else None

    def _copied(self, path: Path, below: Path | None, owners: Owners | None = None) -> Path:
        """The contents to begin with: a copy of what is below."""
        tree = path / self.contents
        tree.mkdir()
        if below:
            copy_tree(below, tree, owners)
        else:
            tree.chmod(0o755)  # whatever the umask
            if owners:
                os.chown(tree, *owners.maps.root())
        return tree


def _next_tick(stamp: int) -> None:
    """Wait, some milliseconds, until whatever is changed from now on gets a later time than this."""
    while portable.stamp() <= stamp:
        time.sleep(0.001)
