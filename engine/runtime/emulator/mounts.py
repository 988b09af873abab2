"""The `mounts` of a spec, as far as an emulated container can have them: runtime-spec, config.md, "Mounts".

    bind           the source itself, read-only where the options say `ro`
    tmpfs          an empty directory, gone with the run; /dev and /dev/shm are two of them
    proc, sysfs …  what only a kernel can show: passed over

As runc does it, a mount point that the image lacks is made in the root file system, and stays there. But for the file that is
bound into every container (`/run/.containerenv`): for its sake alone nobody gets a root file system of their own.
"""

import errno
import os
import posixpath
import shutil
import stat
import tempfile
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from podlink.engine.oci.spec.mounts import MARK
from podlink.engine.runtime.emulator.channels import DEVICES, RANDOM
from podlink.engine.runtime.emulator.tree import Place, Tree, refusal

MODE = "mode="
SHARED_MEMORY = "/dev/shm"
USUAL, FREE = 0o755, 0o1777
"""Modes where the options say none: FREE is that of tmpfs(5)."""


class Blanks:
    """File systems in memory as they are in the beginning, each once for all runs. Whoever writes gets a copy (`Tree.mount`)."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._folder: Path | None = None
        self._made: dict[str, Path] = {}

    def find(self, destination: str, mode: int) -> Path:
        """The one for this place: /dev has the devices in it, the others nothing."""
        name = f"dev-{mode:o}" if destination == "/dev" else f"{mode:o}"
        with self._lock:
            if self._folder is None:
                self._folder = Path(tempfile.mkdtemp(prefix="podlink-"))
            if name not in self._made:
                blank = self._folder / name
                blank.mkdir()
                if destination == "/dev":
                    _fill_devices(blank)
                blank.chmod(mode)
                self._made[name] = blank
            return self._made[name]

    def close(self) -> None:
        """Nobody runs any more. Again is no error."""
        if self._folder:
            shutil.rmtree(self._folder, ignore_errors=True)
            self._folder, self._made = None, {}


@dataclass(frozen=True, slots=True)
class Wanted:
    """A mount of the spec that can be had. source: of a bind mount; None: a file system in memory."""

    destination: str
    options: Sequence[str]
    source: str | None
    is_folder: bool

    @property
    def readonly(self) -> bool:
        return "ro" in self.options

    @property
    def copies_up(self) -> bool:
        return "tmpcopyup" in self.options

    def mode(self, usual: int) -> int:
        """Of a file system in memory."""
        return next((int(each.removeprefix(MODE), 8) for each in reversed(self.options) if each.startswith(MODE)), usual)


def mount_all(tree: Tree, spec: Mapping[str, Any], blanks: Blanks) -> None:
    """Mount everything, in order, each on what the ones before have made. Raises OSError.

    In a root that is shared most containers want the same at the same places, and nothing has to be made: then where that is, is
    found once. What lies in a directory of the host may be another one each time.
    """
    wanted = [found for entry in spec.get("mounts", ()) if (found := _wanted(entry))]
    layout = tuple((each.destination, each.is_folder) for each in wanted)
    known = tree.ways.layouts.get(layout) if tree.ways else None
    places = []
    for number, each in enumerate(wanted):
        is_new = each.copies_up and not known and not _is_there(tree, each.destination)
        places.append(known[number] if known else _mount_point(tree, each))
        if each.source is not None:
            tree.mount(places[-1], each.source, each.readonly)
        else:
            _memory(tree, places[-1], each, blanks, is_new)
    if tree.ways and not tree.is_prepared and not any(each.is_folder and each.source for each in wanted):
        tree.ways.layouts[layout] = places


def _wanted(entry: Mapping[str, Any]) -> Wanted | None:
    options = entry.get("options", ())
    if entry["type"] == "bind" or "bind" in options or "rbind" in options:
        return Wanted(entry["destination"], options, entry["source"], stat.S_ISDIR(_mode(entry["source"])))
    return Wanted(entry["destination"], options, None, True) if entry["type"] == "tmpfs" else None


def _mode(source: str) -> int:
    """Of what is there, through links. Raises OSError (ENOENT)."""
    try:
        mode = os.lstat(source).st_mode
        return Path(source).stat().st_mode if stat.S_ISLNK(mode) else mode
    except OSError:
        raise refusal(errno.ENOENT, source) from None


def _is_there(tree: Tree, path: str) -> bool:
    with suppress(OSError):  # no directory on the way
        return bool(tree.way(path).mode)
    return False


def _mount_point(tree: Tree, wanted: Wanted) -> Place:
    """Where it is to be mounted, which is there from now on."""
    if wanted.is_folder:
        tree.make_directories(wanted.destination)
    else:
        tree.make_directories(posixpath.dirname(wanted.destination))
        if wanted.destination != MARK and not tree.way(wanted.destination).mode:
            tree.prepared(wanted.destination).touch()
    return tree.way(wanted.destination).inside


def _memory(tree: Tree, place: Place, wanted: Wanted, blanks: Blanks, is_new: bool) -> None:
    """is_new: the mount point was not there. Where it was, runc gives a file system that begins as its copy the mode of it."""
    blank = blanks.find(wanted.destination, wanted.mode(USUAL))

    def copy() -> Path:
        return Path(shutil.copytree(blank, tree.folder(), symlinks=True, dirs_exist_ok=True))

    if wanted.copies_up:
        folder = copy()
        shutil.copytree(tree.host(wanted.destination), folder, symlinks=True, dirs_exist_ok=True)
        if is_new:
            folder.chmod(wanted.mode(FREE))
        tree.mount(place, folder, wanted.readonly)
    else:
        tree.mount(place, blank, wanted.readonly, copy)


def _fill_devices(folder: Path) -> None:
    for path in (*DEVICES, *RANDOM, f"{SHARED_MEMORY}/"):
        place = folder / posixpath.relpath(path, "/dev")
        place.mkdir() if path.endswith("/") else place.touch()
