"""A root on the file systems that hosts have, beside the one of this machine: each has ways of its own."""

import io
from collections.abc import Iterator
from pathlib import Path

import own_cgroups
import pytest
from loop_disk import loop_disk

from podlink.engine.app import Engine
from podlink.engine.config import Config
from podlink.engine.linux import trees
from podlink.engine.storage.layers import unpack_layer
from podlink.engine.storage.vfs import VfsDriver
from podlink.engine.testing.storage import archive

KINDS = [pytest.param(kind, marks=pytest.mark.needs(kind)) for kind in ("xfs", "btrfs")]
WRITE = "mkdir -p /new/a/b && echo more > /new/a/b/c && rm -r /home && cat /dev/zero | head -c 100000 > /big"


@pytest.fixture(params=KINDS)
def disk(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Path]:
    with loop_disk(tmp_path, request.param) as place:
        yield place


def test_a_tree_goes_with_all_that_is_moved_on_the_way(disk: Path) -> None:
    """What removes it moves what lies deep to the top, which it has open meanwhile."""
    top = disk / "top"
    for number in range(3):
        (top / f"{number}/a/b/c/d").mkdir(parents=True)
        (top / f"{number}/a/b/file").touch()
    trees.remove(top)
    assert list(disk.glob("top*")) == []


def test_a_layer_that_is_there_already_is_the_one(disk: Path) -> None:
    driver = VfsDriver(disk / "storage")
    staged = [unpack_layer(driver, (), io.BytesIO(archive({"a/b/c": b"1", "d": b"2"}))) for _ in range(2)]
    for each in staged:
        driver.commit([(each.staging, "a" * 64)])
    assert driver.known() == (["a" * 64], []) and list((disk / "storage" / "staging").iterdir()) == []
    driver.close()


@pytest.mark.needs("root", "runc", "overlay")
@pytest.mark.parametrize("driver", ["overlay", "vfs"])
def test_a_life_from_an_image_to_the_next(disk: Path, tmp_path: Path, busybox_tar: Path, driver: str) -> None:
    config = Config(root=disk / "root", runroot=tmp_path / "run", cgroup_parent=own_cgroups.new_parent(), storage_driver=driver)
    with Engine.open(config) as engine:
        image = engine.images.import_image(str(busybox_tar), "small", changes=["CMD=/bin/sh"])
        container = engine.containers.create(image="small", command=["/bin/sh", "-c", WRITE], net_mode="none")
        container.start()
        assert container.wait() == 0 and container.inspect()["SizeRw"] >= 100_000
        changed = {each.path for each in container.changes()}
        assert {"/new", "/new/a/b/c", "/home", "/big"} <= changed
        made = container.commit("made")
        container.remove()
        again = engine.containers.create(image="made", command=["/bin/sh", "-c", "cat /new/a/b/c; ls /home"], net_mode="none")
        again.start()
        assert again.wait() == 1 and "more\n" in "".join(again.logs())
        again.remove()
        for each in (made, image):
            engine.images.remove(each)
        assert engine.host.storage.known() == ([], [])
    own_cgroups.remove_cgroups(config.cgroup_parent)
