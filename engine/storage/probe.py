"""What the file system under the storage is and can do, found by asking and by trying."""

import os
import tempfile
from contextlib import ExitStack, suppress
from pathlib import Path

from podlink.engine.linux import mounts, syscalls
from podlink.engine.linux.mounts import escaped
from podlink.engine.storage import idmapped
from podlink.engine.storage.durable import refusals

NAMES = {
    0xEF53: "extfs",
    0x58465342: "xfs",
    0x9123683E: "btrfs",
    0x01021994: "tmpfs",
    0x794C7630: "overlayfs",
    0x2FC12FC1: "zfs",
    0xF2F52010: "f2fs",
    0xCA451A4E: "bcachefs",
    0x65735546: "fuse",
    0x6969: "nfs",
    0x01021997: "v9fs",
}
"""statfs(2), and include/uapi/linux/magic.h; spelled as GetInfo's readers know them."""


def backing_filesystem(folder: Path) -> str:
    """Its name, or its magic number where it has none here."""
    with refusals(f"storage in {folder}"):
        magic = syscalls.statfs_type(folder)
    return NAMES.get(magic, f"{magic:#x}")


def supports_d_type(folder: Path) -> bool:
    """Whether directory entries say what they are, which overlayfs needs: readdir(3).

    An entry that is asked after its file is gone has only that to answer from.
    """
    with tempfile.TemporaryDirectory(dir=folder) as place:
        path = Path(place, "file")
        path.touch()
        with os.scandir(place) as entries:
            entry = next(entries)
        path.unlink()
        with suppress(FileNotFoundError):
            return entry.is_file(follow_symlinks=False)
    return False


def native_overlay_diff(folder: Path, options: str) -> bool:
    """Whether an upper directory holds all that differs, file by file, and nothing that only overlayfs can read.

    Tried with the options that containers get: a renamed directory must not leave a mere pointer (trusted.overlay.redirect)
    there.
    """
    with tempfile.TemporaryDirectory(dir=folder) as place:
        lower, upper, work, merged = (Path(place, name) for name in ("lower", "upper", "work", "merged"))
        for each in (lower, upper, work, merged, lower / "old"):
            each.mkdir()
        (lower / "old/file").touch()
        places = f"lowerdir={escaped(lower)},upperdir={escaped(upper)},workdir={escaped(work)}"
        try:
            mounts.mount("overlay", "overlay", merged, f"{places},{options}")
        except OSError:
            return False
        try:
            with suppress(OSError):  # EXDEV: the kernel refuses, as it should, and mv(1) copies instead
                (merged / "old").rename(merged / "new")
            return not any("trusted.overlay.redirect" in os.listxattr(each) for each in upper.iterdir())
        finally:
            mounts.unmount(merged)


def maps_owners(folder: Path, overlay: str = "") -> str:
    """Why a container's files can't be shown with other owners here; empty where they can. overlay: the options of one over them.

    Tried as it is done: a folder shown with its owner mapped, an overlay on that, and a file made by whom it is mapped to.
    """
    owner = idmapped.SAMPLE.root()
    with tempfile.TemporaryDirectory(dir=folder) as place, ExitStack() as undo:
        plain, shown, merged = (Path(place, name) for name in ("plain", "shown", "merged"))
        for each in (plain, shown, merged, plain / "lower", plain / "upper", plain / "work"):
            each.mkdir()
        try:
            undo.callback(mounts.unmount, shown)
            idmapped.show(plain, shown, idmapped.SAMPLE)
            if overlay:
                undo.callback(mounts.unmount, merged)
                options = f"lowerdir=lower,upperdir=upper,workdir=work,{overlay}"
                mounts.mount_from(shown, "overlay", "overlay", merged, options, owner)
                if os.statvfs(merged).f_flag & os.ST_RDONLY:
                    return "overlayfs can't write to an idmapped mount here; it takes Linux 5.19"
        except OSError as error:
            kind = backing_filesystem(folder)
            return f"idmapped mounts of {kind} don't work here ({error.strerror}); they take Linux 5.19, on tmpfs 6.3"
    return ""
