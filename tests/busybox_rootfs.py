"""A root file system to run things in: the host's busybox and a few files that tests look at."""

import io
import shutil
import subprocess
import tarfile
from pathlib import Path


def write_busybox(path: Path) -> Path:
    """A root file system tarball: static busybox and its applets. Where the host has none, an empty file stands in for it,
    which is all that the emulator looks at."""
    found = shutil.which("busybox")
    binary = Path(found).read_bytes() if found else b""
    with tarfile.open(path, "w") as tar:

        def add(name: str, kind: bytes = tarfile.REGTYPE, mode: int = 0o755, data: bytes = b"", link: str = "") -> None:
            entry = tarfile.TarInfo(name)
            entry.type, entry.mode, entry.size, entry.linkname, entry.mtime = kind, mode, len(data), link, 1_700_000_000
            tar.addfile(entry, io.BytesIO(data))

        for folder in ("bin", "etc", "proc", "sys", "dev", "run", "root", "home"):
            add(folder, tarfile.DIRTYPE)
        add("tmp", tarfile.DIRTYPE, 0o1777)
        add(
            "etc/passwd",
            data=b"root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\nada:x:1000:1001::/home:/bin/sh\n",
            mode=0o644,
        )
        add("etc/group", data=b"root:x:0:\nstaff:x:1001:\nwheel:x:10:root,ada\nnogroup:x:65534:\n", mode=0o644)
        add("bin/busybox", data=binary)
        add("bin/noexec", data=b"not a program\n", mode=0o644)
        add("bin/garbage", data=b"\x00\x01 neither a script nor a program\n")
        for name, target in busybox_entries():
            add(name, tarfile.SYMTYPE, link=target)
    return path


def busybox_entries() -> list[tuple[str, str]]:
    """The applets of the host's static busybox, or the few that the emulator's userland has, as (name, link target)."""
    found = shutil.which("busybox")
    listed = subprocess.run([found, "--list"], capture_output=True, text=True, check=True).stdout.split() if found else []
    few = "cat date echo env false grep head hostname id kill ls mkdir printf ps pwd rm seq sh sleep tail test touch true wc"
    return [(f"bin/{name}", "busybox") for name in listed or few.split() if name != "busybox"]
