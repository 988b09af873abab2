"""Roots whose files belong to mapped IDs in the mount, and to the container's on the disk: both drivers, as root."""

import os
import stat
import struct
import tarfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from podlink.engine.errors import StorageFailed
from podlink.engine.linux import mounts, syscalls, userns
from podlink.engine.oci.layer.owners import Owners
from podlink.engine.oci.spec.values import IDMaps, IDRange
from podlink.engine.storage import idmapped, probe
from podlink.engine.storage.vfs import VfsDriver
from podlink.engine.testing.storage import CONTAINER, Depot, described, member

pytestmark = pytest.mark.needs("root", "overlay", "idmapped")

MAPS = IDMaps((IDRange(0, 100_000, 1000), IDRange(1000, 500_000, 1)), (IDRange(0, 200_000, 5000),))


@pytest.fixture
def mapped(depot: Depot) -> Path:
    """A container's mapped root over two layers."""
    base = depot.layer("base", {"etc/": None, "etc/old": b"1", "gone": b"2", "dir/a": b"3"})
    top = depot.layer("top", {"etc/new": b"4"}, base)
    depot.driver.create(CONTAINER, (base, top))
    return depot.driver.mount(CONTAINER, MAPS)


def inside(act: Callable[[], None], uid: int = 0) -> None:
    """Do it as a user of the container, in its user namespace."""
    with userns.new([(0, 100_000, 1000), (1000, 500_000, 1)], [(0, 200_000, 5000)]) as namespace:
        child = os.fork()
        if child == 0:
            try:
                syscalls.setns(namespace, syscalls.CLONE_NEWUSER)
                os.setgroups([])
                for number in (0, uid):  # first its root: it is by ceasing to be root that one loses his capabilities
                    os.setresgid(number, number, number)
                    os.setresuid(number, number, number)
                act()
                os._exit(0)
            finally:
                os._exit(1)
        assert os.waitpid(child, 0)[1] == 0


def owner(path: Path) -> tuple[int, int]:
    status = path.lstat()
    return status.st_uid, status.st_gid


def test_owners_are_mapped_in_the_mount_and_plain_on_the_disk(depot: Depot, mapped: Path) -> None:
    def work() -> None:
        (mapped / "mine").write_bytes(b"new")
        os.chown(mapped / "mine", 1000, 4999)
        (mapped / "etc/old").chmod(0o600)
        (mapped / "gone").unlink()
        (mapped / "dir/a").unlink()
        (mapped / "dir").rmdir()
        (mapped / "dir").mkdir()
        os.mkfifo(mapped / "pipe")
        (mapped / "link").symlink_to("mine")

    inside(work)
    assert owner(mapped) == owner(mapped / "etc/new") == owner(mapped / "etc/old") == (100_000, 200_000)
    assert owner(mapped / "mine") == (500_000, 204_999) and owner(mapped / "link") == owner(mapped / "pipe") == (100_000, 200_000)
    disk = depot.driver.written(CONTAINER)
    assert owner(disk / "mine") == (1000, 4999) and owner(disk / "etc/old") == owner(disk / "link") == owner(disk / "dir") == (
        0,
        0,
    )
    assert [(change.kind, change.path) for change in depot.driver.changes(CONTAINER) if change.path != "/"] == [
        ("changed", "/dir"),
        ("deleted", "/dir/a"),
        ("changed", "/etc"),
        ("changed", "/etc/old"),
        ("deleted", "/gone"),
        ("added", "/link"),
        ("added", "/mine"),
        ("added", "/pipe"),
    ]
    with depot.driver.seen(CONTAINER) as root:
        assert owner(root / "mine") == (1000, 4999) and owner(root / "etc/new") == owner(root) == (0, 0)
        assert not (root / "gone").exists() and stat.S_IMODE((root / "etc/old").stat().st_mode) == 0o600
    depot.driver.unmount(CONTAINER)
    plain = depot.driver.mount(CONTAINER)
    assert plain != mapped and owner(plain / "mine") == (1000, 4999)
    depot.driver.unmount(CONTAINER)


def test_rights_count_by_the_containers_users(mapped: Path) -> None:
    inside(lambda: os.chown(mapped / "etc", 1000, 1000))
    (mapped / "etc/old").chmod(0o604)
    root = os.open(mapped, os.O_PATH | os.O_DIRECTORY)  # a user of the container passes the folders above no more than others do

    def as_a_user() -> None:
        os.close(os.open("etc/mine", os.O_WRONLY | os.O_CREAT, dir_fd=root))
        for path in ("etc/old", "file"):
            with pytest.raises(PermissionError):
                os.open(path, os.O_WRONLY | os.O_CREAT, dir_fd=root)

    inside(as_a_user, uid=1000)
    os.close(root)
    assert owner(mapped / "etc/mine") == (500_000, 201_000)


def test_mounting_again_answers_the_same_and_unmounting_leaves_nothing(depot: Depot, mapped: Path) -> None:
    assert depot.again().mount(CONTAINER, MAPS) == mapped
    assert depot.driver.place(CONTAINER)["MergedDir"] == str(mapped)
    assert len([each for each in mounts.parse(mounts.MOUNTINFO.read_bytes()) if each.place == mapped]) == 1
    assert stat.S_IMODE(mapped.parent.stat().st_mode) == 0o710 and mapped.parent.stat().st_gid == 200_000
    for _ in range(2):
        depot.driver.unmount(CONTAINER)
        assert not mapped.parent.exists()
    assert depot.driver.place(CONTAINER)["MergedDir"] != str(mapped)


def test_what_a_crash_left_half_mounted_is_taken_away(depot: Depot, mapped: Path) -> None:
    store = mapped.parent / "store"
    store.mkdir()
    idmapped.show(depot.driver.written(CONTAINER), store, MAPS)
    depot.again().unmount(CONTAINER)
    assert not mapped.parent.exists()


def test_deleting_takes_the_mount_along(depot: Depot, mapped: Path) -> None:
    depot.driver.delete(CONTAINER)
    assert not mapped.parent.exists() and depot.driver.known()[1] == []


def test_a_file_with_capabilities_keeps_them_for_the_container(depot: Depot, mapped: Path) -> None:
    raw = bytes.fromhex("0100000200200000000000000000000000000000")

    def work() -> None:
        (mapped / "ping").touch()
        os.setxattr(mapped / "ping", "security.capability", raw)

    inside(work)
    with depot.driver.seen(CONTAINER) as root:
        assert os.getxattr(root / "ping", "security.capability") == raw
    assert os.getxattr(depot.driver.written(CONTAINER) / "ping", "security.capability") == raw


@pytest.fixture
def copied(place: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Depot]:
    """Plain directories where the kernel maps no owners."""
    monkeypatch.setattr(probe, "maps_owners", lambda folder, overlay="": "not here")
    driver = VfsDriver(place / "storage")
    yield Depot(driver, lambda: VfsDriver(place / "storage"))
    driver.delete(CONTAINER)
    driver.close()


def test_without_the_kernels_help_the_copy_is_given_to_the_mapped_owners(copied: Depot) -> None:
    driver = copied.driver
    assert driver.maps_owners() == ""
    raw = bytes.fromhex("0100000200200000000000000000000000000000")
    members = [member("ping", tarfile.REGTYPE, 0o755, uid=3, gid=4999), member("alien", tarfile.REGTYPE, 0o644, uid=2000)]
    members[0].pax_headers = {"SCHILY.xattr.security.capability": raw.decode("latin-1")}
    layer = copied.packed("base", described(*members))
    driver.create(CONTAINER, (layer,), MAPS)
    root = driver.mount(CONTAINER, MAPS)
    assert owner(root) == (100_000, 200_000) and owner(root / "ping") == (100_003, 204_999) and owner(root / "alien")[0] == 0
    assert os.getxattr(root / "ping", "security.capability")[:4] == bytes.fromhex("01000003")
    assert [change.path for change in driver.changes(CONTAINER)] == []

    def work() -> None:
        (root / "mine").touch()
        os.chown(root / "ping", 1000, 1)

    inside(work)
    assert owner(root / "mine") == (100_000, 200_000) and owner(root / "ping") == (500_000, 200_001)
    assert [(change.kind, change.path) for change in driver.changes(CONTAINER)] == [("added", "/mine"), ("changed", "/ping")]
    owners = driver.owners(CONTAINER)
    assert owners and owners.inside(500_000, 200_001) == (1000, 1) and copied.again().owners(CONTAINER) == owners
    with pytest.raises(StorageFailed, match="other IDs"):
        driver.unmount(CONTAINER)
        driver.mount(CONTAINER, IDMaps((IDRange(0, 7, 7),), (IDRange(0, 7, 7),)))


def test_lists_and_capabilities_are_turned_both_ways() -> None:
    owners = Owners(MAPS)
    entries = [(1, 7, 2**32 - 1), (2, 6, 1000), (4, 5, 2**32 - 1), (8, 4, 9), (16, 7, 2**32 - 1), (32, 0, 2**32 - 1)]
    plain = {
        "system.posix_acl_access": struct.pack("<I", 2) + b"".join(struct.pack("<HHI", *entry) for entry in entries),
        "security.capability": bytes.fromhex("0100000200200000000000000000000000000000"),
        "user.note": b"kept",
    }
    turned = owners.attributes_outside(plain)
    numbers = [number for _, _, number in struct.iter_unpack("<HHI", turned["system.posix_acl_access"][4:])]
    assert numbers[1] == 500_000 and numbers[3] == 200_009 and turned["user.note"] == b"kept"
    assert turned["security.capability"] == bytes.fromhex("0100000300200000000000000000000000000000a0860100")
    assert owners.attributes_inside(turned) == plain


def test_threads_that_make_namespaces_at_once_do_not_wait_for_each_other() -> None:
    def make(number: int) -> list[tuple[int, int, int]]:
        with userns.new([(0, number, 1)], [(0, number, 1)]) as namespace:
            return userns.maps_of(Path(f"/proc/self/fd/{namespace}"))[0]

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(make, range(1, 61))) == [[(0, number, 1)] for number in range(1, 61)]


def test_the_mapping_of_a_namespace_is_found_by_its_file() -> None:
    with userns.new([(0, 7, 1), (5, 100, 10)], [(0, 9, 2)]) as namespace:
        assert userns.maps_of(Path(f"/proc/self/fd/{namespace}")) == ([(0, 7, 1), (5, 100, 10)], [(0, 9, 2)])
    own = userns.parse(Path("/proc/self/uid_map").read_text())
    assert userns.maps_of(Path("/proc/self/ns/user"))[0] == own
    with pytest.raises(OSError):
        userns.maps_of(Path("/proc/self/ns/pid"))
    with pytest.raises(OSError), userns.new([(0, 1, 1), (0, 2, 1)], [(0, 1, 1)]):
        pass
