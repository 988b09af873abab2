"""What is hard to keep: in a commit, in an export, in the list of changes."""

import os
import socket
import stat
import subprocess
import tarfile
import threading
from pathlib import Path
from typing import Any

import pytest

from podlink.engine.errors import ContainerNotFound, InvalidRequest
from podlink.engine.images.export import export_image

on_the_host = pytest.mark.needs("root", "runc", "overlay")
CAPABILITY = bytes.fromhex("0100000200200000000000000000000000000000")
ACL = bytes.fromhex("0200000001000600ffffffff020004000a00000004000400ffffffff10000600ffffffff20000400ffffffff")


def listed(container: Any) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {"added": [], "changed": [], "deleted": []}
    for change in container.changes():
        found[change.kind.value].append(change.path)
    return found


def picture(root: Path) -> dict[str, Any]:
    """A tree as it looks, but for sockets and for the times of directories, which a visit is enough to change."""
    first: dict[tuple[int, int], str] = {}
    found: dict[str, Any] = {}
    for path in [root, *sorted(root.rglob("*"))]:
        status, name = path.lstat(), str(path.relative_to(root))
        if stat.S_ISSOCK(status.st_mode):
            continue
        content: Any = path.read_bytes() if stat.S_ISREG(status.st_mode) else b""
        if stat.S_ISLNK(status.st_mode):
            content = str(path.readlink())
        when = 0 if stat.S_ISDIR(status.st_mode) else status.st_mtime_ns
        same = first.setdefault((status.st_dev, status.st_ino), name)
        labels = {each: os.getxattr(path, each, follow_symlinks=False) for each in os.listxattr(path, follow_symlinks=False)}
        found[name] = (oct(status.st_mode), status.st_uid, status.st_gid, content, when, same, status.st_rdev, labels)
    return found


def without_acl(found: dict[str, Any]) -> dict[str, Any]:
    return {name: (*each[:-1], {k: v for k, v in each[-1].items() if "acl" not in k}) for name, each in found.items()}


def root_of(bench: Any, container: Any) -> dict[str, Any]:
    storage = bench.engine.host.storage
    try:
        return picture(storage.mount(container.id))
    finally:
        storage.unmount(container.id)


def from_image(bench: Any, name: str, *command: str, **fields: Any) -> Any:
    return bench.engine.containers.create(image=name, command=command or ["true"], **fields)


def prepared(real: Any) -> Any:
    """A container of an image that holds something of everything."""
    container = real.create("true")
    root = real.engine.host.storage.mount(container.id)
    for folder in ("opaque/sub", "to-file/inner", "gone/deep"):
        (root / folder).mkdir(parents=True)
        (root / folder / "file").write_text(folder)
    (root / "to-folder").write_text("file")
    (root / "to-link").write_text("file")
    for name in ("one", "copied-up", "secretly", "labelled", "moved-in-time"):
        (root / name).write_text(name)
        os.utime(root / name, ns=(0, 10**18 + 7))
    os.link(root / "one", root / "other")
    real.engine.host.storage.unmount(container.id)
    container.commit("everything")
    return from_image(real, "everything")


def rebuilt(root: Path) -> None:
    """Something of every way to change a tree."""
    subprocess.run(
        ["rm", "-r", root / "opaque", root / "to-file", root / "gone", root / "to-folder", root / "to-link"], check=True
    )
    (root / "opaque").mkdir()
    (root / "opaque/new").touch()
    (root / "to-file").write_text("a file now")
    (root / "to-folder").mkdir(mode=0o2750)
    (root / "to-folder/x").write_text("x")
    (root / "to-link").symlink_to("/nowhere")
    os.link(root / "one", root / "third")
    (root / "copied-up").open("r+").close()
    (root / "secretly").write_text("yltercesx"[:8])
    os.utime(root / "secretly", ns=(0, 10**18 + 7))
    os.setxattr(root / "labelled", "security.capability", CAPABILITY)
    os.setxattr(root / "etc", "system.posix_acl_access", ACL)
    os.utime(root / "moved-in-time", ns=(0, -1_500_000_000))
    (root / "sparse").touch()
    os.truncate(root / "sparse", 2**22)
    (root / "set").touch()
    os.chown(root / "set", 70_000, 4_000_000_000)
    (root / "set").chmod(0o6755)
    os.mknod(root / "zero", stat.S_IFCHR | 0o666, os.makedev(1, 5))
    os.mknod(root / "disk", stat.S_IFBLK | 0o600, os.makedev(7, 200))
    os.mkfifo(root / "fifo")
    (root / ("n" * 200)).touch()
    with socket.socket(socket.AF_UNIX) as one:
        os.chdir(root)
        one.bind("socket")
        os.chdir("/")
    root.chmod(0o711)


@pytest.mark.needs("umoci")
@on_the_host
def test_an_image_of_everything_looks_as_its_container_did(real: Any, tmp_path: Path) -> None:
    container = prepared(real)
    rebuilt(real.engine.host.storage.mount(container.id))
    real.engine.host.storage.unmount(container.id)
    found = listed(container)
    assert "/copied-up" not in found["changed"] and {"/", "/secretly", "/labelled", "/etc", "/to-file"} <= set(found["changed"])
    assert found["deleted"] == ["/gone", "/opaque/sub"] and "/third" in found["added"] and "/one" not in found["changed"]
    wanted = root_of(real, container)
    container.commit("again")
    again = from_image(real, "again")
    assert root_of(real, again) == wanted and wanted["one"][5] == wanted["third"][5]
    assert listed(again) == {"added": [], "changed": [], "deleted": []}
    again.start()
    assert again.wait() == 0, again.logs()
    assert real.engine.images.history("again")[0].size < 2**23
    umoci_agrees(real, wanted, tmp_path)


def umoci_agrees(real: Any, wanted: dict[str, Any], folder: Path) -> None:
    """What another tool makes of the same layers. It knows nothing of ACLs."""
    export_image(real.engine.host, "again", f"oci:{folder / 'layout'}:again")
    unpack = ["umoci", "unpack", "--image", f"{folder / 'layout'}:again", str(folder / "bundle")]
    done = subprocess.run(unpack, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    seen = picture(folder / "bundle/rootfs")

    assert without_acl(seen) == without_acl(wanted)


@on_the_host
def test_an_export_of_everything_is_extracted_to_the_same_tree(real: Any, tmp_path: Path) -> None:
    container = prepared(real)
    rebuilt(real.engine.host.storage.mount(container.id))
    real.engine.host.storage.unmount(container.id)
    container.export(str(tmp_path / "out.tar"))
    (tmp_path / "tree").mkdir()
    flags = ["--numeric-owner", "--xattrs", "--xattrs-include=*"]
    subprocess.run(["tar", "-xpf", tmp_path / "out.tar", "-C", tmp_path / "tree", *flags], check=True, capture_output=True)
    assert without_acl(picture(tmp_path / "tree")) == without_acl(root_of(real, container))  # GNU tar spells ACLs its own way
    real.engine.images.import_image(str(tmp_path / "out.tar"), "flat")
    assert root_of(real, from_image(real, "flat")) == root_of(real, container)


def test_what_only_attributes_or_bytes_tell_is_told(bench: Any) -> None:
    container = bench.create("true")
    storage = bench.engine.host.storage
    root = storage.claim(container.id) if bench.runtime == "emulator" else storage.mount(container.id)
    for name in ("etc/group", "etc/passwd", "bin/noexec"):
        before = (root / name).stat()
        (root / name).write_bytes((root / name).read_bytes())
        if name == "etc/passwd":
            (root / name).write_bytes(b"#" + (root / name).read_bytes()[1:])
        if name == "bin/noexec":
            os.setxattr(root / name, "user.note", b"n")
        os.utime(root / name, ns=(before.st_atime_ns, before.st_mtime_ns))
    storage.unmount(container.id)
    assert listed(container) == {"added": [], "changed": ["/bin", "/bin/noexec", "/etc", "/etc/passwd"], "deleted": []}


def test_a_file_with_the_name_of_a_mark_is_listed_exported_and_not_committed(bench: Any, tmp_path: Path) -> None:
    container = bench.run("/bin/sh", "-c", "touch /etc/.wh.passwd /etc/.wh..wh..opq")
    container.wait()
    assert listed(container)["added"] == ["/etc/.wh..wh..opq", "/etc/.wh.passwd"]
    with pytest.raises(InvalidRequest, match=r"/etc/\.wh\.\.wh\.\.opq.*begin with \.wh\."):
        container.commit("bad")
    with tarfile.open(container.export(str(tmp_path / "out.tar"))) as tar:
        assert "etc/.wh.passwd" in tar.getnames() and "etc/passwd" in tar.getnames()
    assert len(bench.engine.images.list()) == 1


@on_the_host
def test_a_directory_on_the_way_to_a_volume_is_the_container_s_own_once_it_is_changed(real: Any, tmp_path: Path) -> None:
    container = real.run("/bin/sh", "-c", "chmod 700 /home; touch /home/data/x", volumes=[f"{tmp_path}:/home/data"])
    assert container.wait() == 0, container.logs()
    assert listed(container) == {"added": [], "changed": ["/home"], "deleted": []}
    container.commit("narrow")
    assert root_of(real, from_image(real, "narrow"))["home"][0] == oct(stat.S_IFDIR | 0o700)


def test_an_export_follows_a_link_and_replaces_no_device(bench: Any, tmp_path: Path) -> None:
    container = bench.create("true")
    (tmp_path / "link.tar").symlink_to(tmp_path / "real.tar")
    assert container.export(str(tmp_path / "link.tar")) == str(tmp_path / "link.tar")
    assert (tmp_path / "link.tar").is_symlink() and tarfile.is_tarfile(tmp_path / "real.tar")
    os.mkfifo(tmp_path / "fifo")
    for path in ("/dev/null", str(tmp_path / "fifo"), str(tmp_path / ("n" * 300)), "/tmp/a\0b", ""):
        with pytest.raises(InvalidRequest, match="path"):
            container.export(path)
    assert stat.S_ISCHR(Path("/dev/null").stat().st_mode) and sorted(path.name for path in tmp_path.iterdir())[:3] == [
        "fifo",
        "link.tar",
        "real.tar",
    ]


@on_the_host
def test_an_export_of_what_is_removed_meanwhile_is_no_half_archive(real: Any, tmp_path: Path) -> None:
    container = real.run("/bin/sh", "-c", "while :; do sleep 1; done")
    asked = threading.Event()

    class Removes:
        def is_set(self) -> bool:
            if not asked.is_set():
                asked.set()
                container.remove(force=True)
            return False

    with pytest.raises(ContainerNotFound):
        container.export(str(tmp_path / "out.tar"), Removes())
    assert not (tmp_path / "out.tar").exists() and not list(tmp_path.glob(".podlink*"))


def test_variables_that_the_image_gives_itself_stay(bench: Any) -> None:
    container = bench.create("true", env={"ASKED": "yes"})
    container.commit("one", changes=["ENV=TERM=vt100"])
    from_image(bench, "one").commit("two")
    env = bench.engine.images.inspect("two")["ContainerConfig"]["Env"]
    assert "TERM=vt100" in env and not [each for each in env if each.startswith("HOSTNAME=")]


def test_a_commit_is_told_as_one(bench: Any) -> None:
    container = bench.run("/bin/sh", "-c", "touch /new")
    container.wait()
    container.commit("new")
    bench.create("true").commit("same")
    assert [each.action for each in bench.engine.host.state.events.read() if each.type == "image"].count("commit") == 2
