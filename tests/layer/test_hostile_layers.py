"""What a layer may say to do harm: each is refused in words, or does nothing; nothing beside the layer changes."""

import io
import itertools
import os
import stat
import tarfile
import tracemalloc
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tars import directory, hard_link, member, symlink, tar

from podlink.engine.config import Limits
from podlink.engine.errors import InvalidArchive, StorageFailed
from podlink.engine.linux import safepath, trees
from podlink.engine.oci.layer.archive import Archive
from podlink.engine.oci.layer.blocks import BLOCK
from podlink.engine.oci.layer.whiteouts import Whiteouts

KINDS = {
    "file": member("x", content=b"1"),
    "directory": directory("x"),
    "symlink": symlink("x", "other/place"),
    "hard link": hard_link("x", "target"),
    "fifo": member("x", tarfile.FIFOTYPE),
    "device": member("x", tarfile.CHRTYPE, devmajor=1, devminor=3),
}
CHECKS = {
    "file": stat.S_ISREG,
    "directory": stat.S_ISDIR,
    "symlink": stat.S_ISLNK,
    "hard link": stat.S_ISREG,
    "fifo": stat.S_ISFIFO,
    "device": stat.S_ISCHR,
}


def read(content: bytes, limits: Limits | None = None) -> list[bytes]:
    """The names in an archive, all data taken."""
    found = []
    for entry, data in Archive(io.BytesIO(content), limits or Limits()):
        found.append(entry.name)
        for _ in data.pieces():
            pass
    return found


def with_field(content: bytes, at: int, field: bytes) -> bytes:
    """The archive with some bytes of its first header exchanged, and the checksum made right again."""
    block = bytearray(content[:BLOCK])
    block[at : at + len(field)] = field
    block[148:156] = b" " * 8
    block[148:156] = b"%06o\0 " % sum(block)
    return bytes(block) + content[BLOCK:]


def extended(kind: bytes, *texts: bytes) -> bytes:
    """Extended headers of this type with these texts, then a file, then the end mark."""
    blocks = b""
    for text in texts:
        info = tarfile.TarInfo("extended")
        info.type, info.size = kind, len(text)
        blocks += info.tobuf(tarfile.USTAR_FORMAT) + text + bytes(-len(text) % BLOCK)
    return blocks + tar(member("file", content=b"x"), format=tarfile.USTAR_FORMAT)


@pytest.mark.parametrize(("first", "second"), list(itertools.permutations(KINDS, 2)))
def test_the_second_of_two_entries_of_one_name_wins(yard: Any, first: str, second: str) -> None:
    yard.unpack(tar(member("target", content=b"t"), KINDS[first], KINDS[second]))
    found = yard.root / "x"
    if second == "device" and not yard.privileged:  # it can't be made, and so takes nothing's place
        return
    assert CHECKS[second](found.lstat().st_mode)
    assert second != "hard link" or found.samefile(yard.root / "target")
    assert first != "hard link" or (yard.root / "target").read_bytes() == b"t"


def test_a_device_that_could_not_be_made_is_forgotten_when_a_file_comes_in_its_place(yard: Any) -> None:
    yard.unpack(
        tar(
            member("a", tarfile.CHRTYPE, devmajor=1, devminor=3),
            hard_link("a2", "a"),
            member("a", content=b"f"),
            hard_link("b", "a"),
        )
    )
    assert (yard.root / "b").read_bytes() == b"f"
    assert (yard.root / "a2").exists() == yard.privileged


@pytest.mark.parametrize("size", [b"-1", b"+1", b"0o1", b"0x1", b"1_0", b"8", b"1 1"])
def test_a_size_that_is_no_octal_number_is_refused(yard: Any, size: bytes) -> None:
    first, second = (tar(member(name), format=tarfile.USTAR_FORMAT) for name in ("first", "second"))
    with pytest.raises(InvalidArchive, match="octal number"):
        yard.unpack(first[:BLOCK] + with_field(second, 124, size.ljust(12, b"\0")))


def test_a_negative_size_is_refused_in_both_spellings(yard: Any) -> None:
    content = tar(member("a", content=b"1"), format=tarfile.GNU_FORMAT)
    for size in (b"-0000000001\0", b"\xff" * 12, b"\xff" + b"\0" * 11):
        with pytest.raises(InvalidArchive):
            yard.unpack(with_field(content, 124, size))


def test_a_size_of_all_the_world_is_refused_before_anything_is_made(yard: Any) -> None:
    content = with_field(
        tar(member("a", content=b"1"), format=tarfile.GNU_FORMAT), 124, b"\x80" + b"\0" * 3 + b"\x7f" + b"\xff" * 7
    )
    with pytest.raises(InvalidArchive, match="limit"):
        yard.unpack(content)
    assert list(yard.root.iterdir()) == []


@pytest.mark.parametrize(
    "text",
    [
        b"path=x\n",
        b"0 path=x\n",
        b"-9 path=x\n",
        b"9 path=x",
        b"8 path=x\n",
        b"99 path=x\n",
        b"9 pathxx\n",
        b"6 =abc\n",
        b"9  ath=x\n"[:8],
        b"99999999999999999999999 path=x\n",
        b"\xff\xfe\n",
        b"24 SCHILY.xattr.user\0a=b\n"[:24] + b"\n",
        b"11 uid=1.5\n",
        b"10 uid=-1\n",
        b"21 mtime=1_000_000.5\n",
        b"16 mtime=1e1000\n",
        b"25 GNU.sparse.major=1\n12345\n",
    ],
)
def test_a_malformed_record_is_refused(yard: Any, text: bytes) -> None:
    with pytest.raises(InvalidArchive):
        yard.unpack(extended(b"x", text))


def test_a_record_without_a_value_takes_back_what_was_said_for_all(yard: Any) -> None:
    content = extended(b"g", b"10 uid=70\n")[: 2 * BLOCK] + extended(b"x", b"7 uid=\n")
    [(entry, _)] = list(Archive(io.BytesIO(content), Limits()))
    assert entry.uid == 0
    assert yard.unpack(content).entries == 1


@pytest.mark.parametrize("name", ["user.a\0b", "trusted.overlay.opaque", "trusted.overlay.metacopy", "user.overlay.redirect"])
def test_an_attribute_that_no_layer_may_bring_is_refused(yard: Any, name: str) -> None:
    for kind in (member("x", content=b""), directory("x")):
        kind[0].pax_headers = {f"SCHILY.xattr.{name}": "y"}
        with pytest.raises(InvalidArchive):
            yard.unpack(tar(kind))


def test_attributes_of_the_host_are_passed_over(yard: Any) -> None:
    names = ("security.selinux", "security.ima", "trusted.mine", "system.other")
    yard.unpack(tar(member("x", content=b"", pax_headers={f"SCHILY.xattr.{name}": "y" for name in names})))
    assert not set(os.listxattr(yard.root / "x")) & set(names)


def test_headers_of_one_member_are_bounded_together() -> None:
    texts = [b"%d comment%06d=%s\n" % (1000, number, b"c" * 980) for number in range(200)]
    assert all(len(text) == 1000 for text in texts)
    assert read(extended(b"x", *texts)) == [b"file"]
    with pytest.raises(InvalidArchive, match="100000"):
        read(extended(b"x", *texts), Limits(header=100_000))


def test_headers_for_all_members_do_not_pile_up() -> None:
    """Each brings another record that means nothing; between them stand members."""
    content = b"".join(
        extended(b"g", b"1000 comment%06d%s=c\n" % (number, b"c" * 979))[: -20 * BLOCK]
        + tar(member("file"), format=tarfile.USTAR_FORMAT)[:BLOCK]
        for number in range(3000)
    ) + bytes(1024)
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        for _ in Archive(io.BytesIO(content), Limits()):
            pass
        grown = tracemalloc.get_traced_memory()[1] - before
    finally:
        tracemalloc.stop()
    assert grown < len(content) // 4


def test_directories_on_the_way_count_as_entries(yard: Any) -> None:
    with pytest.raises(InvalidArchive, match="limit of 50 "):
        yard.unpack(tar(member("a/" * 60 + "file")), Limits(entries=50))
    yard.unpack(tar(member("b/" * 40 + "file")), Limits(entries=50))


def test_names_are_bounded_together(yard: Any) -> None:
    many = [member(f"{number:0100}") for number in range(50)]
    with pytest.raises(InvalidArchive, match="names are longer than the limit of 3000 bytes"):
        yard.unpack(tar(*many), Limits(names=3000))
    yard.unpack(tar(*many), Limits(names=5000))


@pytest.mark.parametrize("format", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_an_archive_that_ends_at_any_block_or_beside_it_is_cut_off(format: int) -> None:
    long = "long/" * 18 + "n" * 60
    whole = tar(
        directory("d"), member("d/file", content=b"x" * 1500), member(long, content=b"y" * 512), symlink("l", "d"), format=format
    )
    end = len(whole.rstrip(b"\0"))
    end += -end % BLOCK  # from here on: the end mark
    for boundary in range(0, end + 1, BLOCK):
        for cut in {max(0, boundary - 1), boundary, boundary + 1} - {end + 1}:
            with pytest.raises(InvalidArchive):
                read(whole[:cut])
    assert len(read(whole[: end + BLOCK])) == 4


def test_an_archive_that_a_digest_vouches_for_may_end_without_its_mark_but_not_in_a_member(yard: Any) -> None:
    """So umoci writes it: the last file without what fills its block, and no end mark."""
    whole = tar(member("a", content=b"1"), member("b", content=b"x" * 1000), format=tarfile.USTAR_FORMAT)
    bare = whole[: 3 * BLOCK + 1000]
    assert yard.unpack(bare, Limits(end_mark=False)).entries == 2
    with pytest.raises(InvalidArchive, match="without its end mark"):
        yard.unpack(bare)
    for cut in (len(bare) - 1, 2 * BLOCK + 1, BLOCK - 1, 0):
        with pytest.raises(InvalidArchive):
            yard.unpack(whole[:cut], Limits(end_mark=False))


def test_no_changed_byte_of_a_header_goes_unnoticed() -> None:
    """The checksum is a sum: any one byte counts."""
    whole = tar(member("name", content=b"x"), format=tarfile.USTAR_FORMAT)
    for at in range(BLOCK):
        if at in (154, 155):  # what ends the checksum's own field
            continue
        damaged = bytearray(whole)
        damaged[at] ^= 0x04
        with pytest.raises(InvalidArchive):
            read(bytes(damaged))


def deeper_than_any_path() -> list[tuple[tarfile.TarInfo, bytes]]:
    """Three chains of directories, each begun through a link to the end of the one before: 6,000 levels."""
    chain, members = "d/" * 1990, []
    for number in range(3):
        start = f"s{number - 1}/" if number else ""
        members += [member(start + chain + "file"), symlink(f"s{number}", start + chain.rstrip("/"))]
    return members


def test_a_tree_that_is_deeper_than_any_path_is_refused_or_made_and_can_be_removed(yard: Any) -> None:
    with suppress(InvalidArchive):
        yard.unpack(tar(*deeper_than_any_path()))
    assert (yard.root / "d").is_dir()
    trees.remove(yard.root / "d")
    assert not (yard.root / "d").exists()


def test_a_whiteout_of_a_deep_tree_is_carried_out_or_refused(yard: Any) -> None:
    yard.unpack(tar(member("d/" * 1500 + "file")))
    try:
        yard.unpack(tar(member(".wh.d")))
    except (InvalidArchive, StorageFailed):
        assert (yard.root / "d").is_dir()
    else:
        assert not (yard.root / "d").exists()
    trees.remove(yard.root / "d")


def test_names_that_removal_uses_itself_do_not_stop_it(tmp_path: Path) -> None:
    (tmp_path / "t/a/b/c").mkdir(parents=True)
    for number in range(1, 2000):
        (tmp_path / "t" / f".moved-{1 + number * 2**32}").mkdir()
    trees.remove(tmp_path / "t")
    assert not (tmp_path / "t").exists()


@pytest.mark.needs("root", "overlay")
def test_a_hard_link_to_what_is_hidden_shows_nothing_of_the_layers_below(tmp_path: Path) -> None:
    from yard import Yard

    yard = Yard(tmp_path, privileged=True)
    with suppress(InvalidArchive):
        yard.unpack(tar(member(".wh.x"), hard_link("y", "x")), whiteouts=Whiteouts.OVERLAY)
    assert all(path.lstat().st_rdev == 0 and not path.is_file() for path in yard.root.iterdir())


parts = (
    st.lists(st.sampled_from(["a", "b", "..", ".", "link", "up", "abs", "loop", "file", "gone"]), max_size=6)
    .filter(lambda path: path[-1:] != ["."])
    .map("/".join)
)


@given(parts)
@settings(max_examples=300)
def test_the_walk_by_hand_and_the_kernel_end_at_the_same_place(tree: int, path: str) -> None:
    found = []
    for opener in (safepath.resolve, safepath.walk):
        try:
            number = opener(tree, path.encode(), os.O_PATH)
        except OSError as error:
            found.append(("error", type(error)))
        else:
            status = os.fstat(number)
            found.append(("inode", status.st_ino))
            os.close(number)
    assert found[0] == found[1]


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Any:
    root = tmp_path_factory.mktemp("tree")
    (root / "a/b").mkdir(parents=True)
    (root / "b/a").mkdir(parents=True)
    (root / "file").touch()
    (root / "a/file").symlink_to("../file")
    (root / "link").symlink_to("a/b")
    (root / "a/up").symlink_to("../../..")
    (root / "a/b/abs").symlink_to("/b")
    (root / "abs").symlink_to("/etc")
    (root / "loop").symlink_to("loop")
    (root / "b/gone").symlink_to("nowhere")
    number = os.open(root, os.O_PATH | os.O_DIRECTORY)
    if safepath.best_opener() is not safepath.resolve:
        pytest.skip("this kernel has no openat2 to compare with")
    yield number
    os.close(number)
