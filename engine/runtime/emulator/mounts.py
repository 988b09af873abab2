"""The `mounts` of a spec, as far as an emulated container can have them: runtime-spec, config.md, "Mounts".

    bind           the source itself, read-only where the options say `ro`
    tmpfs          an empty directory, gone with the run; /dev and /dev/shm are two of them
    proc, sysfs …  what only a kernel can show: passed over

As runc does it, a mount point that the image lacks is made in the root file system, and stays there. But for the file that is
bound into every container (`/run/.containerenv`): for its sake alone nobody gets a root file system of their own.
"""

import errno
import posixpath
import shutil
import tempfile
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from podlink.engine.oci.spec.mounts import MARK
from podlink.engine.runtime.emulator.channels import DEVICES
from podlink.engine.runtime.emulator.tree import Tree, refusal

MODE = "mode="
SHARED_MEMORY = "/dev/shm"
USUAL = 0o777


class Blanks:
    """File systems in memory as they are in the beginning, each once for all runs. Whoever writes gets a copy (`Tree.mount`)."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._folder: Path | None = None

    def find(self, destination: str, mode: int) -> Path:
        """The one for this place: /dev has the devices in it, the others nothing."""
        name = f"dev-{mode:o}" if destination == "/dev" else f"{mode:o}"
        with self._lock:
            if self._folder is None:
                self._folder = Path(tempfile.mkdtemp(prefix="podlink-"))
            blank = self._folder / name
            if not blank.exists():
                blank.mkdir()
                if destination == "/dev":
                    _fill_devices(blank)
                blank.chmod(mode)
        return blank

    def close(self) -> None:
        """Nobody runs any more. Again is no error."""
        if self._folder:
            shutil.rmtree(self._folder, ignore_errors=True)
            self._folder = None


def mount_all(tree: Tree, spec: Mapping[str, Any], blanks: Blanks) -> None:
    """Mount everything, in order, each on what the ones before have made. Raises OSError."""
    for entry in spec.get("mounts", ()):
        options = entry.get("options", ())
        if entry["type"] == "bind" or {"bind", "rbind"} & set(options):
            _bind(tree, entry["destination"], Path(entry["source"]), "ro" in options)
        elif entry["type"] == "tmpfs":
            _memory(tree, entry["destination"], options, blanks)


def _bind(tree: Tree, destination: str, source: Path, readonly: bool) -> None:
    if source.is_dir():
        tree.make_directories(destination)
    elif source.exists():
        tree.make_directories(posixpath.dirname(destination))
        if destination != MARK and not tree.host(destination).exists():
            tree.prepared(destination).touch()
    else:
        raise refusal(errno.ENOENT, str(source))
    tree.mount(destination, source, readonly)


def _memory(tree: Tree, destination: str, options: list[str], blanks: Blanks) -> None:
    tree.make_directories(destination)
    modes = [int(option.removeprefix(MODE), 8) for option in options if option.startswith(MODE)]
    blank = blanks.find(destination, modes[-1] if modes else USUAL & ~0o022)

    def copy() -> Path:
        return Path(shutil.copytree(blank, tree.folder(), symlinks=True, dirs_exist_ok=True))

    if "tmpcopyup" in options:
        folder = copy()
        shutil.copytree(tree.host(destination), folder, symlinks=True, dirs_exist_ok=True)
        tree.mount(destination, folder, "ro" in options)
    else:
        tree.mount(destination, blank, "ro" in options, copy)


def _fill_devices(folder: Path) -> None:
    for path in (*DEVICES, f"{SHARED_MEMORY}/"):
        place = folder / posixpath.relpath(path, "/dev")
        place.mkdir() if path.endswith("/") else place.touch()
