"""What users of other engines met: locks that never came free, calls that hung, clients that left. On runc, by the socket."""

import json
import socket
import threading
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import pytest
from patience import patience, until

from podlink.api.varlink.client import VarlinkError

pytestmark = pytest.mark.needs("root", "runc", "overlay")

LOOP = ("/bin/sh", "-c", "trap 'exit 5' TERM; echo ready; while :; do sleep 0.1; done")
PODMAN = "io.projectatomic.podman"


def test_a_list_in_a_loop_beside_creations_and_removals(real_service: Any) -> None:
    service, done = real_service, threading.Event()
    counts: list[int] = []

    def lister() -> None:
        with service.client() as client:
            while not done.is_set():
                counts.append(len(client.call(f"{PODMAN}.ListContainers")["containers"]))

    watching = threading.Thread(target=lister)
    watching.start()
    try:
        for _ in range(25):
            service.call("RemoveContainer", name=service.create("true"), force=False)
    finally:
        done.set()
        watching.join(patience())
    assert not watching.is_alive() and len(counts) > 25 and set(counts) <= {0, 1}


def test_eight_that_exit_at_once_and_are_started_again_by_many(real_service: Any) -> None:
    service = real_service
    names = [f"c{number}" for number in range(8)]
    for name in names:
        service.create("/bin/sh", "-c", "exit 3", name=name)

    def again(name: str) -> int:
        for _ in range(3):
            service.call("StartContainer", name=name)
            assert service.call("WaitContainer", name=name) == {"exitcode": 3}
        return 3

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(again, names)) == [3] * 8


def test_clients_that_leave_in_the_middle_hold_nothing_up(real_service: Any) -> None:
    service = real_service
    service.create(*LOOP, name="web")
    service.call("StartContainer", name="web")
    before = service.threads()
    leavers = []
    for _ in range(20):
        for message in (
            {"method": f"{PODMAN}.GetContainerLogs", "parameters": {"name": "web"}, "more": True},
            {"method": f"{PODMAN}.WaitContainer", "parameters": {"name": "web"}},
        ):
            leaver = socket.socket(socket.AF_UNIX)
            leaver.connect(service.address.removeprefix("unix:"))
            leaver.sendall(json.dumps(message).encode() + b"\0")
            leavers.append(leaver)
    for follower in leavers[::2]:
        assert follower.recv(1), "what is there comes at once, and it waits for what comes later"
    assert service.threads() >= before + 20
    for client in leavers:
        client.close()
    until(lambda: service.threads() < before + 10, "calls of clients that left are still under way")
    assert service.call("Ping") == {"ping": {"message": "OK"}}


def test_following_what_is_stopped_created_or_removed_ends(real_service: Any) -> None:
    service = real_service
    service.create(*LOOP, name="web")

    def follow(begun: threading.Event | None = None) -> list[str]:
        lines: list[str] = []
        with service.client() as client:
            for reply in client.stream(f"{PODMAN}.GetContainerLogs", name="web"):
                lines += reply["container"]
                if begun:
                    begun.set()
        return lines

    def followed(pool: ThreadPoolExecutor) -> "list[Future[list[str]]]":
        """Four who follow, once each has got something."""
        each_began = [threading.Event() for _ in range(4)]
        following = [pool.submit(follow, begun) for begun in each_began]
        assert all(begun.wait(patience()) for begun in each_began)
        return following

    assert follow() == []
    service.call("StartContainer", name="web")
    with ThreadPoolExecutor(4) as pool:
        following = followed(pool)
        service.call("StopContainer", name="web", timeout=300)
        assert [each.result(timeout=patience()) for each in following] == [["ready\n"]] * 4
        assert follow() == ["ready\n"]
        service.call("StartContainer", name="web")
        following = followed(pool)
        service.call("RemoveContainer", name="web", force=True)
        for each in following:
            each.result(timeout=patience())
    with pytest.raises(VarlinkError, match="ContainerNotFound"):
        follow()


def test_an_idle_follower_costs_no_time(real_service: Any) -> None:
    service = real_service
    service.create("/bin/sh", "-c", "echo once; sleep 1000", name="web")
    service.call("StartContainer", name="web")
    with service.client() as client:
        stream = client.stream(f"{PODMAN}.GetContainerLogs", name="web")
        next(stream)
        until(service.rests, "it wakes up though nothing happens")


def test_a_hundred_started_at_once_are_all_there(real_service: Any) -> None:
    service = real_service
    ids = [service.create(*LOOP) for _ in range(100)]
    with ThreadPoolExecutor(100) as pool:
        started = list(pool.map(lambda id: service.call("StartContainer", name=id)["container"], ids))
    assert started == ids
    listed = {each["id"]: each["status"] for each in service.call("ListContainers")["containers"]}
    assert listed == dict.fromkeys(ids, "running")
    with ThreadPoolExecutor(50) as pool:
        list(pool.map(lambda id: service.call("RemoveContainer", name=id, force=True), ids))
    assert service.call("ListContainers") == {"containers": []}


def test_fifty_connections_at_one_container(real_service: Any) -> None:
    service = real_service
    name = service.create(*LOOP, name="web")
    calls: list[tuple[str, dict[str, Any]]] = [
        ("StartContainer", {}),
        ("StopContainer", {"timeout": 0}),
        ("KillContainer", {"signal": 9}),
        ("PauseContainer", {}),
        ("UnpauseContainer", {}),
        ("RestartContainer", {"timeout": 0}),
        ("GetContainerStats", {}),
        ("ListContainers", {}),
    ]

    def work(seed: int) -> list[str]:
        troubles = []
        with service.client() as client:
            for step in range(4):
                method, more = calls[(seed * 3 + step * 5) % len(calls)]
                try:
                    parameters = more if method == "ListContainers" else {"name": name, **more}
                    client.call(f"{PODMAN}.{method}", **parameters)
                except VarlinkError as error:
                    if not ("cannot" in str(error) or "init is ending" in str(error)):
                        troubles.append(f"{method}: {error}")
        return troubles

    with ThreadPoolExecutor(50) as pool:
        assert [trouble for troubles in pool.map(work, range(50)) for trouble in troubles] == []
    service.call("RemoveContainer", name=name, force=True)


def left_at_once(service: Any, method: str, **parameters: Any) -> None:
    """A client that sends its call and is gone."""
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(service.address.removeprefix("unix:"))
        client.sendall(json.dumps({"method": f"{PODMAN}.{method}", "parameters": parameters}).encode() + b"\0")


def test_clients_that_make_and_remove_terminals_and_leave_at_once_lock_nothing_up(real_service: Any) -> None:
    service = real_service
    again = {"image": "small", "name": "again", "command": ["/bin/sh"], "tty": True, "interactive": True, "stop_signal": 9}
    for _ in range(8):
        left_at_once(service, "RemoveContainer", name="again", force=True)
        left_at_once(service, "CreateContainer", create=again)
        left_at_once(service, "StartContainer", name="again")
    try:
        service.call("RemoveContainer", name="again", force=True)
    except VarlinkError as error:
        assert error.name.endswith("ContainerNotFound")
    made = service.call("CreateContainer", create={**again, "name": "last"})["container"]
    service.call("StartContainer", name="last")
    states = {each["id"]: each["status"] for each in service.call("ListContainers")["containers"]}
    assert states[made] == "running" and len(states) <= 2


def test_fifty_connections_that_also_remove_it(real_service: Any) -> None:
    service = real_service
    calls: list[tuple[str, dict[str, Any]]] = [
        ("StartContainer", {"name": "web"}),
        ("StopContainer", {"name": "web", "timeout": 0}),
        ("KillContainer", {"name": "web", "signal": 9}),
        ("RemoveContainer", {"name": "web", "force": True}),
        ("CreateContainer", {"create": {"image": "small", "name": "web", "command": list(LOOP)}}),
        ("RemoveContainer", {"name": "web", "force": False}),
    ]
    legal = ("cannot", "init is ending", "ContainerNotFound", "is in use")

    def work(seed: int) -> list[str]:
        troubles = []
        with service.client() as client:
            for step in range(3):
                method, parameters = calls[(seed + step * 5) % len(calls)]
                try:
                    client.call(f"{PODMAN}.{method}", **parameters)
                except VarlinkError as error:
                    troubles += [] if any(word in f"{error.name} {error}" for word in legal) else [f"{method}: {error}"]
        return troubles

    with ThreadPoolExecutor(50) as pool:
        assert [trouble for troubles in pool.map(work, range(50)) for trouble in troubles] == []
    left = service.call("ListContainers")["containers"]
    assert len(left) <= 1 and all(each["names"] == "web" for each in left)
    if left:
        service.call("RemoveContainer", name="web", force=True)
    assert service.call("ListContainers") == {"containers": []}
