"""A layer that brings code: who loads a codec, a name service or a character set in it runs as root what the layer wants.

Each piece of code leaves a mark when it is loaded. That the marks would be seen is tried too, by a process that goes into the
same layer with the same rights and loads what the one that unpacks must not.
"""

import encodings
import os
import subprocess
import sys
import sysconfig
import tarfile
from pathlib import Path
from typing import Any

import pytest
from tars import member, tar
from yard import Yard

from podlink.engine.errors import InvalidArchive

pytestmark = pytest.mark.needs("root", "gcc")

MULTIARCH = sysconfig.get_config_var("MULTIARCH") or ""
LIBRARIES = [f"{top}{lib}" for top in ("", "usr/") for lib in ("lib", "lib64", f"lib/{MULTIARCH}")]
"""Where libc looks, by the habits of the distributions."""
PYTHON = str(Path(encodings.__file__).parent.parent).lstrip("/")
SOURCE = """
#include <fcntl.h>
#include <unistd.h>
__attribute__((constructor)) static void loaded(void) { close(open(MARK, O_CREAT | O_WRONLY, 0600)); }
int gconv_init(void *step) { return 0; }
int gconv(void) { return 0; }
"""
"""gconv and gconv_init: libc looks for them in a module of character sets."""
CHARACTER_SETS = {
    "gconv-modules": ("one", ("LAYER-ONE", "ISO-8859-1", "ANSI_X3.4-1968")),
    "gconv-modules.d/layer.conf": ("two", ("LAYER-TWO", "UTF-16", "CP1252")),
}
"""Two lists of modules: the file, the module, and what it claims to convert."""
MARKS = {"owned-by-python", "owned-by-nss", "owned-by-one", "owned-by-two"}
UNCONFINED = """
import ctypes, os
libc = ctypes.CDLL(None)
os.chroot(".")
os.chdir("/")
libc.iconv_open(b"LAYER-ONE//", b"UTF-8")
libc.iconv_open(b"LAYER-TWO//", b"UTF-8")
libc.getpwnam(b"somebody")
try:
    "x".encode("idna")
finally:
    os._exit(0)
"""


def library(folder: Path, name: str) -> bytes:
    """A shared object that does nothing but leave its mark when it is loaded."""
    made = folder / f"{name}.so"
    command = ["gcc", "-shared", "-fPIC", "-nostdlib", f'-DMARK="/owned-by-{name}"', "-x", "c", "-o", str(made), "-"]
    subprocess.run(command, input=SOURCE.encode(), check=True, capture_output=True)
    return made.read_bytes()


def evil(folder: Path) -> list[tuple[tarfile.TarInfo, bytes]]:
    """The members of such a layer, in every place where something of the kind is looked for."""
    code = b"open('/owned-by-python', 'w')\n"
    members = [
        member(f"{place}/{name}.py", content=code)
        for place in ("encodings", f"{PYTHON}/encodings", PYTHON, "")
        for name in ("idna", "json", "os", "stat", "punycode")
    ]
    names = library(folder, "nss")
    members.append(member("etc/nsswitch.conf", content=b"passwd: layer\ngroup: layer\nhosts: layer\n"))
    members += [member(f"{place}/libnss_layer.so.2", content=names) for place in LIBRARIES]
    for path, (module, sets) in CHARACTER_SETS.items():
        content = library(folder, module)
        text = "".join(f"module {each}// INTERNAL {module} 1\nmodule INTERNAL {each}// {module} 1\n" for each in sets)
        for place in LIBRARIES:
            members += [member(f"{place}/gconv/{path}", content=text.encode())]
            members += [member(f"{place}/gconv/{module}.so", content=content, mode=0o755)]
    return members


def marks(yard: Any) -> set[str]:
    return {path.name for path in yard.root.glob("owned-by-*")}


def test_what_a_layer_brings_is_not_run_while_it_is_unpacked(tmp_path: Path) -> None:
    folder = tmp_path / "yard"
    folder.mkdir()
    yard = Yard(folder, privileged=True)
    odd = [member(os.fsdecode(name), content=b"") for name in (b"\xff\xfe", "grüße".encode(), b"\xc3\x28")]
    refused = member("a/" * 3 + "..", content=b"")
    yard.unpack(tar(*evil(tmp_path), *odd, format=tarfile.GNU_FORMAT))
    yard.unpack(tar(*odd, member("etc/file", uid=12, gid=34, uname="somebody", gname="some"), format=tarfile.GNU_FORMAT))
    with pytest.raises(InvalidArchive, match=r"\.\."):
        yard.unpack(tar(*odd, refused, format=tarfile.GNU_FORMAT))
    assert marks(yard) == set()
    subprocess.run([sys.executable, "-I", "-S", "-c", UNCONFINED], cwd=yard.root, env={"LC_ALL": "C"}, check=True)
    assert marks(yard) == MARKS, "the layer's code is not loaded even where nothing keeps it from being"
    yard.assert_untouched()
