"""What was refused is tried again: with growing distances, at once when there is room, and by no thread when nothing is owed."""

import threading
from collections.abc import Iterator

import pytest

from podlink.engine.clock import VirtualClock
from podlink.engine.runtime.arrears import LONGEST, Arrears


class Disk:
    """What settles, while it has room. tries: the moments and the keys."""

    def __init__(self, clock: VirtualClock) -> None:
        self.clock, self.has_room, self.tries = clock, False, list[tuple[float, str]]()

    def settle(self, key: str) -> bool:
        self.tries.append((self.clock.monotonic(), key))
        return self.has_room


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock()


@pytest.fixture
def disk(clock: VirtualClock) -> Disk:
    return Disk(clock)


@pytest.fixture
def arrears(clock: VirtualClock, disk: Disk) -> Iterator[Arrears]:
    before = set(threading.enumerate())
    arrears = Arrears(clock)
    arrears.begin(disk.settle)
    yield arrears
    arrears.close()
    assert set(threading.enumerate()) <= before


def test_it_is_tried_at_growing_distances_until_it_is_done(arrears: Arrears, disk: Disk, clock: VirtualClock) -> None:
    began = clock.monotonic()
    arrears.add("web")
    clock.advance(1)
    assert [round(at - began, 1) for at, _ in disk.tries] == [0.1, 0.3, 0.7]
    clock.advance(1000)
    assert 100 <= len(disk.tries) <= 110 and disk.tries[-1][0] - disk.tries[-2][0] == pytest.approx(LONGEST)
    disk.has_room = True
    clock.advance(LONGEST)
    done = len(disk.tries)
    clock.advance(1000)
    assert len(disk.tries) == done


def test_whoever_makes_room_has_all_of_it_tried_at_once(arrears: Arrears, disk: Disk, clock: VirtualClock) -> None:
    arrears.add("web")
    clock.advance(100)
    arrears.add("job")
    disk.has_room, before = True, len(disk.tries)
    arrears.soon()
    clock.advance(0)
    assert [key for _, key in disk.tries[before:]] == ["web", "job"]


def test_nothing_is_kept_by_who_does_not_stay(clock: VirtualClock) -> None:
    for arrears in (Arrears(clock), Arrears(clock)):
        arrears.add("web")
        arrears.soon()
        arrears.close()
        arrears.begin(lambda key: True)
        arrears.close()
