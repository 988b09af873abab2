"""The interface over a socket, as its clients use it, on the emulator and on runc."""

import json
import socket
import threading
import time
from pathlib import Path
from typing import Any
from unittest.mock import ANY

import pytest
from patience import patience, until

from podlink.api.podman.errors import wire_class
from podlink.api.podman.service import HANDLERS
from podlink.api.podman.system import INSTEAD
from podlink.api.varlink.idl import parse
from podlink.api.varlink.service import VarlinkError
from podlink.engine import errors

PODMAN = "io.projectatomic.podman"
LOOP = ("/bin/sh", "-c", "trap 'exit 0' TERM; echo ready; while :; do sleep 1 & wait; done")
INTERFACE = parse((Path(__file__).parent.parent.parent / "api" / "idl" / f"{PODMAN}.varlink").read_text())


def refused(service: Any, method: str, **parameters: Any) -> VarlinkError:
    with pytest.raises(VarlinkError) as refusal:
        service.call(method, **parameters)
    return refusal.value


def test_the_main_job(service: Any) -> None:
    name = service.create(*LOOP, name="web")
    assert service.call("StartContainer", name="web") == {"container": name}
    with service.client() as follower:
        first = next(follower.stream(f"{PODMAN}.GetContainerLogs", name="web"))
        assert first == {"container": ["ready\n"]}
    figures = service.call("GetContainerStats", name="web")["container"]
    assert figures["id"] == name and figures["name"] == "web" and figures["pids"] >= 1
    assert len(service.call("ListContainerProcesses", name="web")["container"]) >= 2
    (listed,) = service.call("ListContainers")["containers"]
    assert listed == {
        **service.call("GetContainer", name="web")["container"],
        "runningfor": listed["runningfor"],
        "rwsize": listed["rwsize"],
        "rootfssize": listed["rootfssize"],
    }
    assert (listed["status"], listed["containerrunning"], listed["image"]) == ("running", True, "small")
    assert service.call("PauseContainer", name="web") == {"container": name}
    assert service.call("GetContainer", name="web")["container"]["status"] == "paused"
    service.call("UnpauseContainer", name="web")
    assert json.loads(service.call("InspectContainer", name="web")["container"])["State"]["Running"] is True
    service.call("StopContainer", name="web", timeout=300)
    assert service.call("WaitContainer", name="web") == {"exitcode": 0}
    assert service.call("GetContainerLogs", name="web") == {"container": ["ready\n"]}
    service.call("RemoveContainer", name="web", force=False)
    assert service.call("ListContainers") == {"containers": []}
    service.call("RemoveImage", name="small", force=False)
    assert service.call("ListImages") == {"images": []}


def test_every_method_of_the_interface_is_known(lasting: Any) -> None:
    assert len(INTERFACE.methods) == 40
    for name in {method.name for method in INTERFACE.methods} - set(HANDLERS):
        refusal = refused(lasting, name)
        assert (refusal.name, refusal.parameters["method"]) == ("org.varlink.service.MethodNotImplemented", name)
    for name in INSTEAD:
        refusal = refused(lasting, name)
        assert refusal.name == "org.varlink.service.MethodNotImplemented"
        assert refusal.parameters["method"] == name and refusal.parameters["notimplemented"]["comment"]


def test_the_engines_errors_are_those_of_the_interface() -> None:
    direct = {error.__name__: list(error.__dataclass_fields__) for error in errors.EngineError.__subclasses__()}
    direct["RuntimeError"] = direct.pop("EngineUnavailable")
    assert direct == {error.name: [field.name for field in error.parameters.fields] for error in INTERFACE.errors}
    assert wire_class(errors.NameInUse) is errors.ErrorOccurred


@pytest.mark.parametrize(
    ("method", "parameters", "error", "word"),
    [
        ("GetContainer", {"name": "bozo"}, "ContainerNotFound", "bozo"),
        ("GetContainer", {}, "ContainerNotFound", ""),
        ("StartContainer", {"name": "bozo"}, "ContainerNotFound", "bozo"),
        ("WaitContainer", {"name": "bozo"}, "ContainerNotFound", "bozo"),
        ("GetContainerLogs", {"name": "bozo"}, "ContainerNotFound", "bozo"),
        ("RemoveContainer", {"name": "bozo"}, "ContainerNotFound", "bozo"),
        ("CreateContainer", {"create": {"image": "bozo"}}, "ImageNotFound", "bozo"),
        ("CreateContainer", {"create": {"image": "small", "volumes": ["/a:/b"]}}, "ErrorOccurred", "volumes"),
        (
            "CreateContainer",
            {"create": {"image": "small", "resources": {"kernel_memory": 1}}},
            "ErrorOccurred",
            "resources.kernel_memory",
        ),
        ("InspectImage", {"name": "bozo"}, "ImageNotFound", "bozo"),
        ("RemoveImage", {"name": "bozo"}, "ImageNotFound", "bozo"),
        ("ImportImage", {"source": "/nonexistent.tar", "reference": "x"}, "ErrorOccurred", "/nonexistent.tar"),
        ("ImportImage", {"source": "/etc/passwd", "reference": "x"}, "ErrorOccurred", "/etc/passwd"),
        ("ImportImage", {"source": "/etc", "reference": "x"}, "ErrorOccurred", "/etc"),
    ],
)
def test_bad_input_is_answered_by_name(lasting: Any, method: str, parameters: dict[str, Any], error: str, word: str) -> None:
    refusal = refused(lasting, method, **parameters)
    assert refusal.name == f"{PODMAN}.{error}"
    assert word in next(iter(refusal.parameters.values()))
    assert lasting.call("ListContainers") == {"containers": []} and len(lasting.call("ListImages")["images"]) == 1


def test_what_the_state_of_things_forbids_is_answered_by_name(service: Any) -> None:
    web = service.create(*LOOP, name="web", net_mode="none")
    others = [service.create("/nonexistent", name=f"c{number}", net_mode="none") for number in range(17)]
    shared = next(each[0] for each in others if sum(one[0] == each[0] for one in (web, *others)) > 1)
    before = service.call("GetContainer", name="c0")["container"]
    service.call("StartContainer", name="web")
    running = service.call("GetContainer", name="web")["container"]
    for method, parameters, words in (
        ("StartContainer", {"name": "web"}, f"cannot start container web ({web[:12]}): it is running"),
        ("UnpauseContainer", {"name": "web"}, "it is running"),
        ("RemoveContainer", {"name": "web"}, "it is running; remove it by force, or stop it first"),
        ("PauseContainer", {"name": "c0"}, "it is configured"),
        ("KillContainer", {"name": "c0", "signal": 9}, "it is configured"),
        ("StopContainer", {"name": "c0"}, "it is configured"),
        ("ListContainerProcesses", {"name": "c0"}, "it is configured"),
        ("GetContainer", {"name": shared}, shared),
        ("CreateContainer", {"create": {"image": "small", "name": "web"}}, "web"),
        ("StartContainer", {"name": "c0"}, "/nonexistent"),
    ):
        refusal = refused(service, method, **parameters)
        assert refusal.name == f"{PODMAN}.ErrorOccurred" and words in refusal.parameters["reason"], (method, refusal.parameters)
    assert service.call("GetContainer", name="c0")["container"] == {**before, "runningfor": ANY}
    after = service.call("GetContainer", name="web")["container"]
    assert (after["status"], after["namespaces"]) == ("running", running["namespaces"])
    assert len(service.call("ListContainers")["containers"]) == 18


def test_a_wrong_type_names_its_path(lasting: Any) -> None:
    refusal = refused(lasting, "CreateContainer", create={"image": "small", "resources": {"memory": "1g"}})
    assert (refusal.name, refusal.parameters) == (
        "org.varlink.service.InvalidParameter",
        {"parameter": "create.resources.memory"},
    )


def test_a_timeout_of_zero_kills_and_an_absent_one_is_the_containers(service: Any) -> None:
    stubborn = ["/bin/sh", "-c", "trap '' TERM; echo ready; while :; do sleep 1 & wait; done"]
    for parameters, own, least, less in (({"timeout": 0}, 300, 0, 300), ({}, 1, 0.9, 600), ({"timeout": None}, 1, 0.9, 600)):
        service.create(*stubborn, name="web", stop_timeout=own)
        service.call("StartContainer", name="web")
        until(lambda: service.call("GetContainerLogs", name="web") == {"container": ["ready\n"]})
        began = time.monotonic()
        service.call("StopContainer", name="web", **parameters)
        assert least <= time.monotonic() - began < less
        assert service.call("WaitContainer", name="web") == {"exitcode": 137}
        service.call("RemoveContainer", name="web")


def test_a_slow_call_holds_up_no_other_connection(service: Any) -> None:
    service.create(*LOOP, name="web")
    service.call("StartContainer", name="web")
    until(lambda: service.call("GetContainerLogs", name="web")["container"])
    with service.client() as waiting, service.client() as other:
        codes: list[Any] = []
        thread = threading.Thread(target=lambda: codes.append(waiting.call(f"{PODMAN}.WaitContainer", name="web")))
        thread.start()
        for _ in range(20):
            other.call(f"{PODMAN}.Ping")
        assert codes == []
        service.call("StopContainer", name="web", timeout=300)
        thread.join(patience())
        assert codes == [{"exitcode": 0}]


def test_following_ends_with_a_last_reply(service: Any) -> None:
    service.create("/bin/sh", "-c", "for i in 1 2 3; do echo $i; sleep 0.1; done", name="web")
    service.call("StartContainer", name="web")
    with service.client() as client:
        replies = list(client.stream(f"{PODMAN}.GetContainerLogs", name="web"))
        assert [line for reply in replies for line in reply["container"]] == ["1\n", "2\n", "3\n"]
        assert client.call(f"{PODMAN}.Ping") == {"ping": {"message": "OK"}}


def test_replies_have_the_types_of_the_interface(service: Any) -> None:
    from podlink.api.varlink.check import reply_checker

    service.create(*LOOP, name="web", labels={"a": "b"})
    for act in (None, "StartContainer"):
        if act:
            service.call(act, name="web")
        for method, parameters in {
            "Ping": {},
            "GetVersion": {},
            "GetInfo": {},
            "ListContainers": {},
            "GetContainer": {"name": "web"},
            "InspectContainer": {"name": "web"},
            "GetContainerStats": {"name": "web"},
            "GetContainerLogs": {"name": "web"},
            "ListImages": {},
            "InspectImage": {"name": "small"},
            "HistoryImage": {"name": "small"},
        }.items():
            reply_checker(INTERFACE, method)(service.call(method, **parameters))


def test_the_clients_of_the_time_pass(service: Any) -> None:
    import varlink

    with varlink.Client(address=service.address) as client, client.open(PODMAN) as podman:
        assert podman.Ping()["ping"]["message"] == "OK"
        created = podman.CreateContainer({"image": "small", "command": ["echo", "hello"]})["container"]
        podman.StartContainer(created)
        assert podman.WaitContainer(created)["exitcode"] == 0
        assert podman.GetContainerLogs(created)["container"] == ["hello\n"]
        with pytest.raises(varlink.VarlinkError):
            podman.StopContainer("bozo", 1)
        podman.RemoveContainer(created, False)


def test_a_client_that_leaves_while_it_waits_leaves_nothing_behind(service: Any) -> None:
    service.create(*LOOP, name="web")
    service.call("StartContainer", name="web")
    until(lambda: service.call("GetContainerLogs", name="web")["container"])
    before = service.threads()
    for method, more in (("WaitContainer", False), ("GetContainerLogs", True)):
        for _ in range(20):
            with socket.socket(socket.AF_UNIX) as link:
                link.connect(service.address.removeprefix("unix:"))
                link.sendall(
                    json.dumps({"method": f"{PODMAN}.{method}", "parameters": {"name": "web"}, "more": more}).encode() + b"\0"
                )
                assert not more or link.recv(1), "what is there comes at once, and it waits for what comes later"
    until(lambda: service.threads() < before + 10, service.threads)


def test_info_and_version_are_true(lasting: Any) -> None:
    info = lasting.call("GetInfo")["info"]
    real = Path("/proc/sys/kernel/osrelease").read_text().strip()
    assert info["host"]["kernel"] == ("6.1.0" if lasting.runtime == "emulator" else real)  # an emulated host is made up
    assert info["host"]["mem_total"] > info["host"]["mem_free"] > 0 and info["store"]["images"] == 1
    assert info["store"]["graph_root"] == f"{lasting.folder}/root" and info["store"]["run_root"] == f"{lasting.folder}/run"
    version = lasting.call("GetVersion")["version"]
    assert version["os_arch"].startswith("linux/") and "Python" in version["go_version"] and version["built"] > 0
