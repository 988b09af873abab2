"""The contract of `engine/storage/driver.py`, for every driver: each clause is a function that a test gives a `Depot`.

    @pytest.mark.parametrize("clause", CONTRACT)
    def test_the_contract(depot: Depot, clause: Clause) -> None:
        clause(depot)

A clause's name says what is promised, its assertions are the proof. Layers are made from plain tars, so that whiteouts come
in as they come from registries.
"""

import io
import os
import tarfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

from podlink.engine.errors import ErrorOccurred, InvalidArchive, StorageFailed
from podlink.engine.storage.driver import StorageDriver
from podlink.engine.storage.layers import StagedLayer, unpack_layer

CONTAINER = sha256(b"container").hexdigest()


@dataclass
class Depot:
    """A driver, and how to make another one on the same root."""

    driver: StorageDriver
    again: Callable[[], StorageDriver]

    def layer(self, name: str, files: Mapping[str, bytes | None], *parents: str) -> str:
        """Commit a layer over the others (base first) and answer its ID. A file of None is a directory."""
        return self.packed(name, archive(files), *parents)

    def packed(self, name: str, content: bytes, *parents: str) -> str:
        """The same of a tar."""
        staged = unpack_layer(self.driver, parents, io.BytesIO(content))
        chain = sha256(name.encode()).hexdigest()
        self.driver.commit([(staged.staging, chain)])
        return chain

    def root(self, *layers: str) -> Path:
        """The mounted root of a container over these layers."""
        self.driver.create(CONTAINER, layers)
        return self.driver.mount(CONTAINER)


Clause = Callable[[Depot], None]


def archive(files: Mapping[str, bytes | None]) -> bytes:
    """A tar of these files."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.type, info.size = (tarfile.DIRTYPE, 0) if content is None else (tarfile.REGTYPE, len(content))
            info.mode = 0o755 if content is None else 0o644
            tar.addfile(info, io.BytesIO(content or b""))
    return buffer.getvalue()


def described(*members: tarfile.TarInfo, data: bytes = b"") -> bytes:
    """A tar of these members, each file with the same data."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for info in members:
            info.size = len(data) if info.isreg() else 0
            tar.addfile(info, io.BytesIO(data))
    return buffer.getvalue()


def member(name: str, kind: bytes, mode: int, **fields: Any) -> tarfile.TarInfo:
    """fields: as tarfile.TarInfo has them."""
    info = tarfile.TarInfo(name)
    info.type, info.mode, info.mtime = kind, mode, 1_600_000_000
    for field, value in fields.items():
        setattr(info, field, value)
    return info


def listing(root: Path) -> list[str]:
    """Every path below the root, sorted."""
    return sorted(str(path.relative_to(root)) for path in root.rglob("*"))


def a_layer_has_a_name_once_it_is_committed(depot: Depot) -> None:
    staged = unpack_layer(depot.driver, (), io.BytesIO(archive({"a": b"1"})))
    assert depot.driver.known() == ([], [])
    chain = sha256(b"a").hexdigest()
    assert not depot.driver.has(chain)
    depot.driver.commit([(staged.staging, chain)])
    assert depot.driver.has(chain) and depot.driver.known() == ([chain], []) and depot.again().has(chain)


def a_layer_can_be_begun_over_one_that_has_no_name_yet(depot: Depot) -> None:
    staged: list[StagedLayer] = []
    for files in ({"d": None, "d/base": b"1"}, {"d/middle": b"2"}, {"d/.wh.base": b"", "d/top": b"3"}):
        over = staged[-1].staging if staged else None
        staged.append(unpack_layer(depot.driver, (), io.BytesIO(archive(files)), over=over))
    assert depot.driver.known() == ([], [])
    chains = [sha256(name).hexdigest() for name in (b"base", b"middle", b"top")]
    depot.driver.commit([(each.staging, chain) for each, chain in zip(staged, chains, strict=True)])
    assert listing(depot.root(*chains)) == ["d", "d/middle", "d/top"]


def a_discarded_layer_leaves_nothing(depot: Depot) -> None:
    staged = unpack_layer(depot.driver, (), io.BytesIO(archive({"a": b"1"})))
    depot.driver.discard(staged.staging)
    depot.driver.discard(staged.staging)
    assert depot.driver.known() == ([], []) and not staged.staging.path.exists()


def of_two_layers_of_one_name_the_first_stays(depot: Depot) -> None:
    first = depot.layer("same", {"first": b""})
    assert depot.layer("same", {"second": b""}) == first
    assert listing(depot.root(first)) == ["first"]


def layers_lie_on_top_of_each_other(depot: Depot) -> None:
    base = depot.layer("base", {"dir": None, "dir/old": b"old", "dir/kept": b"kept", "file": b"base"})
    top = depot.layer("top", {"dir/.wh.old": b"", "file": b"top", "new": b"new"}, base)
    root = depot.root(base, top)
    assert listing(root) == ["dir", "dir/kept", "file", "new"] and (root / "file").read_bytes() == b"top"


def an_opaque_directory_hides_all_below(depot: Depot) -> None:
    base = depot.layer("base", {"dir": None, "dir/a": b"a", "dir/b": b"b"})
    top = depot.layer("top", {"dir": None, "dir/.wh..wh..opq": b"", "dir/c": b"c"}, base)
    assert listing(depot.root(base, top)) == ["dir", "dir/c"]


def an_opaque_root_hides_all_below(depot: Depot) -> None:
    base = depot.layer("base", {"dir": None, "dir/a": b"a", "file": b"f"})
    top = depot.layer("top", {".wh..wh..opq": b"", "new": b"n"}, base)
    assert listing(depot.root(base, depot.layer("middle", {"dir/b": b"b"}, base), top)) == ["new"]


def what_was_hidden_stays_hidden_when_its_name_comes_again(depot: Depot) -> None:
    base = depot.layer("base", {"d": None, "d/old": b"1", "e": None, "e/old": b"1", "f": None, "f/old": b"1"})
    gone = depot.layer("gone", {".wh.d": b"", ".wh.e": b"", "f": b"a file"}, base)
    again = depot.layer("again", {"d": None, "d/new": b"2", "e/new": b"2", "f": None, "f/new": b"2"}, base, gone)
    assert listing(depot.root(base, gone, again)) == ["d", "d/new", "e", "e/new", "f", "f/new"]


def of_two_entries_of_one_name_the_first_hides_what_is_below(depot: Depot) -> None:
    base = depot.layer("base", {"x": None, "x/old": b"1"})
    twice = described(member("x", tarfile.REGTYPE, 0o644), member("x", tarfile.DIRTYPE, 0o755))
    assert listing(depot.root(base, depot.packed("top", twice, base))) == ["x"]


def a_whiteout_takes_one_name_of_a_file_and_leaves_the_other(depot: Depot) -> None:
    names = described(member("a", tarfile.REGTYPE, 0o644), member("b", tarfile.LNKTYPE, 0o644, linkname="a"), data=b"both")
    base = depot.packed("base", names)
    root = depot.root(base, depot.layer("top", {".wh.a": b""}, base))
    assert listing(root) == ["b"] and (root / "b").read_bytes() == b"both"


def a_directory_that_a_layer_only_goes_through_keeps_its_looks(depot: Depot) -> None:
    base = depot.packed("base", described(member("tmp", tarfile.DIRTYPE, 0o1777), member("tmp/private", tarfile.DIRTYPE, 0o700)))
    layers = [base]
    for name in ("tmp/one", "tmp/private/two", "link/three"):
        link = [member("link", tarfile.SYMTYPE, 0o777, linkname="/tmp/private")] if name.startswith("link") else []
        layers.append(depot.packed(name, described(*link, member(name, tarfile.REGTYPE, 0o644)), *layers))
    root = depot.root(*layers)
    assert [path.stat().st_mode & 0o7777 for path in (root / "tmp", root / "tmp/private")] == [0o1777, 0o700]


def modes_times_links_holes_and_attributes_come_through(depot: Depot) -> None:
    note = {"SCHILY.xattr.user.note": "hello"}
    holes = {"GNU.sparse.major": "1", "GNU.sparse.minor": "0", "GNU.sparse.name": "holes", "GNU.sparse.realsize": str(2**22)}
    base = depot.packed(
        "base",
        described(
            member("tool", tarfile.REGTYPE, 0o6755, pax_headers=note),
            member("again", tarfile.LNKTYPE, 0o6755, linkname="tool"),
            member("link", tarfile.SYMTYPE, 0o777, linkname="/tool"),
            member("fifo", tarfile.FIFOTYPE, 0o620),
            member("x", tarfile.REGTYPE, 0o644, pax_headers=holes),
            member("dir", tarfile.DIRTYPE, 0o2770, pax_headers=note),
            data=b"1\n4096\n512\n".ljust(512, b"\0") + b"d" * 512,
        ),
    )
    root = depot.root(base, depot.layer("top", {"other": b""}, base))
    tool = (root / "tool").stat()
    assert (tool.st_mode & 0o7777, tool.st_mtime, tool.st_nlink) == (0o6755, 1_600_000_000, 2)
    assert (root / "again").samefile(root / "tool") and (root / "link").readlink() == Path("/tool")
    assert (root / "fifo").is_fifo() and (root / "fifo").stat().st_mode & 0o777 == 0o620
    assert (root / "dir").stat().st_mode & 0o7777 == 0o2770 and (root / "dir").stat().st_mtime == 1_600_000_000
    assert os.getxattr(root / "tool", "user.note") == os.getxattr(root / "dir", "user.note") == b"hello"
    sparse = (root / "holes").stat()
    assert sparse.st_size == 2**22 and sparse.st_blocks * 512 <= 64 * 1024
    assert (root / "holes").read_bytes()[4096:4608] == b"d" * 512


def owners_and_devices_come_through_for_root(depot: Depot) -> None:
    if os.geteuid() != 0:
        return
    base = depot.packed(
        "base",
        described(
            member("file", tarfile.REGTYPE, 0o4755, uid=70_000, gid=3_000_000_000),
            member("link", tarfile.SYMTYPE, 0o777, uid=5, gid=6, linkname="nowhere"),
            member("null", tarfile.CHRTYPE, 0o666, devmajor=1, devminor=3),
        ),
    )
    root = depot.root(base, depot.layer("top", {"other": b""}, base))
    file, link, null = ((root / name).lstat() for name in ("file", "link", "null"))
    assert (file.st_uid, file.st_gid, file.st_mode & 0o7777) == (70_000, 3_000_000_000, 0o4755)
    assert (link.st_uid, link.st_gid, null.st_rdev) == (5, 6, os.makedev(1, 3))


def a_container_that_is_there_is_not_made_anew(depot: Depot) -> None:
    base = depot.layer("base", {"a": b"1"})
    (depot.root(base) / "mine").write_bytes(b"kept")
    depot.driver.unmount(CONTAINER)
    depot.driver.create(CONTAINER, [base])
    assert listing(depot.driver.mount(CONTAINER)) == ["a", "mine"]


def a_layer_that_is_refused_leaves_nothing(depot: Depot) -> None:
    base = depot.layer("base", {"a": b"1"})
    for content in (b"", b"no tar" * 200, archive({"b": b"2"})[:700], archive({"b": b"2", "../c": b"3"})):
        try:
            depot.packed("bad", content, base)
        except InvalidArchive:
            continue
        raise AssertionError("a layer that is none was taken")
    assert depot.driver.known() == ([base], [])


def a_file_replaces_a_directory_and_back(depot: Depot) -> None:
    base = depot.layer("base", {"x": None, "x/inner": b"1", "y": b"file"})
    top = depot.layer("top", {"x": b"now a file", "y": None, "y/inner": b"2"}, base)
    root = depot.root(base, top)
    assert listing(root) == ["x", "y", "y/inner"] and (root / "x").is_file()


def what_a_container_writes_stays_with_it_and_changes_no_layer(depot: Depot) -> None:
    base = depot.layer("base", {"a": b"1", "b": b"2"})
    root = depot.root(base)
    (root / "a").write_bytes(b"changed")
    (root / "b").unlink()
    (root / "c").write_bytes(b"new")
    depot.driver.unmount(CONTAINER)
    assert listing(depot.driver.mount(CONTAINER)) == ["a", "c"]
    depot.driver.unmount(CONTAINER)
    depot.driver.delete(CONTAINER)
    root = depot.root(base)
    assert listing(root) == ["a", "b"] and (root / "a").read_bytes() == b"1"


def mount_and_unmount_may_be_done_again(depot: Depot) -> None:
    root = depot.root(depot.layer("base", {"a": b"1"}))
    assert depot.driver.mount(CONTAINER) == root == depot.again().mount(CONTAINER)
    for _ in range(2):
        depot.driver.unmount(CONTAINER)
    for _ in range(2):
        depot.driver.delete(CONTAINER)
    assert depot.driver.known()[1] == []


def a_file_is_read_with_no_mount_and_nothing_leads_out(depot: Depot) -> None:
    base = depot.layer("base", {"etc/passwd": b"base", "etc/group": b"base", "data/real": b"found", "gone/file": b"x", "d": None})
    links = {"etc/link": "/data/./real", "etc/up": "../../../../../../etc/passwd", "loop": "loop", "way": "data"}
    members = [member(name, tarfile.SYMTYPE, 0o777, linkname=target) for name, target in links.items()]
    top = depot.packed(
        "top", described(*members, member("etc/.wh.group", tarfile.REGTYPE, 0o644), member("fifo", tarfile.FIFOTYPE, 0o644)), base
    )
    last = depot.layer("last", {"etc/passwd": b"last", ".wh.gone": b""}, base, top)
    depot.driver.create(CONTAINER, (base, top, last))
    seen = {
        "/etc/passwd": b"last",
        "/etc/group": None,
        "/etc/link": b"found",
        "/etc/up": b"last",
        "/way/real": b"found",
        "/data/real/more": None,
        "/../data/real": b"found",
        "/gone/file": None,
        "/loop": None,
        "/fifo": None,
        "/d": None,
        "/": None,
    }
    assert {path: depot.driver.read(CONTAINER, path, 5) for path in seen} == seen
    try:
        depot.driver.read(CONTAINER, "/data/real", 4)
    except ErrorOccurred as error:
        assert "longer than 4 bytes" in error.reason
    else:
        raise AssertionError("a file over the limit was read")
    root = depot.driver.mount(CONTAINER)
    assert {path: depot.driver.read(CONTAINER, path, 5) for path in seen} == seen and root.is_dir()


def usage_counts_what_was_written(depot: Depot) -> None:
    root = depot.root(depot.layer("base", {"big": bytes(100_000), "small": b"1"}))
    assert depot.driver.usage(CONTAINER) == 0
    (root / "new").write_bytes(bytes(5000))
    os.link(root / "new", root / "again")
    assert depot.driver.usage(CONTAINER) == 5000
    (root / "small").write_bytes(b"22")
    assert depot.driver.usage(CONTAINER) == 5002
    (root / "big").unlink()
    assert depot.driver.usage(CONTAINER) == 5002


def a_container_may_have_no_layers(depot: Depot) -> None:
    root = depot.root()
    assert listing(root) == [] and root.stat().st_mode & 0o777 == 0o755


def many_layers_and_deep_ones(depot: Depot) -> None:
    """More than builders of images make, and than a page of mount options holds; where layers are copies, fewer show the same."""
    many = 130 if depot.driver.stacks else 20
    layers: list[str] = []
    for number in range(many):
        layers.append(depot.layer(f"layer{number}", {f"file{number}": b"", "last": str(number).encode()}, *layers))
    root = depot.root(*layers)
    assert len(listing(root)) == many + 1 and (root / "last").read_bytes() == str(many - 1).encode()


def a_missing_layer_is_named(depot: Depot) -> None:
    absent = "0" * 64
    for act in (lambda: depot.driver.create(CONTAINER, [absent]), lambda: depot.driver.stage([absent])):
        try:
            act()
        except StorageFailed as refusal:
            assert absent in str(refusal)
        else:
            raise AssertionError("a layer that is missing was not missed")
    assert depot.driver.known() == ([], [])


def a_removed_layer_is_gone(depot: Depot) -> None:
    chain = depot.layer("base", {"dir": None, "dir/a": b"1"})
    for _ in range(2):
        depot.driver.remove(chain)
    assert not depot.driver.has(chain) and depot.driver.known() == ([], [])


def sweep_leaves_what_lives(depot: Depot) -> None:
    kept = depot.layer("base", {"a": b"1"})
    alive = unpack_layer(depot.driver, (), io.BytesIO(archive({"b": b"2"})))
    other = depot.again()
    abandoned = unpack_layer(other, (), io.BytesIO(archive({"c": b"3"})))
    other.close()
    depot.driver.sweep()
    assert alive.staging.path.exists() and not abandoned.staging.path.exists() and depot.driver.has(kept)
    depot.driver.discard(alive.staging)


def the_places_of_its_parts_are_told(depot: Depot) -> None:
    root = depot.root(depot.layer("base", {"a": b"1"}))
    places = depot.driver.place(CONTAINER)
    assert places["MergedDir"] == str(root) and all(Path(part).is_dir() for place in places.values() for part in place.split(":"))


CONTRACT: tuple[Clause, ...] = (
    a_layer_has_a_name_once_it_is_committed,
    a_layer_can_be_begun_over_one_that_has_no_name_yet,
    a_discarded_layer_leaves_nothing,
    of_two_layers_of_one_name_the_first_stays,
    layers_lie_on_top_of_each_other,
    an_opaque_directory_hides_all_below,
    an_opaque_root_hides_all_below,
    what_was_hidden_stays_hidden_when_its_name_comes_again,
    of_two_entries_of_one_name_the_first_hides_what_is_below,
    a_whiteout_takes_one_name_of_a_file_and_leaves_the_other,
    a_directory_that_a_layer_only_goes_through_keeps_its_looks,
    modes_times_links_holes_and_attributes_come_through,
    owners_and_devices_come_through_for_root,
    a_container_that_is_there_is_not_made_anew,
    a_layer_that_is_refused_leaves_nothing,
    a_file_replaces_a_directory_and_back,
    what_a_container_writes_stays_with_it_and_changes_no_layer,
    mount_and_unmount_may_be_done_again,
    a_file_is_read_with_no_mount_and_nothing_leads_out,
    usage_counts_what_was_written,
    a_container_may_have_no_layers,
    many_layers_and_deep_ones,
    a_missing_layer_is_named,
    a_removed_layer_is_gone,
    sweep_leaves_what_lives,
    the_places_of_its_parts_are_told,
)
