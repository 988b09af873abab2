"""Owners of files where nothing can be given away: from a layer, through a container, into an export and the next image."""

import io
import os
import tarfile
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from yard import NOBODY, as_nobody

from podlink import Engine
from podlink.engine.oci.layer import ownership

Owner = tuple[int, int]
SCRIPT = """
stat -c '%n %u:%g' /etc/theirs /etc/root /home/ada /etc/link
chown 1:2 /etc/root; touch /new; chown -R 33:44 /new; chown 0:0 /etc/theirs
cp /etc/root /copy; chgrp 5 /home/ada; tar -cf /inner.tar new
stat -c '%n %u:%g' /etc/theirs /etc/root /home/ada /new /copy
find / -maxdepth 1 -user 33; tar -tvf /inner.tar | cut -c 12-16
"""
SAID = """/etc/theirs 5:6
/etc/root 0:0
/home/ada 1000:1000
/etc/link 0:0
/etc/theirs 0:0
/etc/root 1:2
/home/ada 1000:5
/new 33:44
/copy 0:0
/new
33/44
"""
WRITTEN = {"etc/theirs": (0, 0), "etc/root": (1, 2), "home/ada": (1000, 5), "new": (33, 44), "copy": (0, 0)}
EVIL = {"SCHILY.xattr.user.podlink.owner": "7:7"}


def write_tarball(path: Path) -> None:
    applets = ("sh", "stat", "chown", "chgrp", "touch", "cp", "tar", "find", "cut")
    with tarfile.open(path, "w", format=tarfile.PAX_FORMAT) as tar:
        for name, uid, gid in (("etc/theirs", 5, 6), ("etc/root", 0, 0), ("bin/busybox", 0, 0)):
            entry = tarfile.TarInfo(name)
            entry.size, entry.uid, entry.gid, entry.mode = 1, uid, gid, 0o755
            entry.pax_headers = EVIL
            tar.addfile(entry, io.BytesIO(b"x"))
        folder = tarfile.TarInfo("home/ada")
        folder.type, folder.uid, folder.gid, folder.mode = tarfile.DIRTYPE, 1000, 1000, 0o755
        tar.addfile(folder)
        for name, target in (("etc/link", "theirs"), *((f"bin/{applet}", "busybox") for applet in applets)):
            link = tarfile.TarInfo(name)
            link.type, link.linkname = tarfile.SYMTYPE, target
            tar.addfile(link)


def told(tarball: Path) -> dict[str, Owner]:
    """The owners of those members that count, and that no member has our attribute."""
    with tarfile.open(tarball) as tar:
        assert not any(ownership.ATTRIBUTE in key for member in tar for key in member.pax_headers)
        return {member.name: (member.uid, member.gid) for member in tar if member.name in WRITTEN}


def story(folder: Path) -> tuple[list[str], dict[str, Owner], dict[str, Owner], list[str], list[str]]:
    """What a container says, its export, the layer of its commit, its changes, and what a container of that says."""
    write_tarball(folder / "root.tar")
    with Engine.emulated(folder / "root") as engine:
        engine.images.import_image(str(folder / "root.tar"), "base")
        container = engine.containers.create(image="base", command=["sh", "-c", SCRIPT], net_mode="none")
        container.start()
        container.wait()
        container.export(str(folder / "export.tar"))
        changes = [f"{change.kind} {change.path}" for change in container.changes()]
        blob = engine.host.state.images.get(container.commit("next")).layers[-1].blob
        next(path for path in (folder / "root/blobs/sha256").iterdir() if path.name in blob).rename(folder / "layer.tar")
        second = engine.containers.create(image="next", command=["sh", "-c", "stat -c %u:%g /etc/root /new"], net_mode="none")
        second.start()
        second.wait()
        return container.logs(), told(folder / "export.tar"), told(folder / "layer.tar"), changes, second.logs()


@pytest.fixture
def folders() -> Iterator[tuple[Path, Path]]:
    """Ours, and one that belongs to nobody."""
    with tempfile.TemporaryDirectory(prefix="podlink-owners-") as name:
        Path(name).chmod(0o755)
        ours, theirs = Path(name, "ours"), Path(name, "theirs")
        ours.mkdir()
        theirs.mkdir()
        if os.geteuid() == 0:
            os.chown(theirs, NOBODY, NOBODY)
        yield ours, theirs


def test_owners_are_the_same_with_and_without_rights(folders: tuple[Path, Path]) -> None:
    as_we_are = story(folders[0])  # what is imported late is imported now, for a home that nobody may read
    said, exported, committed, changes, later = as_nobody(lambda: story(folders[1])) if os.geteuid() == 0 else as_we_are
    assert "".join(said) == SAID and "".join(later) == "1:2\n33:44\n"
    assert exported == WRITTEN == committed
    assert {"changed /etc/theirs", "changed /etc/root", "changed /home/ada", "added /new"} <= {*changes}
    assert as_we_are == (said, exported, committed, changes, later)


def test_a_note_that_says_nothing_is_none(tmp_path: Path) -> None:
    assert [ownership.noted(value) for value in (b"1:2", b"", b"1", b"-1:2", b"x:y", b"1:2 ", None)] == [(1, 2), *[None] * 6]
    (tmp_path / "link").symlink_to("nowhere")
    assert not ownership.keep(os.fsencode(tmp_path / "link"), (1, 2))
    assert ownership.keep(os.fsencode(tmp_path / "link"), (0, 0))
