"""A root file system from the host's static busybox: the smallest image that can do something.

The archive is the same to the last byte on every run, because its entries have fixed times and owners. So is the
digest of the layer that the engine makes of it.
"""

import io
import shutil
import subprocess
import tarfile
from pathlib import Path

FOLDERS = ("bin", "dev", "etc", "proc", "root", "run", "sys", "tmp")
MADE_AT = 1_700_000_000
"""Seconds since the epoch; any fixed moment will do."""

EMULATED = ("cat", "date", "echo", "false", "hostname", "id", "ls", "ps", "sh", "sleep", "true")
"""Stand-ins for where there is no busybox: the emulator has its own of these and looks only whether the file is there."""


def write(path: Path) -> Path:
    """Write the tar of a root file system; the answer is its path."""
    busybox = shutil.which("busybox")
    content = Path(busybox).read_bytes() if busybox else b""
    with tarfile.open(path, "w") as tar:
        for folder in FOLDERS:
            _add(tar, folder, tarfile.DIRTYPE, mode=0o1777 if folder == "tmp" else 0o755)
        _add(tar, "etc/passwd", tarfile.REGTYPE, b"root:x:0:0:root:/root:/bin/sh\n", mode=0o644)
        _add(tar, "etc/group", tarfile.REGTYPE, b"root:x:0:\n", mode=0o644)
        _add(tar, "bin/busybox", tarfile.REGTYPE, content)
        for name in _applets(busybox):
            _add(tar, f"bin/{name}", tarfile.SYMTYPE, link="busybox")
    return path


def _applets(busybox: str | None) -> list[str]:
    """The commands that this busybox is made of."""
    if busybox is None:
        return list(EMULATED)
    listed = subprocess.run([busybox, "--list"], capture_output=True, text=True, check=True).stdout.split()
    return sorted(set(listed) - {"busybox"})


def _add(tar: tarfile.TarFile, name: str, kind: bytes, data: bytes = b"", mode: int = 0o755, link: str = "") -> None:
    entry = tarfile.TarInfo(name)
    entry.type, entry.mode, entry.size, entry.linkname, entry.mtime = kind, mode, len(data), link, MADE_AT
    tar.addfile(entry, io.BytesIO(data))
