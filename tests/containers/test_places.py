"""One root's containers are safe from another root, and all of them from a state that has lost its memory."""

import re
import shutil
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import own_cgroups
import pytest

from podlink.engine.app import Engine
from podlink.engine.config import RUN, Config
from podlink.engine.errors import EngineUnavailable

real_host = pytest.mark.needs("root", "runc", "overlay")
LOOP = ("/bin/sh", "-c", "trap 'exit 0' TERM; while :; do sleep 1 & wait; done")


def held(folder: Path) -> set[str]:
    """Every path below the folder, without what SQLite and locks come and go with."""
    return {
        str(path.relative_to(folder))
        for path in folder.rglob("*")
        if not path.name.startswith("podlink.db") and "merged" not in path.parts and path.suffix != ".lock"
    }


def alive(container: Any) -> bool:
    row = container.summary().container
    return bool(row.status == "running" and Path(f"/proc/{row.pid}").exists())


def test_every_root_has_a_run_directory_of_its_own(tmp_path: Path) -> None:
    first, second = Config(root=tmp_path / "first"), Config(root=tmp_path / "second")
    assert first.runroot.parent == second.runroot.parent == RUN == Config().runroot.parent
    assert len({first.runroot, second.runroot, Config().runroot}) == 3
    (tmp_path / "link").symlink_to(tmp_path / "first")
    assert Config(root=tmp_path / "link").runroot == first.runroot
    assert Config.from_text(first.to_text()) == first
    assert Config(root=tmp_path, runroot=tmp_path / "run").runroot == tmp_path / "run"


@pytest.fixture
def derived(tmp_path: Path) -> Iterator[Any]:
    """Opens engines on roots whose run directories nobody chose, and removes both with what runs there."""
    with ExitStack() as stack:

        def opened(name: str) -> Engine:
            config = Config(root=tmp_path / name, cgroup_parent=own_cgroups.new_parent())
            stack.callback(shutil.rmtree, config.runroot, ignore_errors=True)
            stack.callback(own_cgroups.remove_cgroups, config.cgroup_parent)
            stack.callback(_remove_all, config)
            return stack.enter_context(Engine.open(config))

        yield opened


def _rmdir(folder: Path) -> None:
    if folder.is_dir():
        folder.rmdir()


def _remove_all(config: Config) -> None:
    with Engine.open(config) as engine:
        for each in engine.containers.list():
            engine.containers.get(each.container.id).remove(force=True)


@real_host
def test_another_root_leaves_the_first_ones_containers_alone(derived: Any, busybox_tar: Path) -> None:
    first = derived("first")
    first.images.import_image(str(busybox_tar), "small")
    container = first.containers.create(image="small", command=LOOP, net_mode="none", stop_timeout=1)
    container.start()
    second = derived("second")
    assert second.containers.list() == [] and alive(container)


@real_host
def test_a_run_directory_of_another_root_is_refused(real: Any, tmp_path: Path) -> None:
    container = real.run(*LOOP, stop_timeout=1)
    before = held(real.config.runroot)
    other = tmp_path / "other"
    with pytest.raises(EngineUnavailable) as refusal:
        Engine.open(Config(root=other, runroot=real.config.runroot))
    assert refusal.value.reason == (
        f"{real.config.runroot} is the run directory of {real.config.root}, not of {other}; choose another --runroot"
    )
    assert alive(container) and held(real.config.runroot) == before and list(other.iterdir()) == []


@real_host
def test_a_root_that_is_in_use_with_another_run_directory_is_refused(real: Any, tmp_path: Path) -> None:
    container = real.run(*LOOP, stop_timeout=1)
    init = container.summary().container.pid
    before, second = held(real.config.root), replace(real.config, runroot=tmp_path / "second")
    refused = (
        f"{real.config.root} is in use with the run directory {real.config.runroot}, not with {second.runroot}; "
        f"say --runroot {real.config.runroot}"
    )
    for _ in range(2):  # while an engine has it open, and while a container runs without one
        with pytest.raises(EngineUnavailable) as refusal:
            Engine.open(second)
        assert refusal.value.reason == refused and not second.runroot.exists()
        assert Path(f"/proc/{init}").exists() and held(real.config.root) == before
        real.engine.close()
    with real.open() as engine:
        engine.containers.get(container.id).stop(0)
    with Engine.open(second) as engine:
        assert engine.containers.get(container.id).summary().container.status == "exited"
        with pytest.raises(EngineUnavailable, match=re.escape(f"{second.runroot}, not with {real.config.runroot}")):
            real.open()
    real.engine = real.open()


def test_a_root_with_its_run_directory_inside_may_be_moved(tmp_path: Path, busybox_tar: Path) -> None:
    with Engine.emulated(tmp_path / "here") as engine:
        engine.images.import_image(str(busybox_tar), "small")
    (tmp_path / "here").rename(tmp_path / "there")
    with Engine.emulated(tmp_path / "there") as engine:
        assert len(engine.images.list()) == 1


@pytest.mark.parametrize("loss", ["missing", "empty", "new"])
@real_host
def test_a_lost_state_sweeps_nothing(derived: Any, busybox_tar: Path, loss: str, tmp_path: Path) -> None:
    with derived("lossy") as engine:
        config = engine.host.config
        engine.images.import_image(str(busybox_tar), "small")
        container = engine.containers.create(image="small", command=LOOP, net_mode="none", stop_timeout=1)
        container.start()
        pid = container.summary().container.pid
    state, kept = config.root / "podlink.db", tmp_path / "kept.db"
    shutil.copy(state, kept)
    lose(state, loss)
    before = held(config.root), held(config.runroot)
    for _ in range(2):
        with pytest.raises(EngineUnavailable) as refusal:
            Engine.open(config)
    assert refusal.value.reason == (
        f"{state} is missing or empty, and {config.root} and {config.runroot} hold 1 containers, 1 layers, 1 blobs that "
        "only it knew; nothing was removed: put the file back, or move both folders away to begin anew"
    )
    assert state.exists() == (loss != "missing") and Path(f"/proc/{pid}").exists()
    assert (held(config.root), held(config.runroot)) == before
    shutil.copy(kept, state)
    with Engine.open(config) as engine:
        assert alive(engine.containers.get(container.id))


def test_a_lost_state_sweeps_nothing_of_an_emulated_root(tmp_path: Path, busybox_tar: Path) -> None:
    root = tmp_path / "root"
    with Engine.emulated(root) as engine:
        engine.images.import_image(str(busybox_tar), "small")
    (root / "podlink.db").unlink()
    before = held(root)
    with pytest.raises(EngineUnavailable, match="hold 1 layers, 1 blobs that only it knew"):
        Engine.emulated(root)
    assert held(root) == before and not (root / "podlink.db").exists()


def lose(state: Path, loss: str) -> None:
    """As an rm, a truncation, or a crash of SQLite's first transaction leaves it."""
    if loss == "missing":
        state.unlink()
    else:
        state.write_bytes(b"")
    if loss == "new":
        import sqlite3

        with sqlite3.connect(state) as connection:
            connection.execute("PRAGMA journal_mode = WAL")
        connection.close()
