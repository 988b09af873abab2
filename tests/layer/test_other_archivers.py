"""Archives that others write: read as tarfile reads them, and unpacked as GNU tar unpacks them."""

import gzip
import io
import json
import os
import stat
import subprocess
import tarfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tars import tar

from podlink.engine.config import Limits
from podlink.engine.oci.layer.archive import Archive
from podlink.engine.oci.layer.compression import decompressed
from podlink.engine.oci.layer.entry import Kind
from podlink.engine.oci.layer.unpack import unpack
from podlink.engine.oci.layer.whiteouts import Whiteouts

KINDS = {
    tarfile.REGTYPE: Kind.FILE,
    tarfile.DIRTYPE: Kind.DIRECTORY,
    tarfile.SYMTYPE: Kind.SYMLINK,
    tarfile.LNKTYPE: Kind.HARD_LINK,
    tarfile.FIFOTYPE: Kind.FIFO,
    tarfile.CHRTYPE: Kind.CHARACTER,
    tarfile.BLKTYPE: Kind.BLOCK,
}
Described = tuple[Any, ...]


def described(found: tarfile.TarInfo, data: bytes) -> Described:
    """A member as tarfile has it, in the words of ours."""
    kind = KINDS[found.type]
    name = os.fsencode(found.name)
    link = os.fsencode(found.linkname) if kind in (Kind.SYMLINK, Kind.HARD_LINK) else b""
    device = (found.devmajor, found.devminor) if kind in (Kind.CHARACTER, Kind.BLOCK) else None
    return name, kind, found.mode, found.uid, found.gid, int(found.mtime), link, device, data


def read_by_us(content: bytes) -> list[Described]:
    found = []
    for entry, data in Archive(io.BytesIO(content), Limits()):
        device = entry.device if entry.kind in (Kind.CHARACTER, Kind.BLOCK) else None
        bytes_of = b"".join(data.pieces())
        seconds = entry.mtime // 10**9
        found.append((entry.name, entry.kind, entry.mode, entry.uid, entry.gid, seconds, entry.link, device, bytes_of))
    return found


def read_by_tarfile(content: bytes) -> list[Described]:
    with tarfile.open(fileobj=io.BytesIO(content)) as archive:
        return [described(each, each_data(archive, each)) for each in archive]


def each_data(archive: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    file = archive.extractfile(member) if member.isreg() else None
    return file.read() if file else b""


@st.composite
def members(draw: st.DrawFn, format: int) -> tuple[tarfile.TarInfo, bytes]:
    """A member that this format can hold. Its name is not cleaned up by either reader."""
    most, ids = (0o77777777777, 0o7777777) if format == tarfile.USTAR_FORMAT else (2**33, 2**32 - 2)
    letters = st.text("abcXYZ019 _-+=@é☃", min_size=1, max_size=20).map(str.strip).filter(bool)
    longest = 4 if format == tarfile.USTAR_FORMAT else 12
    paths = st.lists(letters, min_size=1, max_size=longest).map("/".join)
    if format == tarfile.USTAR_FORMAT:
        paths = paths.filter(lambda path: len(path.encode()) <= 99)
    info = tarfile.TarInfo(draw(paths))
    info.type = draw(st.sampled_from(list(KINDS)))
    info.mode, info.mtime = draw(st.integers(0, 0o7777)), draw(st.integers(0, min(most, 2**35)))
    info.uid, info.gid = draw(st.integers(0, ids)), draw(st.integers(0, ids))
    data = draw(st.binary(max_size=1600)) if info.type == tarfile.REGTYPE else b""
    info.size = len(data)
    if info.type in (tarfile.SYMTYPE, tarfile.LNKTYPE):
        info.linkname = draw(paths)
    if info.type in (tarfile.CHRTYPE, tarfile.BLKTYPE):
        info.devmajor, info.devminor = draw(st.integers(0, 4095)), draw(st.integers(0, 2**20 - 1))
    return info, data


@pytest.mark.parametrize("format", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
@given(st.data())
@settings(max_examples=80)
def test_both_readers_see_the_same_in_what_tarfile_writes(format: int, data: st.DataObject) -> None:
    content = tar(*data.draw(st.lists(members(format), max_size=8)), format=format)
    assert read_by_us(content) == read_by_tarfile(content)


def looks(root: Path) -> dict[str, Described]:
    """All that a tree is, with which names are one file."""
    first: dict[int, str] = {}
    found = {}
    for path in sorted([root, *root.rglob("*")]):
        name, status = str(path.relative_to(root)), path.lstat()
        content: object = status.st_rdev
        if stat.S_ISREG(status.st_mode):
            content = (path.read_bytes(), status.st_blocks * 512 < status.st_size)
        elif stat.S_ISLNK(status.st_mode):
            content = path.readlink()
        attributes = {each: os.getxattr(path, each, follow_symlinks=False) for each in os.listxattr(path, follow_symlinks=False)}
        times = status.st_mtime_ns // 10**9
        same = first.setdefault(status.st_ino, name)
        found[name] = (status.st_mode, status.st_uid, status.st_gid, times, content, attributes, same)
    return found


def make_tree(root: Path) -> None:
    """Something of everything that a root file system may have."""
    for folder in ("bin", "etc/deep/er", "tmp", "empty"):
        (root / folder).mkdir(parents=True)
    (root / "bin/tool").write_bytes(os.urandom(70_000))
    os.link(root / "bin/tool", root / "bin/again")
    (root / "bin/link").symlink_to("../etc/../bin/tool")
    os.link(root / "bin/link", root / "bin/link again", follow_symlinks=False)
    (root / ("n" * 200)).write_text("long name")
    (root / "etc/deep" / os.fsdecode(b"\xff\xe9 odd\n")).write_text("odd name")
    with (root / "holes").open("wb") as file:
        for place in (0, 3 * 2**20, 5 * 2**20):
            file.seek(place)
            file.write(b"data")
        file.truncate(9 * 2**20)
    (root / "all hole").touch()
    os.truncate(root / "all hole", 2**20)
    os.mkfifo(root / "fifo")
    os.mknod(root / "null", stat.S_IFCHR | 0o666, os.makedev(1, 3))
    os.mknod(root / "disk", stat.S_IFBLK | 0o660, os.makedev(259, 70_000))
    os.chown(root / "etc", 70_000, 3_000_000_000)
    os.chown(root / "bin/tool", 12, 34)
    (root / "bin/tool").chmod(0o6755)
    (root / "tmp").chmod(0o1777)
    (root / "empty").chmod(0o000)
    os.setxattr(root / "etc", "user.note", b"\0bytes\xff")
    for path in [*root.rglob("*"), root]:
        os.utime(path, (1_600_000_000, 1_600_000_000), follow_symlinks=False)
    os.utime(root / "etc/deep/er", (-5, -5))


@pytest.mark.needs("root", "tar")
@pytest.mark.parametrize("format", ["gnu", "posix", "oldgnu"])
def test_a_tree_is_unpacked_as_gnu_tar_unpacks_it(tmp_path: Path, format: str) -> None:
    source, theirs, ours = tmp_path / "source", tmp_path / "theirs", tmp_path / "ours"
    for folder in (source, theirs, ours):
        folder.mkdir()
    make_tree(source)
    archive = tmp_path / "layer.tar"
    attributes = ["--xattrs", "--xattrs-include=*"] if format == "posix" else []
    subprocess.run(["tar", "-cSf", archive, f"--format={format}", *attributes, "-C", source, "."], check=True)
    subprocess.run(["tar", "-xpf", archive, "--numeric-owner", *attributes, "-C", theirs], check=True)
    with archive.open("rb") as file:
        unpack(file, ours, Whiteouts.APPLY)
    assert looks(ours) == looks(theirs)
    assert format != "posix" or looks(ours) == looks(source)


@pytest.mark.needs("root", "umoci", "skopeo")
def test_layers_of_umoci_and_skopeo_are_unpacked_as_umoci_unpacks_them(tmp_path: Path) -> None:
    first, second, theirs, ours = (tmp_path / name for name in ("first", "second", "theirs", "ours"))
    first.mkdir()
    make_tree(first)
    (first / "disk").unlink()
    second.mkdir()
    (second / "new").write_text("new")
    ours.mkdir()
    layout = tmp_path / "layout"
    for words in (
        ["init", "--layout", layout],
        ["new", "--image", f"{layout}:image"],
        ["insert", "--image", f"{layout}:image", first, "/"],
        ["insert", "--opaque", "--image", f"{layout}:image", second, "/etc"],
        ["insert", "--whiteout", "--image", f"{layout}:image", "/bin/again"],
        ["unpack", "--image", f"{layout}:image", theirs],
    ):
        subprocess.run(["umoci", *words], check=True, capture_output=True)
    copy = tmp_path / "copy"
    subprocess.run(["skopeo", "--insecure-policy", "copy", f"oci:{layout}:image", f"dir:{copy}"], check=True, capture_output=True)
    layers = json.loads((copy / "manifest.json").read_text())["layers"]
    assert len(layers) == 3
    for layer in layers:
        with (copy / layer["digest"].removeprefix("sha256:")).open("rb") as blob:
            unpack(decompressed(blob), ours, Whiteouts.APPLY, Limits(end_mark=False))
    wanted, found = looks(theirs / "rootfs"), looks(ours)
    assert list(found) == list(wanted) and "bin/again" not in found and "etc/new" in found and "etc/deep" not in found
    for name in set(found) - {".", "etc", "bin"}:  # whose times umoci takes from its own work
        ours_, theirs_ = found[name], wanted[name]
        assert ours_[:4] == theirs_[:4] and ours_[6] == theirs_[6], name


def test_what_gzip_s_own_levels_and_members_make_is_the_same_plain_stream() -> None:
    plain = tar((tarfile.TarInfo("a"), b""))
    for level in (0, 1, 9):
        halves = gzip.compress(plain[:700], level) + gzip.compress(plain[700:], level)
        assert decompressed(io.BytesIO(halves + bytes(512))).read() == plain
