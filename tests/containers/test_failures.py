"""A verb that fails half-way leaves the host as it was: every change that it makes fails once, on both runtimes."""

import time
from collections.abc import Callable
from typing import Any

import pytest

from podlink.engine.containers.create import create
from podlink.engine.containers.list import list_containers
from podlink.engine.containers.pause import pause, unpause
from podlink.engine.containers.remove import remove
from podlink.engine.containers.request import CreateRequest
from podlink.engine.containers.start import start
from podlink.engine.containers.stop import stop
from podlink.engine.errors import StorageFailed
from podlink.engine.host import Host
from podlink.engine.testing.faults import Step, wired

LOOP = ("/bin/sh", "-c", "trap 'exit 0' TERM; while :; do echo alive; sleep 0.05; done")


def prepared(bench: Any, state: str) -> Callable[[Host], object]:
    """A fresh container in the state, and the verb to try on it."""
    if state == "create":
        return lambda host: create(host, CreateRequest(image="small", command=LOOP, name="web"))
    container = bench.create(*LOOP, name="web")
    if state != "start":
        container.start()
    if state == "unpause":
        container.pause()
    if state == "remove":
        container.stop(0)
    verbs: dict[str, Callable[[Host], object]] = {
        "start": lambda host: start(host, "web"),
        "stop": lambda host: stop(host, "web", 0),
        "pause": lambda host: pause(host, "web"),
        "unpause": lambda host: unpause(host, "web"),
        "remove": lambda host: remove(host, "web"),
    }
    return verbs[state]


def picture(bench: Any) -> dict[str, Any]:
    """What is to be the same before and after a verb that failed."""
    host = bench.engine.host
    return {
        "containers": [(each.container.name, str(each.container.status), each.container.start) for each in list_containers(host)],
        "parts": sorted(host.storage.known()[1]),
        "runtime": sorted(host.runtime.known()),
        "still": {container: _stands_still(bench, container) for container in host.runtime.known()},
        "folders": sorted(path.name for path in (host.config.root / "containers").glob("*")),
    }


def _stands_still(bench: Any, container: str) -> bool:
    """Whether the container writes nothing more: seen in its log, so that it is the same question for both runtimes."""
    before = len(bench.engine.containers.get(container).logs())
    time.sleep(0.3)
    return len(bench.engine.containers.get(container).logs()) == before


@pytest.mark.parametrize("verb", ["create", "start", "pause", "unpause"])
def test_a_verb_that_fails_changes_nothing(bench: Any, verb: str) -> None:
    failing = 0
    while True:
        failing += 1
        act = prepared(bench, verb)
        before = picture(bench)
        seen: list[str] = []

        def trip(step: Step, failing: int = failing, seen: list[str] = seen) -> None:
            seen.append(step.name)
            if step.number == failing:
                raise StorageFailed(f"failed on demand: {step.name}")

        try:
            act(wired(bench.engine.host, trip))
        except StorageFailed:
            if seen[failing - 1] != _last_step(verb):
                assert picture(bench) == before, seen[failing - 1]
            bench.engine.containers.get("web").remove(force=True) if before["containers"] else None
            if verb == "create":
                for each in bench.engine.containers.list():
                    bench.engine.containers.get(each.container.id).remove()
            continue
        break
    assert failing > 2


def _last_step(verb: str) -> str:
    """The moment at which the verb has happened: a failure told after it comes too late to undo what is written down."""
    done = {"create": "containers.add", "start": "containers.mark_running"}
    return done.get(verb, "containers.mark_status") + " after"


@pytest.mark.parametrize("verb", ["stop", "remove"])
def test_a_verb_that_failed_can_be_done_again(bench: Any, verb: str) -> None:
    failing = 0
    while True:
        failing += 1
        act = prepared(bench, verb)

        def trip(step: Step, failing: int = failing) -> None:
            if step.number == failing:
                raise StorageFailed(f"failed on demand: {step.name}")

        try:
            act(wired(bench.engine.host, trip))
        except StorageFailed:
            if bench.engine.containers.list():
                bench.engine.containers.get("web").stop(0)
                assert bench.engine.containers.get("web").summary().container.status == "exited"
                bench.engine.containers.get("web").remove(force=True)
            assert bench.engine.containers.list() == []
            continue
        break
    assert failing > 2
