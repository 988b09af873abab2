"""Those who wait at the service: a thousand at once, those who leave, and what they are told when it ends. And long logs."""

import json
import resource
import signal
import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import pytest
from patience import patience, until

from podlink.api.varlink.client import Client, VarlinkError

PODMAN = "io.projectatomic.podman"
LOOP = ("/bin/sh", "-c", "trap 'exit 5' TERM; echo ready; while :; do sleep 0.1; done")
real_host = pytest.mark.needs("root", "runc", "overlay")


def ask(service: Any, method: str, **more: Any) -> socket.socket:
    """A connection with a call on it, whose answer is still to come."""
    with ExitStack() as stack:
        link = stack.enter_context(socket.socket(socket.AF_UNIX))
        link.settimeout(patience())
        link.connect(service.address.removeprefix("unix:"))
        link.sendall(call(method, **more))
        stack.pop_all()
    return link


def call(method: str, **more: Any) -> bytes:
    return json.dumps({"method": f"{PODMAN}.{method}", **more}).encode() + b"\0"


def answer(link: socket.socket) -> dict[str, Any]:
    got = b""
    while not got.endswith(b"\0"):
        chunk = link.recv(65536)
        assert chunk, got
        got += chunk
    message: dict[str, Any] = json.loads(got[:-1])
    return message


def memory(pid: int, what: str = "VmRSS") -> int:
    """Bytes."""
    (line,) = [line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith(what + ":")]
    return int(line.split()[1]) * 1024


def peak(service: Any) -> int:
    """Bytes; VmHWM counts from here: proc_pid_clear_refs(5)."""
    Path(f"/proc/{service.process.pid}/clear_refs").write_text("5")
    return memory(service.process.pid, "VmHWM")


@pytest.fixture
def many_descriptors() -> Iterator[None]:
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(4096, before[1]), before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


def test_a_thousand_wait_without_a_thread_each(service: Any, many_descriptors: None) -> None:
    service.create(*LOOP, name="web")
    service.call("StartContainer", name="web")
    with ExitStack() as stack, service.client() as client:
        client.call(f"{PODMAN}.Ping")
        before = service.threads()
        waiting = [stack.enter_context(ask(service, "WaitContainer", parameters={"name": "web"})) for _ in range(1000)]
        until(lambda: service.threads() <= before + 20, service.threads)  # each has been read, and is parked
        client.call(f"{PODMAN}.Ping")  # nobody else is held up
        client.call(f"{PODMAN}.KillContainer", name="web", signal=9)
        assert [answer(link) for link in waiting] == [{"parameters": {"exitcode": 137}}] * 1000
        waiting[0].sendall(json.dumps({"method": f"{PODMAN}.Ping"}).encode() + b"\0")
        assert answer(waiting[0]) == {"parameters": {"ping": {"message": "OK"}}}, "the connection goes on"


def test_a_call_that_was_sent_behind_a_wait_is_answered_after_it(service: Any) -> None:
    service.create(*LOOP, name="web")
    with ask(service, "WaitContainer", parameters={"name": "web"}) as link:
        link.sendall(json.dumps({"method": f"{PODMAN}.Ping"}).encode() + b"\0")
        service.call("RemoveContainer", name="web", force=False)
        got = b""
        while got.count(b"\0") < 2:
            got += link.recv(65536)
    first, second = (json.loads(each) for each in got.split(b"\0")[:2])
    assert first == {"error": f"{PODMAN}.ContainerNotFound", "parameters": {"name": "web"}}
    assert second == {"parameters": {"ping": {"message": "OK"}}}
    with pytest.raises(VarlinkError, match="ContainerNotFound"):
        service.call("WaitContainer", name="web")


@pytest.mark.parametrize(
    ("method", "more"), [("WaitContainer", False), ("GetContainerLogs", True)], ids=["WaitContainer", "GetContainerLogs"]
)
def test_who_waits_is_told_when_the_service_ends(service: Any, method: str, more: bool) -> None:
    service.create(*LOOP, name="web")
    service.call("StartContainer", name="web")
    with ask(service, method, parameters={"name": "web"}, more=more) as link:
        if more:
            assert answer(link)["parameters"] == {"container": ["ready\n"]}
        else:
            service.call("Ping")
        assert service.end() == 0
        assert answer(link) == {
            "error": f"{PODMAN}.ErrorOccurred",
            "parameters": {
                "reason": "the service is ending, and this call with it; what runs goes on: call again when it is back"
            },
        }
        assert link.recv(1) == b""


def connected(service: Any) -> tuple[socket.socket, float]:
    """Start the service with an idle time: a connection to it, and that time, which is longer where nobody was there in time."""
    for seconds in (0.3, 3, 30):
        service.options = ("--timeout", str(int(1000 * seconds)))
        service.start()
        with suppress(OSError, AssertionError), ExitStack() as stack:
            link = stack.enter_context(ask(service, "Ping"))
            answer(link)
            stack.pop_all()
            return link, seconds
        service.process.wait(patience())
        service.process.stdout.close()
    raise AssertionError("nobody is there in time")


@real_host
@pytest.mark.parametrize(("method", "more"), [("WaitContainer", False), ("GetContainerLogs", True)])
def test_a_client_that_left_does_not_keep_the_service_from_its_idle_exit(real_service: Any, method: str, more: bool) -> None:
    service = real_service
    service.create(*LOOP, name="web")
    service.call("StartContainer", name="web")
    service.end()
    leaver, seconds = connected(service)
    leaver.sendall(call(method, parameters={"name": "web"}, more=more))
    with pytest.raises(subprocess.TimeoutExpired):  # it serves while somebody waits
        service.process.wait(3 * seconds)
    leaver.close()
    assert service.process.wait(patience()) == 0
    service.process.stdout.close()
    service.options, service.process = (), None
    service.start()


@real_host
def test_a_long_log_leaves_the_service_as_small_as_it_was(real_service: Any) -> None:
    service = real_service
    size, line = 40 * 2**20, "0123456789abcdef" * 63 + "0123456789abcde\n"
    script = f"yes {line.strip()} | head -c {size}"
    service.create("/bin/sh", "-c", script, name="web")
    service.call("StartContainer", name="web")
    service.call("WaitContainer", name="web")
    service.call("Ping")
    before = peak(service)
    lines = service.call("GetContainerLogs", name="web")["container"]
    assert sum(map(len, lines)) == size and set(lines) == {line}
    assert memory(service.process.pid, "VmHWM") - before < 16 * 2**20


@real_host
def test_much_output_leaves_monitor_and_service_as_small_as_they_were(real_service: Any) -> None:
    """Each burst is less than what is kept for a follower, who has it before the next one: however slow, it misses nothing."""
    service, bursts, burst = real_service, 5, 40_000_000
    written = f"yes {'x' * 99} | head -c {burst}; n=$((n + 1)); test $n = {bursts} && exit 0"
    script = f"n=0; trap '{written}' USR1; echo ready; while :; do sleep 0.05; done"
    service.create("/bin/sh", "-c", script, name="web", log_driver_opt=["max-size=4m"])
    service.call("StartContainer", name="web")
    (started,) = (service.folder / "run" / "containers").glob("*/process.json")
    monitor = int(json.loads(started.read_text())["monitor"])
    with service.client() as client:
        replies = client.stream(f"{PODMAN}.GetContainerLogs", name="web")
        assert next(replies) == {"container": ["ready\n"]}
        before, most, received = memory(monitor), 0, 0
        began = peak(service)
        service.call("KillContainer", name="web", signal=int(signal.SIGUSR1))
        for reply in replies:
            received += sum(map(len, reply["container"]))
            with suppress(OSError, ValueError):  # it has ended
                most = max(most, memory(monitor))
            if received % burst == 0 and received < bursts * burst:
                service.call("KillContainer", name="web", signal=int(signal.SIGUSR1))
    assert received == bursts * burst, "nothing was lost"
    assert 0 < most < before + 4 * 2**20
    assert memory(service.process.pid, "VmHWM") - began < 16 * 2**20
    assert sum(path.stat().st_size for path in (service.folder / "root" / "containers").glob("*/ctr.log*")) < 100 * 2**20


@real_host
def test_followers_of_what_does_not_run_end_and_cost_nothing(real_service: Any) -> None:
    service = real_service
    service.create(*LOOP, name="configured")
    service.create("/bin/sh", "-c", "echo done", name="stopped")
    service.call("StartContainer", name="stopped")
    service.call("WaitContainer", name="stopped")
    for name, lines in (("configured", []), ("stopped", ["done\n"])):
        with service.client() as client:
            replies = list(client.stream(f"{PODMAN}.GetContainerLogs", name=name))
        assert [line for reply in replies for line in reply["container"]] == lines
    service.create("/bin/sh", "-c", "echo once; sleep 1000", name="quiet")
    service.call("StartContainer", name="quiet")
    with Client.connect(service.address) as client:
        replies_of_quiet = client.stream(f"{PODMAN}.GetContainerLogs", name="quiet")
        assert next(replies_of_quiet) == {"container": ["once\n"]}
        gone = threading.Thread(target=lambda: list(replies_of_quiet))
        gone.start()
        until(service.rests, "it wakes up though nothing happens")
        assert gone.is_alive()
        service.call("RemoveContainer", name="quiet", force=True)
        gone.join(patience())
        assert not gone.is_alive()
