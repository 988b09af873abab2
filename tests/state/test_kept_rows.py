"""What is kept of a state in memory is what its database has: after each change, and after each that came to nothing."""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from typing import Any

import pytest
from state_samples import ALPINE, container

from podlink.engine.errors import ContainerNotFound, EngineError
from podlink.engine.state.containers import Containers
from podlink.engine.state.images import Images
from podlink.engine.state.networks import Networks
from podlink.engine.state.state import State
from podlink.engine.state.values import Network, Status

WEB = container("4f1d", "web")
NET = Network(name="net", bridge="podlink1", subnet="10.89.0.0/24", subnet6="fd00::/64")
RUN: dict[str, Any] = {"start": 1, "pid": 42, "pid_start": 7, "boot": "b"}
END: dict[str, Any] = {"start": 1, "code": 3, "at": 20, "oom_killed": False, "error": "", "rw_size": 5}
CHANGES: dict[str, Callable[[State], object]] = {
    "add": lambda state: state.containers.add(WEB),
    "run": lambda state: state.containers.mark_running(WEB.id, **RUN, at=10),
    "pause": lambda state: state.containers.mark_status(WEB.id, Status.PAUSED),
    "old news": lambda state: state.containers.mark_running(WEB.id, **RUN, at=11),
    "exit": lambda state: state.containers.mark_exited(WEB.id, **END),
    "taken name": lambda state: state.containers.add(replace(WEB, id="0" * 64)),
    "network": lambda state: state.networks.add(NET),
    "lease": lambda state: state.networks.lease(WEB.id, "net", ()),
    "range": lambda state: state.networks.move(replace(NET, subnet="10.99.0.0/24")),
    "release": lambda state: state.networks.release(WEB.id),
    "no network": lambda state: state.networks.remove("net"),
    "tag": lambda state: state.images.tag(ALPINE.id, "docker.io/library/mine:1"),
    "untag": lambda state: state.images.untag("docker.io/library/mine:1"),
    "image in use": lambda state: state.images.remove(ALPINE.id),
    "remove": lambda state: state.containers.remove(WEB.id),
    "no image": lambda state: state.images.remove(ALPINE.id),
}


def told(containers: Containers, images: Images, networks: Networks) -> list[object]:
    """All that is kept, as these tables tell it."""
    found: list[object] = [networks.lease_of(WEB.id), networks.find("net")]
    found += [images.by_prefix(ALPINE.id), images.by_name("docker.io/library/mine:1"), images.all()]
    try:
        return [containers.get(WEB.id), containers.find(WEB.id), containers.find(WEB.name), *found]
    except ContainerNotFound:
        return found


def test_what_is_kept_is_what_the_database_has(alpine: State) -> None:
    for name, change in CHANGES.items():
        with suppress(EngineError):
            change(alpine)
        for _ in range(2):  # asked for, and kept by now
            asked = told(alpine.containers, alpine.images, alpine.networks)
            database = alpine.database
            assert asked == told(Containers(database), Images(database), Networks(database)), name


def test_what_is_undone_was_never_there(alpine: State) -> None:
    alpine.containers.add(WEB)
    with pytest.raises(ZeroDivisionError), alpine.database.writing():
        alpine.containers._kept.put(WEB.id, replace(WEB, name="other"))
        1 / 0  # noqa: B018
    assert alpine.containers.get(WEB.id) == WEB


def test_nobody_sees_what_is_not_committed_yet(alpine: State) -> None:
    alpine.containers.add(WEB)
    with alpine.database.writing():
        alpine.containers._kept.put(WEB.id, replace(WEB, name="other"))
        assert alpine.containers._kept.find(WEB.id) in (WEB, None)
