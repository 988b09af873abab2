"""The `mounts` of a spec, as far as an emulated container can have them: runtime-spec, config.md, "Mounts".

    bind           the source itself, read-only where the options say `ro`
    tmpfs          an empty directory of the run's scratch folder, gone with the run; /dev and /dev/shm are two of them
    proc, sysfs …  what only a kernel can show: passed over

As runc does it, a mount point that the image lacks is made in the root file system, and stays there.
"""

import errno
import posixpath
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from podlink.engine.runtime.emulator.channels import DEVICES
from podlink.engine.runtime.emulator.tree import Tree, refusal

MODE = "mode="
SHARED_MEMORY = "/dev/shm"


def mount_all(tree: Tree, spec: Mapping[str, Any], scratch: Path) -> None:
    """Mount everything, in order, each on what the ones before have made. Raises OSError."""
    for number, entry in enumerate(spec.get("mounts", ())):
        options = entry.get("options", ())
        if entry["type"] == "bind" or {"bind", "rbind"} & set(options):
            _bind(tree, entry["destination"], Path(entry["source"]), "ro" in options)
        elif entry["type"] == "tmpfs":
            _memory(tree, entry["destination"], options, scratch / str(number))


def _bind(tree: Tree, destination: str, source: Path, readonly: bool) -> None:
    if source.is_dir():
        tree.make_directories(destination)
    elif source.exists():
        tree.make_directories(posixpath.dirname(destination))
        tree.host(destination).touch()
    else:
        raise refusal(errno.ENOENT, str(source))
    tree.mount(destination, source, readonly)


def _memory(tree: Tree, destination: str, options: list[str], folder: Path) -> None:
    folder.mkdir()
    tree.make_directories(destination)
    if "tmpcopyup" in options:
        shutil.copytree(tree.host(destination), folder, symlinks=True, dirs_exist_ok=True)
    for option in options:
        if option.startswith(MODE):
            folder.chmod(int(option.removeprefix(MODE), 8))
    tree.mount(destination, folder, "ro" in options)
    if destination == "/dev":
        for path in DEVICES:
            tree.host(path).touch()
