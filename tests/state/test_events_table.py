"""The table of events."""

from contextlib import nullcontext

from state_samples import full_id

from podlink.engine.state.db import Database
from podlink.engine.state.events import append
from podlink.engine.state.state import State
from podlink.engine.state.values import Event


def event(at: int, action: str = "sync", id: str = "1") -> Event:
    return Event(at=at, type="container", action=action, id=full_id(id), name="web", attributes={"why": "größer"})


def test_events_come_back_oldest_first_with_growing_numbers(state: State) -> None:
    for at in (30, 10, 20):
        state.events.append(event(at))
    events = state.events.read()
    assert [each.at for each in events] == [30, 10, 20]
    assert [each.number for each in events] == [1, 2, 3]
    assert events[0].attributes == {"why": "größer"}


def test_reading_starts_after_a_number_or_at_a_time(state: State) -> None:
    for at in (10, 20, 30):
        state.events.append(event(at))
    assert [each.at for each in state.events.read(after=1)] == [20, 30]
    assert [each.at for each in state.events.read(since=20)] == [20, 30]
    assert [each.at for each in state.events.read(limit=2)] == [10, 20]
    assert state.events.read(after=3) == []


def test_the_events_of_one_object_come_newest_first(state: State) -> None:
    for at, action, id in ((1, "start", "1"), (2, "start", "2"), (3, "die", "1")):
        state.events.append(event(at, action, id))
    assert [each.action for each in state.events.of(full_id("1"))] == ["die", "start"]
    assert state.events.of(full_id("3")) == []


def test_only_the_newest_ten_thousand_are_kept_and_numbers_go_on(state: State) -> None:
    with state.database.writing() if isinstance(state.database, Database) else nullcontext() as connection:
        for at in range(10_005):
            append(connection, event(at)) if connection else state.events.append(event(at))
    events = state.events.read()
    assert (len(events), events[0].at, events[-1].at) == (10_000, 5, 10_004)
    assert events[-1].number == 10_005
