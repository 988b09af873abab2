"""Containers outlive the service, and the service finds them again. On a real kernel with runc."""

import signal
import threading
from pathlib import Path
from typing import Any

import pytest
from patience import patience, until

pytestmark = pytest.mark.needs("root", "runc", "overlay")

LOOP = ("/bin/sh", "-c", "trap 'exit 5' TERM; echo ready; while :; do sleep 1 & wait; done")


def status(service: Any, name: str) -> str:
    return str(service.call("GetContainer", name=name)["container"]["status"])


def pid_of(service: Any, name: str) -> int:
    return int(service.call("GetContainer", name=name)["container"]["namespaces"]["pid"])


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
def test_a_running_container_lives_on_and_is_found_again(real_service: Any, number: int) -> None:
    service = real_service
    service.create(*LOOP, name="web")
    service.call("StartContainer", name="web")
    pid = pid_of(service, "web")
    assert service.end(number) == (0 if number != signal.SIGKILL else -9)
    assert Path(f"/proc/{pid}").exists()
    service.start()
    assert (status(service, "web"), pid_of(service, "web")) == ("running", pid)
    service.call("StopContainer", name="web", timeout=300)
    assert service.call("WaitContainer", name="web") == {"exitcode": 5}
    assert service.call("GetContainerLogs", name="web") == {"container": ["ready\n"]}


def test_what_ends_while_no_service_runs_is_cleaned_up_all_the_same(real_service: Any, tmp_path: Path) -> None:
    service = real_service
    (tmp_path / "gate").mkdir()
    behind_the_gate = "while [ ! -e /gate/open ]; do sleep 0.1; done"
    for name, script, is_removed in (("web", "echo late; exit 3", False), ("gone", "true", True)):
        command = ("/bin/sh", "-c", f"{behind_the_gate}; {script}")
        service.create(*command, name=name, rm=is_removed, volumes=[f"{tmp_path}/gate:/gate"])
        service.call("StartContainer", name=name)
    folder = service.folder.resolve()
    assert f"{folder}/" in Path("/proc/self/mountinfo").read_text()
    service.end(signal.SIGKILL)
    (tmp_path / "gate" / "open").touch()
    until(lambda: f"{folder}/" not in Path("/proc/self/mountinfo").read_text(), Path("/proc/self/mountinfo").read_text)
    until(lambda: len(list((folder / "root" / "containers").iterdir())) == 1)
    service.start()
    (left,) = service.call("ListContainers")["containers"]
    assert (left["names"], left["status"]) == ("web", "exited")
    assert service.call("WaitContainer", name="web") == {"exitcode": 3}
    assert service.call("GetContainerLogs", name="web") == {"container": ["late\n"]}


def test_what_ended_is_remembered(real_service: Any) -> None:
    service = real_service
    service.create("/bin/sh", "-c", "exit 9", name="web")
    service.call("StartContainer", name="web")
    assert service.call("WaitContainer", name="web") == {"exitcode": 9}
    service.end(signal.SIGKILL)
    service.start()
    assert status(service, "web") == "exited" and service.call("WaitContainer", name="web") == {"exitcode": 9}


def test_a_second_engine_may_open_the_same_root(real_service: Any) -> None:
    from podlink.engine.app import Engine
    from podlink.engine.config import Config

    service = real_service
    service.create(*LOOP, name="web")
    config = Config(root=service.folder / "root", runroot=service.folder / "run", cgroup_parent=service.parent)
    codes: list[Any] = []
    waiting = threading.Thread(target=lambda: codes.append(service.call("WaitContainer", name="web")))
    waiting.start()
    with Engine.open(config) as engine:
        container = engine.containers.get("web")
        container.start()
        assert status(service, "web") == "running"
        service.call("PauseContainer", name="web")
        assert container.summary().container.status == "paused"
        container.unpause()
        container.stop(300)
        waiting.join(patience())
        assert codes == [{"exitcode": 5}] and status(service, "web") == "exited"
        other = engine.containers.create(image="small", command=["true"], name="other")
    assert status(service, "other") == "configured"
    service.call("RemoveContainer", name=other.id)


def test_a_broken_state_is_said_and_left_as_it_is(real_service: Any) -> None:
    import subprocess

    service = real_service
    service.end()
    state = service.folder / "root" / "podlink.db"
    whole = state.read_bytes()
    state.write_bytes(b"this is no database" * 100)
    refused = subprocess.run(service.command(), capture_output=True, text=True, timeout=patience(), cwd="/")
    assert refused.returncode == 1 and str(state) in refused.stderr and "Traceback" not in refused.stderr
    assert state.read_bytes().startswith(b"this is no database")
    state.write_bytes(whole)


def test_idle_exit_leaves_containers_running(real_service: Any) -> None:
    service = real_service
    service.create(*LOOP, name="web")
    service.call("StartContainer", name="web")
    pid = pid_of(service, "web")
    service.end()
    service.options = ("--timeout", "300")
    service.start()
    assert service.process.wait(patience()) == 0
    service.process.stdout.close()
    assert Path(f"/proc/{pid}").exists()
    service.options, service.process = (), None
    service.start()


def test_nothing_of_ours_is_inside_a_container(real_service: Any) -> None:
    service = real_service
    service.create(
        "/bin/sh",
        "-c",
        "ls /proc/self/fd | wc -l; grep -E 'Seccomp:|CapEff' /proc/self/status",
        name="web",
    )
    service.call("StartContainer", name="web")
    assert service.call("WaitContainer", name="web") == {"exitcode": 0}
    lines = "".join(service.call("GetContainerLogs", name="web")["container"]).split("\n")
    assert lines[0] == "4"  # 0, 1, 2, and the one that ls reads the folder with
    assert "Seccomp:\t2" in lines and any(line.startswith("CapEff") and not line.endswith("ffffffff") for line in lines)
