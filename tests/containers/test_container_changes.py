"""What a container changed, as a list, as a tar and as an image: plain directories on the emulator, overlayfs on runc."""

import json
import os
import stat
import subprocess
import tarfile
from pathlib import Path
from typing import Any

import pytest

from podlink.engine.cancel import Never
from podlink.engine.errors import Cancelled, ContainerNotFound, InvalidRequest, StorageFailed

LOOP = ("/bin/sh", "-c", "trap 'exit 0' TERM; while :; do sleep 0.1; done")


def changed(bench: Any, script: str, **fields: Any) -> Any:
    container = bench.run("/bin/sh", "-c", script, **fields)
    assert container.wait() == 0, container.logs()
    return container


def ran(bench: Any, image: str, script: str) -> Any:
    """A container of this image that ran this script."""
    container = bench.engine.containers.create(image=image, command=["/bin/sh", "-c", script])
    container.start()
    assert container.wait() == 0, container.logs()
    return container


class Left(Never):
    """A caller who has left already."""

    def is_set(self) -> bool:
        return True


def listed(container: Any) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {"added": [], "changed": [], "deleted": []}
    for change in container.changes():
        found[change.kind.value].append(change.path)
    return found


def picture(root: Path) -> dict[str, Any]:
    """A tree as it looks: kinds, modes, owners, contents, times, links, and which names are one file."""
    first: dict[tuple[int, int], str] = {}
    found: dict[str, Any] = {}
    for path in sorted(root.rglob("*")):
        status, name = path.lstat(), str(path.relative_to(root))
        content: Any = b""
        if stat.S_ISREG(status.st_mode):
            content = path.read_bytes()
        elif stat.S_ISLNK(status.st_mode):
            content = str(path.readlink())
        same = first.setdefault((status.st_dev, status.st_ino), name)
        when = status.st_mtime_ns if stat.S_ISREG(status.st_mode) else 0
        found[name] = (status.st_mode, status.st_uid, status.st_gid, content, when, same, status.st_rdev)
    return found


def test_a_container_that_did_nothing_changed_nothing(bench: Any) -> None:
    assert listed(bench.create("true")) == listed(changed(bench, "true")) == {"added": [], "changed": [], "deleted": []}
    with pytest.raises(ContainerNotFound):
        bench.engine.containers.get("nobody")


def test_what_was_added_changed_and_deleted_is_told(bench: Any) -> None:
    script = "mkdir -p /opt/new; echo x > /opt/new/file; rm /bin/yes; echo more >> /etc/motd; touch /bin/own; chmod 700 /etc/motd"
    changed(bench, "mkdir -p /etc; echo hello > /etc/motd").commit("base")
    found = listed(ran(bench, "base", script))
    assert found["deleted"] == ["/bin/yes"] and found["changed"] == ["/bin", "/etc", "/etc/motd"]
    assert found["added"] == ["/bin/own", "/opt", "/opt/new", "/opt/new/file"]


def test_a_directory_that_was_made_anew_hides_what_it_held(bench: Any) -> None:
    changed(bench, "mkdir -p /data/sub; echo 1 > /data/one; echo 2 > /data/sub/two").commit("base")
    script = "rm -r /data; mkdir /data; echo new > /data/three; mkdir /data/sub"
    container = ran(bench, "base", script)
    found = listed(container)
    assert found["deleted"] == ["/data/one", "/data/sub/two"] and found["added"] == ["/data/three"]
    container.commit("next")
    assert ran(bench, "next", "cd /data; ls; ls sub").logs() == ["sub\n", "three\n"]


def test_a_changed_kind_is_a_change_and_not_two(bench: Any) -> None:
    changed(bench, "echo x > /thing; mkdir /place; echo y > /place/inner").commit("base")
    container = ran(bench, "base", "rm /thing; mkdir /thing; echo z > /thing/z; rm -r /place; echo p > /place")
    found = listed(container)
    assert "/thing/z" in found["added"] and "/place" in found["changed"] and "/thing" in found["changed"]
    container.commit("next")
    assert ran(bench, "next", "cat /thing/z /place").logs() == ["z\n", "p\n"]


def test_an_export_is_the_tree(bench: Any, tmp_path: Path) -> None:
    script = "mkdir -p /a/b; echo one > /a/b/one; ln /a/b/one /a/two; ln -s b/one /a/link; chmod 4755 /a/two; touch '/a/odd name'"
    container = changed(bench, script)
    path = tmp_path / "out.tar"
    assert container.export(str(path)) == str(path)
    out = tmp_path / "tree"
    out.mkdir()
    subprocess.run(["tar", "-xpf", path, "-C", out, "--numeric-owner"], check=True)
    root = bench.engine.host.storage.mount(container.id)
    try:
        assert picture(out) == picture(root)
    finally:
        bench.engine.host.storage.unmount(container.id)
    assert [path.name for path in tmp_path.glob(".out.tar*")] == []


def test_an_export_of_a_running_container(bench: Any, tmp_path: Path) -> None:
    container = bench.run("/bin/sh", "-c", f"echo here > /word; {LOOP[2]}")
    while "/word" not in listed(container)["added"]:
        pass
    container.export(str(tmp_path / "out.tar"))
    with tarfile.open(tmp_path / "out.tar") as tar:
        assert "word" in tar.getnames() and "bin/busybox" in tar.getnames()
    assert container.summary().container.status == "running"
    container.stop(0)


@pytest.mark.parametrize("path", ["relative.tar", "/nonexistent/folder/x.tar", "/tmp"])
def test_a_place_that_can_not_be_written_is_refused(bench: Any, path: str) -> None:
    with pytest.raises(InvalidRequest, match="path"):
        bench.create("true").export(path)


def test_an_export_that_is_given_up_leaves_nothing(bench: Any, tmp_path: Path) -> None:
    leaves = Left()
    (tmp_path / "out.tar").write_text("the one before")
    with pytest.raises(Cancelled):
        bench.create("true").export(str(tmp_path / "out.tar"), leaves)
    assert (tmp_path / "out.tar").read_text() == "the one before" and len(list(tmp_path.glob("*out.tar*"))) == 1


@pytest.mark.needs("root")
def test_an_export_to_a_full_disk_is_said_and_leaves_nothing(bench: Any, tmp_path: Path) -> None:
    small = tmp_path / "small"
    small.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", small], check=True)
    try:
        with pytest.raises(StorageFailed, match=r"[Nn]o space left"):
            bench.create("true").export(str(small / "out.tar"))
        assert list(small.iterdir()) == []
    finally:
        subprocess.run(["umount", small], check=True)


def test_a_commit_looks_as_the_container_did(bench: Any) -> None:
    script = "rm /bin/yes; mkdir -p /d/e; echo x > /d/e/f; ln /d/e/f /d/g; ln -s e /d/l; chmod 1777 /d; echo longer > /d/e/h"
    container = changed(bench, script)
    image = container.commit("made", message="what", author="me", changes=["ENV=A=B", "CMD=/bin/ls /d"])
    again = bench.engine.containers.create(image="made", command=["true"])
    storage = bench.engine.host.storage
    try:
        one, other = picture(storage.mount(container.id)), picture(storage.mount(again.id))
        for place in ("run/.containerenv", "etc/hosts", "etc/hostname", "etc/resolv.conf"):
            assert one.pop(place, bench.runtime == "emulator")  # the place of a mount is the runtime's, and stays out
        assert one == other
    finally:
        storage.unmount(container.id)
        storage.unmount(again.id)
    kept = next(each for each in bench.engine.host.state.images.all() if each.id == image)
    config = json.loads(kept.config)
    assert kept.names == ("localhost/made:latest",) and config["author"] == "me"
    assert "A=B" in config["config"]["Env"] and config["config"]["Cmd"] == ["/bin/ls /d"]
    assert not [entry for entry in config["config"]["Env"] if entry.startswith(("HOSTNAME=", "TERM=", "container="))]
    history = bench.engine.images.history("made")
    assert history[0].comment == "what" and len(history) == 2


def test_a_commit_of_nothing_has_no_layer(bench: Any) -> None:
    bench.create("true").commit("same")
    images = {name: image for image in bench.engine.host.state.images.all() for name in image.names}
    assert images["localhost/same:latest"].layers == images["docker.io/library/small:latest"].layers
    assert bench.engine.images.history("same")[0].size == 0


def test_a_running_container_goes_on_after_a_commit(bench: Any) -> None:
    container = bench.run(*LOOP)
    container.commit("alive", pause=True)
    assert container.summary().container.status == "running"
    container.stop(300)
    assert container.wait() == 0
    container = bench.run(*LOOP)
    with pytest.raises(InvalidRequest):
        container.commit("alive", changes=["BOGUS=1"])
    assert container.summary().container.status == "running"
    container.stop(0)


@pytest.mark.needs("root", "runc", "overlay")
def test_attributes_devices_and_owners_survive(real: Any, tmp_path: Path) -> None:
    container = real.create("true")
    upper = real.engine.host.storage.mount(container.id)
    (upper / "owned").write_text("x")
    os.chown(upper / "owned", 70_000, 4_000_000_000)
    os.setxattr(upper / "owned", "user.note", b"bin\0ary\xff")
    os.mknod(upper / "null", stat.S_IFCHR | 0o666, os.makedev(1, 3))
    os.mkfifo(upper / "fifo")
    (upper / os.fsdecode(b"caf\xe9")).write_text("odd")
    real.engine.host.storage.unmount(container.id)
    container.commit("kept")
    again = real.engine.containers.create(image="kept", command=["true"])
    root = real.engine.host.storage.mount(again.id)
    try:
        status = (root / "owned").stat()
        assert (status.st_uid, status.st_gid) == (70_000, 4_000_000_000)
        assert os.getxattr(root / "owned", "user.note") == b"bin\0ary\xff"
        assert (root / "null").stat().st_rdev == os.makedev(1, 3) and stat.S_ISFIFO((root / "fifo").stat().st_mode)
        assert os.path.exists(os.fsencode(root) + b"/caf\xe9")  # noqa: PTH110 (a name in bytes)
    finally:
        real.engine.host.storage.unmount(again.id)


@pytest.mark.needs("root", "runc", "overlay")
def test_the_runtimes_own_places_are_no_changes(real: Any, tmp_path: Path) -> None:
    source = tmp_path / "data"
    source.mkdir()
    container = real.run(
        "/bin/sh", "-c", "echo x > /mnt/here/file; echo y > /proc/x 2>/dev/null; exit 0", volumes=[f"{source}:/mnt/here"]
    )
    assert container.wait() == 0
    assert listed(container) == {"added": [], "changed": [], "deleted": []}
