"""Containers that share their image's files until they write: the same contract, and who sees what before and after."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from podlink.engine.app import Engine
from podlink.engine.errors import StorageFailed
from podlink.engine.oci.spec.values import IDMaps
from podlink.engine.storage.shared import SharedDriver
from podlink.engine.testing.storage import CONTAINER, CONTRACT, Clause, Depot, listing

OTHER = "b" * 64


class Claimed(SharedDriver):
    """As whoever writes uses it: it asks for the container's own copy."""

    def mount(self, container: str, maps: IDMaps | None = None) -> Path:
        return self.claim(container)


@pytest.mark.parametrize("clause", CONTRACT, ids=lambda clause: clause.__name__)
def test_the_contract_of_storage(tmp_path: Path, clause: Clause) -> None:
    made: list[SharedDriver] = []

    def again() -> SharedDriver:
        made.append(Claimed(tmp_path / "storage"))
        return made[-1]

    clause(Depot(again(), again))
    for driver in made:
        driver.close()


@pytest.fixture
def driver(tmp_path: Path) -> Iterator[SharedDriver]:
    driver = SharedDriver(tmp_path / "storage")
    yield driver
    driver.close()


def test_files_are_shared_until_somebody_writes(driver: SharedDriver) -> None:
    layer = Depot(driver, lambda: driver).layer("base", {"etc/motd": b"hello"})
    for container in (CONTAINER, OTHER):
        driver.create(container, [layer])
    assert driver.mount(CONTAINER) == driver.mount(OTHER) == driver.contents_of(layer)
    assert driver.changes(CONTAINER) == [] and driver.usage(CONTAINER) == 0
    own = driver.claim(CONTAINER)
    (own / "etc/motd").write_bytes(b"changed")
    assert driver.mount(CONTAINER) == own == driver.claim(CONTAINER)
    assert (driver.mount(OTHER) / "etc/motd").read_bytes() == b"hello"
    assert [change.path for change in driver.changes(CONTAINER)] == ["/etc", "/etc/motd"] and driver.usage(CONTAINER) == 7
    assert driver.changes(OTHER) == []
    driver.delete(CONTAINER)
    driver.delete(OTHER)
    assert listing(driver.contents_of(layer)) == ["etc", "etc/motd"]
    with pytest.raises(StorageFailed, match="no writable layer"):
        driver.claim(OTHER)


@pytest.mark.parametrize(
    "script",
    [
        "echo new > /word",
        "rm /word",
        "mv /word /moved",
        "chmod 700 /word",
        "mkdir /folder",
        "ln -s /x /link",
        "touch -t 200001010000 /word",
    ],
)
def test_nothing_that_a_container_does_is_seen_by_another(script: str) -> None:
    with Engine.emulated() as engine:
        image = engine.images.build_from({"/word": "old"}, userland=True)
        look = ["sh", "-c", "cat /word; ls -la / | grep -v ' \\.'"]
        before = engine.containers.run(image, look).logs
        writer = engine.containers.create(image=image, command=["sh", "-c", script])
        writer.start()
        assert writer.wait() == 0, writer.logs()
        assert writer.changes()
        assert engine.containers.run(image, look).logs == before


def test_a_start_that_writes_nothing_leaves_the_files_shared() -> None:
    with Engine.emulated() as engine:
        image = engine.images.build_from({"/word": "old"}, userland=True)
        container = engine.containers.create(image=image, command=["cat", "/word"])
        container.start()
        container.wait()
        assert engine.host.storage.mount(container.id).parent.parent == engine.host.config.root / "vfs"


def test_a_system_in_memory_is_a_containers_own() -> None:
    with Engine.emulated() as engine:
        image = engine.images.build_from({}, userland=True)
        one = engine.containers.run(image, ["sh", "-c", "echo x > /dev/shm/word; echo y > /dev/odd; ls /dev /dev/shm"])
        assert {"odd\n", "word\n"} <= set(one.logs)
        other = engine.containers.run(image, ["sh", "-c", "ls /dev /dev/shm"])
        assert not {"odd\n", "word\n"} & set(other.logs) and "null\n" in other.logs
