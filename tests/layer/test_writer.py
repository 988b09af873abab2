"""Trees become tars: read back by our own reader, by GNU tar and by Python's library, so that ours is not its own judge."""

import io
import os
import resource
import shutil
import socket
import stat
import subprocess
import tarfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from podlink.engine.config import Limits
from podlink.engine.oci.layer.archive import Archive
from podlink.engine.oci.layer.encode import END, encode, padding
from podlink.engine.oci.layer.entry import HIGHEST_ID, Entry, Kind
from podlink.engine.oci.layer.writer import Writer

part = st.binary(min_size=1, max_size=60).filter(lambda name: not set(name) & set(b"/\0") and name not in (b".", b".."))
path = st.lists(part, min_size=1, max_size=5).map(b"/".join)
attributes = st.dictionaries(st.from_regex(r"user\.[a-z]{1,20}", fullmatch=True), st.binary(max_size=50), max_size=3)


def made(**fields: Any) -> Entry:
    """Of what is not given, the default: Hypothesis would make up a value for it."""
    return Entry(**fields)


plain = st.builds(
    made,
    name=path,
    kind=st.sampled_from([Kind.FILE, Kind.DIRECTORY, Kind.FIFO, Kind.CHARACTER]),
    mode=st.integers(0, 0o7777),
    uid=st.integers(0, HIGHEST_ID),
    gid=st.integers(0, HIGHEST_ID),
    mtime=st.integers(-(2**33) * 10**9, 2**35 * 10**9),
    xattrs=attributes,
)
link = st.builds(
    made, name=path, kind=st.just(Kind.SYMLINK), mode=st.just(0o777), uid=st.just(0), gid=st.just(0), mtime=st.just(0), link=path
)


def written(root: Path, **options: Any) -> bytes:
    target = io.BytesIO()
    writer = Writer(root, target, **options)
    try:
        writer.whole()
        writer.finish()
    finally:
        writer.close()
    return target.getvalue()


def extracted(content: bytes, into: Path) -> Path:
    into.mkdir()
    argv = ["tar", "-xpf", "-", "-C", into, "--numeric-owner", "--xattrs", "--xattrs-include=*"]
    subprocess.run(argv, input=content, check=True, capture_output=True)
    return into


def picture(root: Path) -> dict[bytes, Any]:
    """All that can be seen of a tree, its root included."""
    top, found = os.fsencode(root), dict[bytes, Any]()
    first: dict[int, bytes] = {}
    for folder, folders, files in os.walk(top):
        for each in [b".", *folders, *files] if folder == top else [*folders, *files]:
            place = os.path.join(folder, each)
            status = os.lstat(place)
            kept = (status.st_mode, status.st_uid, status.st_gid, status.st_mtime_ns, status.st_rdev)
            content: Any = status.st_size if stat.S_ISREG(status.st_mode) else 0
            if stat.S_ISREG(status.st_mode):
                content = Path(os.fsdecode(place)).read_bytes()
            elif stat.S_ISLNK(status.st_mode):
                content = os.readlink(place)
            same = first.setdefault(status.st_ino, place[len(top) :])
            labels = {
                name: os.getxattr(place, name, follow_symlinks=False) for name in os.listxattr(place, follow_symlinks=False)
            }
            found[place[len(top) :]] = (kept, content, same, labels)
    return found


@given(plain | link)
def test_what_is_encoded_is_read_back_as_it_was(entry: Entry) -> None:
    found = [entry for entry, _ in Archive(io.BytesIO(encode(entry) + END), Limits())]
    assert found == [entry]


def test_a_file_of_eight_gibibytes_says_so() -> None:
    entry = Entry(name=b"big", kind=Kind.FILE, mode=0o644, uid=0, gid=0, mtime=0, size=2**33)
    info = tarfile.TarInfo.frombuf(encode(entry)[-512:], "utf-8", "surrogateescape")
    assert info.size == 0 and b" size=8589934592\n" in encode(entry)
    assert padding(1) == bytes(511) and padding(512) == b""


def odd_tree(root: Path) -> Path:
    root.mkdir()
    (root / "d/e").mkdir(parents=True)
    (root / "d/e/f").write_bytes(b"x" * 3_000_000)
    os.link(root / "d/e/f", root / "also")
    os.link(root / "d/e/f", root / "d/also")
    (root / "link").symlink_to("t" * 300)
    os.symlink(b"\xff", root / "odd")
    (root / ("ü" * 90)).write_text("y")
    os.mkdir(os.fsencode(root) + b"/caf\xe9")
    (root / os.fsdecode(b"caf\xe9/" + b"\xe9" * 120)).write_text("z")
    (root / "old").touch()
    os.utime(root / "old", ns=(0, -1_500_000_000))
    (root / "setuid").touch()
    (root / "setuid").chmod(0o4755)
    os.mkfifo(root / "fifo")
    os.setxattr(root / "setuid", "user.note", b"bin\0ary\xff\n")
    os.setxattr(root / "d", "user.empty", b"")
    (root / "empty").mkdir(mode=0o1777)
    root.chmod(0o711)
    os.utime(root, ns=(0, 1_234_567_890_123_456_789))
    return root


@pytest.mark.parametrize("holes", [False, True])
def test_gnu_tar_makes_the_same_tree_of_it(tmp_path: Path, holes: bool) -> None:
    root = odd_tree(tmp_path / "tree")
    if os.geteuid() == 0:
        os.mknod(root / "null", stat.S_IFCHR | 0o640, os.makedev(1, 3))
        os.chown(root / "setuid", 70_000, 4_000_000_000)
        (root / "setuid").chmod(0o6755)
        os.setxattr(root / "d/also", "security.capability", bytes.fromhex("0100000200200000000000000000000000000000"))
        os.utime(root, ns=(0, 1_234_567_890_123_456_789))
    assert picture(extracted(written(root, holes=holes), tmp_path / "out")) == picture(root)


def test_it_is_the_same_each_time_and_the_library_reads_it_too(tmp_path: Path) -> None:
    root = odd_tree(tmp_path / "tree")
    content = written(root)
    assert content == written(root)
    with tarfile.open(fileobj=io.BytesIO(content)) as tar:
        names = tar.getnames()
    assert len(names) == len(picture(root)) and len(set(names)) == len(names)


def test_a_socket_is_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "tree").mkdir()
    monkeypatch.chdir(tmp_path / "tree")
    with socket.socket(socket.AF_UNIX) as one:
        one.bind("s")
        with tarfile.open(fileobj=io.BytesIO(written(tmp_path / "tree"))) as tar:
            assert tar.getnames() == ["."]


@pytest.mark.parametrize("data", [(), (0,), (5_000_000,), (1_000_000, 9_000_000), (10_481_664,)])
def test_holes_stay_holes_where_they_may(tmp_path: Path, data: tuple[int, ...]) -> None:
    (tmp_path / "tree").mkdir()
    with (tmp_path / "tree/file").open("wb") as file:
        for offset in data:
            file.seek(offset // 4096 * 4096)
            file.write(b"d" * 4096)
        file.truncate(10 * 2**20)
    content = written(tmp_path / "tree", holes=True)
    assert len(content) < 100_000
    out = extracted(content, tmp_path / "out")
    assert (out / "file").read_bytes() == (tmp_path / "tree/file").read_bytes()
    assert (out / "file").stat().st_blocks <= (tmp_path / "tree/file").stat().st_blocks
    assert len(written(tmp_path / "tree")) > 10 * 2**20  # a layer has none


def test_a_chain_of_directories_deeper_than_there_are_descriptors_and_longer_than_a_path(tmp_path: Path) -> None:
    (tmp_path / "tree").mkdir()
    current, depth = os.open(tmp_path / "tree", os.O_RDONLY), 600
    for _ in range(depth):
        os.mkdir("x" * 20, dir_fd=current)
        below = os.open("x" * 20, os.O_RDONLY, dir_fd=current)
        os.close(current)
        current = below
    os.close(current)
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (256, before[1]))
    try:
        content = written(tmp_path / "tree")
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)
        shutil.rmtree(tmp_path / "tree", ignore_errors=True)
    with tarfile.open(fileobj=io.BytesIO(content)) as tar:
        assert len(tar.getnames()) == depth + 1


def test_a_directory_that_became_a_link_leads_nowhere(tmp_path: Path) -> None:
    root, secret = tmp_path / "tree", tmp_path / "secret"
    (root / "a/b").mkdir(parents=True)
    secret.mkdir()
    (secret / "key").write_text("secret")

    def exchange() -> None:
        """Asked before each member: the directory is listed already, and not yet entered."""
        if (root / "a").is_dir() and not (root / "a").is_symlink():
            (root / "a").rename(tmp_path / "away")
            (root / "a").symlink_to(secret)

    target = io.BytesIO()
    writer = Writer(root, target, exchange)
    writer.whole()
    writer.some(["/a/key", "/gone/by/now"])
    writer.finish()
    writer.close()
    with tarfile.open(fileobj=io.BytesIO(target.getvalue())) as tar:
        assert not [name for name in tar.getnames() if "key" in name]


def test_a_file_that_shrinks_while_it_is_read_is_filled_up(tmp_path: Path) -> None:
    (tmp_path / "tree").mkdir()
    (tmp_path / "tree/log").write_bytes(b"l" * (3 << 20))
    calls = []

    def shrink() -> None:
        calls.append(1)
        if len(calls) == 3:  # root, file, its second piece
            os.truncate(tmp_path / "tree/log", 1 << 20)

    with tarfile.open(fileobj=io.BytesIO(written(tmp_path / "tree", cancelled=shrink))) as tar:
        found = tar.extractfile("log")
        assert found and found.read() == b"l" * (1 << 20) + bytes(2 << 20)
