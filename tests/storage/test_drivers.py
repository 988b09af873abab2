"""Both storage drivers under one contract, and in odd places. Crashes, full disks and other processes: see test_hard_times."""

from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

import pytest

from podlink.engine.errors import StorageFailed
from podlink.engine.storage.driver import StorageDriver
from podlink.engine.storage.overlay import MOST_LAYERS, OverlayDriver
from podlink.engine.testing.storage import CONTAINER, CONTRACT, Clause, Depot, listing

Make = Callable[[Path], StorageDriver]


@pytest.mark.parametrize("clause", CONTRACT, ids=lambda clause: clause.__name__)
def test_the_contract(depot: Depot, clause: Clause) -> None:
    clause(depot)


@pytest.mark.parametrize("name", ["a:b", "a,b", "a\\b", "a b", "é" * 40])
def test_a_root_of_any_name(make: Make, place: Path, name: str) -> None:
    driver = make(place / name)
    depot = Depot(driver, lambda: driver)
    base = depot.layer("base", {"a": b"1"})
    top = depot.layer("top", {"b": b"2"}, base)
    assert listing(depot.root(base, top)) == ["a", "b"]
    assert driver.status() == make(place / "plain").status()
    driver.delete(CONTAINER)
    driver.close()


def test_a_root_that_is_deep_in_the_tree(make: Make, place: Path) -> None:
    deep = place.joinpath(*["folder" * 8] * 20)
    driver = make(deep)
    depot = Depot(driver, lambda: driver)
    layers: list[str] = []
    for number in range(60):
        layers.append(depot.layer(f"layer{number}", {f"file{number}": b""}, *layers))
    assert len(listing(depot.root(*layers))) == 60
    driver.delete(CONTAINER)
    driver.close()


@pytest.mark.needs("root", "overlay")
def test_as_many_layers_as_are_promised_can_be_mounted_and_one_more_is_refused(place: Path) -> None:
    driver = OverlayDriver(place / "storage")
    layers = [sha256(str(number).encode()).hexdigest() for number in range(MOST_LAYERS + 1)]
    for layer in layers:
        (driver.contents_of(layer) / layer[:8]).mkdir(parents=True)
    with pytest.raises(StorageFailed, match=f"{MOST_LAYERS + 1} layers"):
        driver.create(CONTAINER, layers)
    driver.create(CONTAINER, layers[:-1])
    assert len(list(driver.mount(CONTAINER).iterdir())) == MOST_LAYERS
    driver.delete(CONTAINER)
    driver.close()


def test_ids_that_are_none_are_refused(depot: Depot) -> None:
    for wrong in ("", "..", "a/b", "A" * 64, "0" * 63):
        with pytest.raises(StorageFailed, match="64 hex digits"):
            depot.driver.has(wrong)
        with pytest.raises(StorageFailed, match="64 hex digits"):
            depot.driver.create(wrong, [])


def test_the_driver_tells_what_it_stands_on(depot: Depot) -> None:
    status = depot.driver.status()
    assert set(status) == {"backing_filesystem", "native_overlay_diff", "supports_d_type"} and all(status.values())
