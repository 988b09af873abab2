"""A verb that fails half-way leaves the host as it was: every change that it makes fails once, on both runtimes."""

import subprocess
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from patience import until

from podlink.engine.containers.create import create
from podlink.engine.containers.list import list_containers
from podlink.engine.containers.pause import pause, unpause
from podlink.engine.containers.remove import remove
from podlink.engine.containers.request import CreateRequest
from podlink.engine.containers.start import start
from podlink.engine.containers.stop import restart, stop
from podlink.engine.errors import ContainerNotFound, StorageFailed
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
        "folders": sorted(path.name for path in (host.config.root / "containers").glob("*")),
    }


def goes_as_recorded(bench: Any, step: str) -> None:
    """What runs writes on and what is paused does not: seen in their logs, so that it is the same question for both runtimes."""
    for name in bench.engine.host.runtime.known():
        container = bench.engine.containers.get(name)
        if container.summary().container.status == "running":
            before = len(container.logs())
            until(lambda container=container, before=before: len(container.logs()) > before, step)  # type: ignore[misc]
        else:
            until(partial(stands_still, container), step)  # what was written before it was paused may be on its way to the log


def stands_still(container: Any) -> bool:
    """For so long as six beats take."""
    before = len(container.logs())
    time.sleep(0.3)
    return len(container.logs()) == before


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
                goes_as_recorded(bench, seen[failing - 1])
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


@pytest.mark.needs("root")
def test_a_start_on_a_full_disk_says_what_found_no_room_and_works_when_there_is_some(bench: Any) -> None:
    container = bench.create(*LOOP, name="web")
    folder = bench.engine.host.directory(container.id)
    folder.mkdir(exist_ok=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4k", "tmpfs", folder], check=True)
    try:
        (folder / "ballast").write_bytes(bytes(4096))
        with pytest.raises(StorageFailed, match=r"its /etc/hosts: no space left on device"):
            container.start()
        assert container.summary().container.status == "configured" and not bench.engine.host.runtime.known()
    finally:
        subprocess.run(["umount", folder], check=True)
    container.start()
    assert container.summary().container.status == "running"


def test_a_restart_that_loses_its_container_tells_the_name_that_was_asked_for(
    bench: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    web = bench.create("true", name="web")

    def removed_before(host: Any, name: str) -> str:
        web.remove()
        return start(host, name)

    monkeypatch.setattr("podlink.engine.containers.stop.start", removed_before)
    with pytest.raises(ContainerNotFound) as told:
        restart(bench.engine.host, "web")
    assert told.value.name == "web"
