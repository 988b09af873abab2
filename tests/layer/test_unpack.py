"""Layers become trees: what a layer may bring, and what it may not. As root in his jail, and without rights."""

import gzip
import io
import itertools
import os
import stat
import struct
import tarfile
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tars import directory, hard_link, member, symlink, tar
from yard import Yard

from podlink.engine.config import Limits
from podlink.engine.errors import InvalidArchive
from podlink.engine.oci.digest import Digest
from podlink.engine.oci.layer import header
from podlink.engine.oci.layer.archive import Archive
from podlink.engine.oci.layer.compression import decompressed
from podlink.engine.oci.layer.entry import Kind
from podlink.engine.oci.layer.whiteouts import Whiteouts


def names(root: Path) -> list[str]:
    return sorted(str(path.relative_to(root)) for path in root.rglob("*"))


def test_files_directories_and_links_are_made(yard: Any) -> None:
    content = tar(
        directory("etc"),
        member("etc/passwd", content=b"root:x:0:0::/:/bin/sh\n", mode=0o600),
        symlink("etc/link", "passwd"),
        hard_link("etc/again", "etc/passwd"),
        member("bin/deep/tool", content=b"#!", mode=0o4755),
        member("fifo", tarfile.FIFOTYPE),
    )
    done = yard.unpack(content)
    assert (done.entries, done.size, done.diff_id) == (6, 24, Digest.of(content))
    root = yard.root
    assert names(root) == ["bin", "bin/deep", "bin/deep/tool", "etc", "etc/again", "etc/link", "etc/passwd", "fifo"]
    assert (root / "etc/link").readlink() == Path("passwd") and (root / "etc/again").samefile(root / "etc/passwd")
    assert stat.S_IMODE((root / "bin/deep/tool").stat().st_mode) == 0o4755
    assert (root / "etc/passwd").stat().st_mtime == 1_700_000_000 == (root / "etc").stat().st_mtime
    assert stat.S_ISFIFO((root / "fifo").stat().st_mode)


@pytest.mark.needs("root")
def test_owners_devices_attributes_and_large_ids(tmp_path: Path) -> None:
    yard = Yard(tmp_path, privileged=True)
    capability = struct.pack("<IIIII", 0x02000001, 1 << 10, 0, 0, 0)
    pax = {"SCHILY.xattr.user.note": "hello", "SCHILY.xattr.security.capability": capability.decode("latin-1")}
    info, data = member(
        "tool", content=b"x", uid=4_000_000_000, gid=70_000, pax_headers={"SCHILY.xattr.user.note": pax["SCHILY.xattr.user.note"]}
    )
    yard.unpack(tar((info, data), member("null", tarfile.CHRTYPE, devmajor=1, devminor=3, mode=0o666)))
    status = (yard.root / "tool").stat()
    assert (status.st_uid, status.st_gid) == (4_000_000_000, 70_000)
    assert os.getxattr(yard.root / "tool", "user.note") == b"hello"
    assert (yard.root / "null").stat().st_rdev == os.makedev(1, 3)


@pytest.mark.needs("root")
@pytest.mark.parametrize("above", [{"gid": 50, "mode": 0o755}, {"mode": 0o2775}, {"gid": 50, "mode": 0o2775}, {}], ids=str)
def test_what_a_directory_hands_on_is_not_kept(tmp_path: Path, above: dict[str, int]) -> None:
    """Its group, its list of rights: a member is what its own entry says, whether its directory was described before or after."""
    yard = Yard(tmp_path, privileged=True)
    rights = struct.pack("<I" + "HHI" * 3, 2, 1, 7, NOBODY_IN_PARTICULAR, 4, 5, NOBODY_IN_PARTICULAR, 32, 0, NOBODY_IN_PARTICULAR)
    described = directory("d", **above)
    yard.unpack(tar(described))
    if not above:
        os.setxattr(yard.root / "d", "system.posix_acl_default", rights)
    inner = [
        directory("d/folder", mode=0o777),
        member("d/folder/file", mode=0o666),
        member("d/file", content=b"x", mode=0o666),
        member("d/tool", content=b"x", mode=0o6755),
        member("d/fifo", tarfile.FIFOTYPE, mode=0o666),
        directory("d/sticky", mode=0o1777),
        directory("d/shared", mode=0o2755),
    ]
    yard.unpack(tar(*inner))
    for info, _ in inner:
        status = (yard.root / info.name).stat()
        assert (stat.S_IMODE(status.st_mode), status.st_uid, status.st_gid) == (info.mode, 0, 0), info.name


NOBODY_IN_PARTICULAR = 2**32 - 1
"""ACL_UNDEFINED_ID: an entry of a list that is for no user or group by number."""


@pytest.mark.needs("root")
def test_a_root_that_is_described_late_hands_nothing_on(tmp_path: Path) -> None:
    yard = Yard(tmp_path, privileged=True)
    yard.unpack(tar(member("before"), directory("./", gid=50, mode=0o2775), member("after"), directory("folder")))
    for name in ("before", "after", "folder"):
        assert (yard.root / name).stat().st_gid == 0
    assert stat.S_IMODE((yard.root / "folder").stat().st_mode) == 0o755


@pytest.mark.parametrize("format", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_each_form_of_tar_is_read(yard: Any, format: int) -> None:
    long = "/".join(["folder" * 5] * (3 if format == tarfile.USTAR_FORMAT else 12)) + "/file"
    yard.unpack(tar(member(long, content=b"deep"), symlink("link", "x" * 90), format=format))
    assert (yard.root / long).read_bytes() == b"deep"


def test_names_that_are_not_unicode_and_prefixes(yard: Any) -> None:
    odd = os.fsdecode(b"caf\xe9")
    yard.unpack(
        tar(directory("./"), member("./" + odd, content=b"1"), member("/abs/file", content=b"2"), format=tarfile.GNU_FORMAT)
    )
    assert sorted(os.fsencode(path.name) for path in yard.root.iterdir()) == [b"abs", b"caf\xe9"]


@pytest.mark.needs("tar")
def test_holes_stay_holes(yard: Any, tmp_path: Path) -> None:
    import subprocess

    source = tmp_path / "sparse"
    with source.open("wb") as file:
        file.seek(5 * 2**20)
        file.write(b"end")
    for format in ("gnu", "posix"):
        made = subprocess.run(
            ["tar", "-cSf", "-", f"--format={format}", "-C", tmp_path, "sparse"], capture_output=True, check=True
        ).stdout
        yard.unpack(made)
        file = yard.root / "sparse"
        assert file.read_bytes() == source.read_bytes() and file.stat().st_blocks < 1000


def test_the_last_of_two_entries_wins_whatever_they_are(yard: Any) -> None:
    yard.unpack(
        tar(
            member("a", content=b"file"),
            directory("a"),
            member("a/inner", content=b"1"),
            directory("b"),
            member("b/inner", content=b"gone"),
            member("b", content=b"now a file"),
            symlink("c", "b"),
            member("c", content=b"not through the link"),
        )
    )
    assert names(yard.root) == ["a", "a/inner", "b", "c"]
    assert (yard.root / "b").read_bytes() == b"now a file" and not (yard.root / "c").is_symlink()


A, B = b"a" * 300_000, b"b" * 1000
REPLACED = [
    ([member("a", content=A), member("a", content=B)], 1000),
    ([member("a", content=A), member("a", content=b"")], 0),
    ([member("a", content=A), directory("a"), member("a/b", content=B)], 1000),
    ([member("d/e/a", content=A), member("d/b", content=B), member("d", content=B)], 1000),
    ([member("a", content=A), symlink("a", "b")], 0),
    ([member("a", content=A), hard_link("b", "a"), member("a", content=B)], 301_000),
    ([member("a", content=A), hard_link("b", "a"), member("a", content=B), member("b", content=B)], 2000),
    ([member("d/a", content=A), hard_link("d/b", "d/a"), member("d", content=B)], 1000),
    ([member("a", content=A), member("b", content=B), hard_link("a", "b")], 1000),
    ([member("a", content=A), member(".wh.a")], 300_000),
]


@pytest.mark.parametrize("number", range(len(REPLACED)))
def test_what_is_replaced_has_no_size(yard: Any, number: int) -> None:
    entries, size = REPLACED[number]
    assert yard.unpack(tar(*entries)).size == size
    files = {
        path.lstat().st_ino: path.lstat().st_size for path in yard.root.rglob("*") if path.is_file() and not path.is_symlink()
    }
    assert sum(files.values()) == size


def test_what_a_layer_replaces_of_those_below_has_the_size_of_what_it_brings(yard: Any) -> None:
    below = [member(name, content=A) for name in ("a", "d/b", "c")]
    assert yard.unpack(tar(*below)).size == 900_000
    again = tar(member("a", content=B), member("d", content=B), member(".wh.c"), member("a", content=B))
    assert yard.unpack(again).size == 2000


def test_another_name_for_what_lies_below_has_no_size(yard: Any) -> None:
    yard.unpack(tar(member("a", content=A)))
    assert yard.unpack(tar(hard_link("b", "a"), member("a", content=B), member("b", content=B))).size == 2000


def test_a_whiteout_removes_what_lies_below_and_nothing_of_its_own_layer(yard: Any) -> None:
    yard.unpack(
        tar(member("old", content=b"x"), directory("dir"), member("dir/one", content=b"1"), member("dir/two", content=b"2"))
    )
    yard.unpack(
        tar(
            member(".wh.old"),
            member("dir/new", content=b"n"),
            member("dir/.wh..wh..opq"),
            member("fresh", content=b"f"),
            member(".wh.fresh"),
        )
    )
    assert names(yard.root) == ["dir", "dir/new", "fresh"]


@pytest.mark.needs("root", "overlay")
def test_whiteouts_for_overlayfs(tmp_path: Path) -> None:
    yard = Yard(tmp_path, privileged=True)
    yard.unpack(tar(member(".wh.old"), directory("dir"), member("dir/.wh..wh..opq")), whiteouts=Whiteouts.OVERLAY)
    status = (yard.root / "old").lstat()
    assert stat.S_ISCHR(status.st_mode) and status.st_rdev == 0
    assert os.getxattr(yard.root / "dir", "trusted.overlay.opaque") == b"y"


CLIMBING = [
    tar(member("../secret", content=b"owned")),
    tar(member("a/../../secret", content=b"owned")),
    tar(hard_link("mine", "../secret")),
    tar(member("..", content=b"")),
    tar(member("../outside/.wh.file")),
]


@pytest.mark.parametrize("content", CLIMBING, ids=range(len(CLIMBING)))
def test_a_name_that_climbs_is_refused(yard: Any, content: bytes) -> None:
    with pytest.raises(InvalidArchive, match=r"\.\."):
        yard.unpack(content)


def leading_out(folder: Path) -> list[bytes]:
    """Layers that go through links: absolute ones, climbing ones, one exchanged for a directory."""
    return [
        tar(symlink("out", str(folder / "outside")), member("out/file", content=b"owned")),
        tar(symlink("out", "../outside"), member("out/file", content=b"owned")),
        tar(symlink("out", "../../../../../../../.." + str(folder)), member("out/secret", content=b"owned")),
        tar(symlink("s", str(folder / "secret")), member("s", content=b"owned")),
        tar(symlink("s", str(folder / "secret")), hard_link("h", "s"), member("h", content=b"owned")),
        tar(symlink("d", str(folder / "outside")), member("d/.wh.file")),
        tar(symlink("d", str(folder / "outside")), member("d/.wh..wh..opq")),
        tar(symlink("d", str(folder / "outside")), directory("d", mode=0o777)),
        tar(symlink("p", "/proc/self/root"), member("p/tmp/podlink-owned", content=b"owned")),
        tar(symlink("f", "/proc/self/fd/0"), member("f", content=b"owned")),
        tar(directory("x"), symlink("x/y", "../.."), member("x/y/secret", content=b"owned")),
    ]


@pytest.mark.parametrize("number", range(11))
def test_links_lead_nowhere_but_into_the_layer(yard: Any, number: int) -> None:
    with suppress(InvalidArchive):
        yard.unpack(leading_out(yard.folder)[number])
    assert not Path("/tmp/podlink-owned").exists()  # the yard itself looks at everything beside the layer


@pytest.mark.parametrize(
    ("content", "word"),
    [
        (tar(hard_link("h", "nothing")), "lacks"),
        (tar(member(".wh.")), "no name"),
        (tar(member(".wh...")), "no name"),
        (tar(member(".wh..wh.aufs")), "aufs"),
        (tar(member(".wh.a/b", content=b"x")), "below a whiteout"),
        (tar(member("x", content=b"", pax_headers={"SCHILY.xattr.trusted.overlay.redirect": "/etc"})), "overlayfs"),
        (tar(member("x", content=b"", pax_headers={"SCHILY.xattr.user.overlay.opaque": "y"})), "overlayfs"),
        (tar(member("", content=b"root is no file")), "root of a layer"),
        (b"", "empty"),
        (b"x" * 1024, "not a tar"),
        (b"<html>" * 200, "not a tar"),
    ],
)
def test_what_no_layer_may_say_is_refused(yard: Any, content: bytes, word: str) -> None:
    with pytest.raises(InvalidArchive, match=word):
        yard.unpack(content)


@pytest.mark.parametrize(
    ("limits", "word"),
    [
        (Limits(entries=3), "3"),
        (Limits(total=4096), "4096"),
        (Limits(path=20), "20"),
        (Limits(header=64), "64"),
    ],
)
def test_bounds_are_kept(yard: Any, limits: Limits, word: str) -> None:
    many = [member(f"file{number}", content=b"x" * 1000) for number in range(10)]
    long = member("long/" * 10 + "name" * 20, content=b"", pax_headers={"comment": "c" * 200})
    with pytest.raises(InvalidArchive, match=word):
        yard.unpack(tar(*many, long), limits)


def test_a_file_of_holes_counts_by_its_length(yard: Any) -> None:
    sparse = {"GNU.sparse.major": "1", "GNU.sparse.minor": "0", "GNU.sparse.name": "huge", "GNU.sparse.realsize": str(2**40)}
    with pytest.raises(InvalidArchive):
        yard.unpack(tar(member("x", content=b"1\n0\n0\n".ljust(512, b"\0"), pax_headers=sparse)), Limits(total=2**30))
    assert not (yard.root / "huge").exists()


def test_every_cut_is_noticed() -> None:
    whole = tar(directory("d"), member("d/file", content=b"x" * 1500), symlink("l", "d"))
    end_mark = 512 + 512 + 1536 + 512  # a block of zeros from here on; what follows it is padding
    assert whole[end_mark:].strip(b"\0") == b""
    for cut in range(1, end_mark + 512, 97):
        with pytest.raises(InvalidArchive):
            for _, data in Archive(io.BytesIO(whole[:cut]), Limits()):
                for _ in data.pieces():
                    pass


def test_a_wrong_checksum_is_noticed(yard: Any) -> None:
    whole = bytearray(tar(member("a", content=b"1"), member("b", content=b"2")))
    whole[1024 + 3] ^= 1  # in the second header's name
    with pytest.raises(InvalidArchive, match=r"checksum|damaged"):
        yard.unpack(bytes(whole))


def test_gzip_is_seen_by_its_first_bytes_and_its_damage_is_noticed() -> None:
    plain = tar(member("a", content=os.urandom(100_000)))
    packed = gzip.compress(plain)
    assert decompressed(io.BytesIO(packed)).read() == plain and decompressed(io.BytesIO(plain)).read() == plain
    for broken in (packed[:-100], packed[:5000] + b"\0" * 100 + packed[5100:]):
        with pytest.raises(InvalidArchive):
            decompressed(io.BytesIO(broken)).read()


def test_a_gzip_bomb_stops_at_the_limit(yard: Any) -> None:
    packed = gzip.compress(tar(member("zeros", content=bytes(30 * 2**20))))
    with pytest.raises(InvalidArchive, match="limit"):
        yard.unpack(decompressed(io.BytesIO(packed)).read(20 * 2**20), Limits(total=10 * 2**20))


plain_names = st.lists(st.text("abcdefé0-_ ", min_size=1, max_size=12).map(str.strip).filter(bool), min_size=1, max_size=4).map(
    "/".join
)
members = st.lists(
    st.tuples(plain_names, st.binary(max_size=600), st.integers(0, 0o7777), st.integers(0, 2**31), st.integers(0, 2**33)),
    max_size=12,
    unique_by=lambda each: each[0],
)


@given(members, st.sampled_from([tarfile.GNU_FORMAT, tarfile.PAX_FORMAT]))
@settings(max_examples=150)
def test_what_another_library_writes_is_read_as_it_was_written(entries: list[Any], format: int) -> None:
    written = [member(name, content=data, mode=mode, uid=uid, mtime=mtime) for name, data, mode, uid, mtime in entries]
    found = []
    for entry, data in Archive(io.BytesIO(tar(*written, format=format)), Limits()):
        assert entry.kind is Kind.FILE
        found.append((entry.name.decode(), b"".join(data.pieces()), entry.mode, entry.uid, entry.mtime))
    assert found == [(name, data, mode, uid, mtime * 10**9) for name, data, mode, uid, mtime in entries]


class Dribble(io.BytesIO):
    """A pipe: it gives less than was asked for, as much as it happens to hold."""

    def __init__(self, content: bytes, portions: list[int]) -> None:
        super().__init__(content)
        self._portions = itertools.cycle(portions)

    def read(self, size: int | None = -1) -> bytes:
        return super().read(min(size or 0, next(self._portions)))


@given(members, st.lists(st.integers(1, 1500), min_size=1, max_size=5), st.booleans())
@settings(max_examples=100)
def test_it_does_not_matter_in_what_portions_an_archive_comes(entries: list[Any], portions: list[int], taken: bool) -> None:
    content = tar(*[member(name, content=data) for name, data, *_ in entries])
    for cut in (len(content), max(1, len(content) // 2 - 1200)):
        found: list[Any] = []
        for stream in (io.BytesIO(content[:cut]), Dribble(content[:cut], portions)):
            seen: list[Any] = []
            try:
                for entry, data in Archive(stream, Limits()):
                    seen.append((entry, b"".join(data.pieces()) if taken else b""))
            except InvalidArchive as error:
                seen.append(error.reason)
            found.append(seen)
        assert found[0] == found[1]


@given(st.binary(min_size=512, max_size=512))
def test_the_sum_of_a_block_is_that_of_its_bytes(block: bytes) -> None:
    for each in (block, b"\xff" * 512, bytes(512)):
        assert header.total(each) == sum(each)


@given(st.binary(max_size=3000), st.integers(0, 3000), st.binary(min_size=1, max_size=40))
@settings(max_examples=300)
def test_noise_is_refused_or_read_and_never_more(noise: bytes, at: int, patch: bytes) -> None:
    whole = bytearray(tar(member("a", content=b"x" * 700), symlink("b", "a"), member("c" * 150, content=b"y")))
    at %= len(whole)
    whole[at : at + len(patch)] = patch
    for content in (noise, bytes(whole)):
        try:
            for _, data in Archive(io.BytesIO(content), Limits()):
                for _ in data.pieces():
                    pass
        except InvalidArchive:
            pass
