"""SIGKILL in the midst of an export: what a user's folder has then, and after the next export to it."""

import errno
import itertools
import os
import random
import signal
import sys
from collections.abc import Iterator
from multiprocessing.connection import Connection
from pathlib import Path

import pytest
from layouts import layer, write_layout
from other_processes import Start, processes
from patience import patience

from podlink import Engine
from podlink.engine.linux import portable
from podlink.engine.storage import delivery
from podlink.engine.storage.delivery import new_file, new_folder

IMAGE = "127.0.0.1:1/team/app:v1"
CONTENT = [layer({"bin/one": random.Random(1).randbytes(300_000)})]


@pytest.fixture
def start() -> Iterator[Start]:
    with processes() as run:
        yield run


def export_and_die(folder: Path, pipe: Connection, target: str, step: int, nameless: bool) -> None:
    """Export, and die at one of the calls of fsync(2): of a file, before it has its name, or of its folder. pipe: unused."""
    if not nameless:
        portable.nameless = lambda folder: None
    with Engine.emulated() as engine:
        engine.images.pull(f"oci:{folder}/layout:v1")
        engine.host.state.images.tag(engine.images.list()[0].id, IMAGE)
        container = engine.containers.create(image=IMAGE)
        steps = itertools.count(1)
        os.fsync = lambda descriptor: os.kill(os.getpid(), signal.SIGKILL) if next(steps) == step else None
        export(engine, container.id, target)


def export(engine: Engine, container: str, target: str) -> None:
    if ":" in target:
        engine.images.export(IMAGE, target)
    else:
        engine.containers.get(container).export(target)


def killed(start: Start, folder: Path, target: str, step: int = 1, nameless: bool = True) -> None:
    write_layout(folder / "layout", CONTENT)
    process, _ = start(export_and_die, folder, target, step, nameless)
    process.join(patience(60))
    assert process.exitcode == -signal.SIGKILL


def replace_and_die(target: Path, pipe: Connection, step: int) -> None:
    """Put a new folder in the place of one that is there, and die when a name is about to change. pipe: unused."""
    steps = itertools.count(1)

    def watch(event: str, words: tuple[object, ...]) -> None:
        if event == "os.rename" and next(steps) == step:
            os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(watch)
    with new_folder(target) as folder:
        (folder / "new").touch()


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def export_again(folder: Path, target: str) -> None:
    with Engine.emulated() as engine:
        engine.images.pull(f"oci:{folder}/layout:v1")
        engine.host.state.images.tag(engine.images.list()[0].id, IMAGE)
        export(engine, engine.containers.create(image=IMAGE).id, target)


@pytest.fixture
def out(tmp_path: Path) -> Path:
    (tmp_path / "out").mkdir()
    return tmp_path / "out"


@pytest.mark.parametrize("before", [None, b""])
@pytest.mark.parametrize("kind", ["", "docker-archive:", "oci-archive:"])
def test_of_a_file_nothing_is_left(start: Start, tmp_path: Path, out: Path, kind: str, before: bytes | None) -> None:
    if (found := portable.nameless(out)) is None:
        pytest.skip("this file system has no files without a name")
    os.close(found)
    if before is not None:
        (out / "x").write_bytes(before)
    killed(start, tmp_path, f"{kind}{out}/x")
    assert names(out) == ([] if before is None else ["x"])
    export_again(tmp_path, f"{kind}{out}/x")
    assert names(out) == ["x"] and (out / "x").stat().st_size > 300_000 and (out / "x").stat().st_mode & 0o777 == 0o644


@pytest.mark.parametrize(("kind", "step"), [("", 1), ("docker-archive:", 1), ("dir:", 3)])
def test_what_is_left_in_a_hidden_folder_goes_with_the_next(
    start: Start, tmp_path: Path, out: Path, kind: str, step: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where a file can't be without a name; and of a folder."""
    killed(start, tmp_path, f"{kind}{out}/x", step, nameless=False)
    (left,) = names(out)
    assert left.startswith(delivery.PREFIX)
    monkeypatch.setattr(portable, "nameless", lambda folder: None)
    export_again(tmp_path, f"{kind}{out}/x")
    assert names(out) == ["x"]


@pytest.mark.parametrize("step", [1, 2])
def test_where_a_folder_is_replaced_there_is_one_at_any_moment(start: Start, tmp_path: Path, out: Path, step: int) -> None:
    (out / "x").mkdir()
    (tmp_path / "y").mkdir()
    if not portable.exchanged(out / "x", tmp_path / "y"):
        pytest.skip("on this file system no two change names")
    (out / "x/old").touch()
    process, _ = start(replace_and_die, out / "x", step)
    process.join(patience(60))
    assert names(out / "x") in (["old"], ["new"])


def test_where_names_can_not_be_exchanged_a_folder_is_replaced_all_the_same(out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(portable, "exchanged", lambda one, other: False)
    for name in ("old", "new"):
        with new_folder(out / "x") as folder:
            (folder / name).touch()
        assert names(out) == ["x"] and names(out / "x") == [name]


@pytest.mark.parametrize("nameless", [True, False])
@pytest.mark.parametrize("step", [1, 3, 7])
def test_a_layout_that_was_begun_is_gone_on_with(start: Start, tmp_path: Path, out: Path, step: int, nameless: bool) -> None:
    """Killed before it says that it is one, before it has an index, before its second blob."""
    killed(start, tmp_path, f"oci:{out}/x:v1", step, nameless)
    export_again(tmp_path, f"oci:{out}/x:v1")
    assert names(out) == ["x"] and {"blobs", "index.json", "oci-layout"} <= {*names(out / "x")}
    with Engine.emulated() as engine:
        engine.images.pull(f"oci:{out}/x:v1")


def test_what_somebody_works_on_is_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(portable, "nameless", lambda folder: None)
    (tmp_path / f"{delivery.PREFIX}link").symlink_to("/etc")
    os.mkfifo(tmp_path / f"{delivery.PREFIX}fifo")
    with new_file(tmp_path / "one") as one, new_folder(tmp_path / "two") as two:
        (two / "inner").write_bytes(b"2")
        with new_file(tmp_path / "three") as three:
            three.write(b"3")
        one.write(b"1")
    assert (tmp_path / "one").read_bytes() == b"1" and (tmp_path / "two/inner").read_bytes() == b"2"
    assert names(tmp_path) == [f"{delivery.PREFIX}fifo", f"{delivery.PREFIX}link", "one", "three", "two"]


def refuse(descriptor: int, path: Path) -> None:
    raise PermissionError(errno.EPERM, os.strerror(errno.EPERM))


@pytest.mark.parametrize("lacking", ["", "nameless", "give_name"])
def test_what_is_there_stays_until_the_new_one_is_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lacking: str) -> None:
    """lacking: what the file system does not have, files without a name or hard links."""
    if lacking:
        monkeypatch.setattr(portable, lacking, refuse if lacking == "give_name" else lambda folder: None)
    target = tmp_path / ("x" * 255)
    with new_file(target) as file:
        file.write(b"old")
    with pytest.raises(KeyError), new_file(target) as file:
        file.write(b"new")
        raise KeyError
    assert target.read_bytes() == b"old" and names(tmp_path) == [target.name]
    with new_file(target) as file:
        file.write(b"new")
        assert target.read_bytes() == b"old"
    assert target.read_bytes() == b"new" and names(tmp_path) == [target.name]
    with pytest.raises(IsADirectoryError), new_file(tmp_path / "folder") as file:
        (tmp_path / "folder").mkdir()
    assert names(tmp_path) == ["folder", target.name]
