"""Addresses, sockets and their files, socket activation, the idle time, and clients that behave badly."""

import json
import os
import resource
import select
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest
from patience import patience

import podlink
from podlink.api.varlink.client import Client
from podlink.api.varlink.server import Server
from podlink.api.varlink.transport import Address, listen

PODMAN = "io.projectatomic.podman"
PING = json.dumps({"method": f"{PODMAN}.Ping"}).encode() + b"\0"


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("unix:/run/x", Address("unix", "/run/x")),
        ("unix:/run/x;mode=0660", Address("unix", "/run/x", mode=0o660)),
        ("unix:@name", Address("unix", "@name")),
        ("unix:@name;uid=7;uid=65534", Address("unix", "@name", users=frozenset({7, 65534}))),
        ("tcp:127.0.0.1:80", Address("tcp", "127.0.0.1", 80)),
        ("tcp:[::1]:0", Address("tcp", "::1", 0)),
    ],
)
def test_addresses_are_read(text: str, address: Address) -> None:
    assert Address.parse(text) == address


@pytest.mark.parametrize(
    "text",
    [
        "",
        "unix:",
        "unix:relative",
        "tcp:host",
        "tcp:h:99999999",
        "ssh:x",
        "unix:/x;mode=9",
        "unix:/x;who=me",
        "unix:/x;uid=0",
        "unix:@name;mode=0600",
        "unix:@name;uid=me",
        "tcp:127.0.0.1:80;mode=0600",
        "tcp:127.0.0.1:80;uid=0",
        "unix:/" + "x" * 200,
    ],
)
def test_what_is_no_address_is_refused_with_its_text(text: str) -> None:
    with pytest.raises(ValueError, match="address"):
        Address.parse(text)


def test_the_file_has_its_mode_and_goes_with_the_listener(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "s"
    with listen(f"unix:{path};mode=0640"):
        assert path.stat().st_mode & 0o777 == 0o640 and path.parent.stat().st_mode & 0o777 == 0o700
    assert not path.exists()


def test_a_stale_file_is_replaced_and_one_in_use_is_not(tmp_path: Path) -> None:
    path = tmp_path / "s"
    stale = socket.socket(socket.AF_UNIX)
    stale.bind(str(path))
    stale.close()
    with listen(f"unix:{path}") as first, pytest.raises(OSError, match="another service answers there"):
        assert first.address == f"unix:{path}"
        listen(f"unix:{path}")
    path.write_text("no socket")
    with pytest.raises(OSError, match="is not a socket"):
        listen(f"unix:{path}")
    assert path.read_text() == "no socket"


def test_a_listener_removes_no_file_of_another(tmp_path: Path) -> None:
    path = tmp_path / "s"
    first = listen(f"unix:{path}")
    path.unlink()
    with listen(f"unix:{path}"):
        first.close()
        assert path.exists()


@pytest.mark.parametrize("text", ["unix:@podlink-test-{pid}", "tcp:127.0.0.1:0", "tcp:[::1]:0"])
def test_other_kinds_of_address_are_served(stage: Any, text: str) -> None:
    try:
        listener = listen(text.format(pid=os.getpid()))
    except OSError as error:
        pytest.skip(f"this host has no such address: {error}")
    with listener:
        server = Server(stage.service(), listener)
        thread = threading.Thread(target=server.serve)
        thread.start()
        with Client.connect(listener.address) as client:
            assert client.call(f"{PODMAN}.Ping") == {"ping": {"message": "OK"}}
        server.close()
        thread.join(patience())


def test_calls_that_were_sent_before_the_end_are_answered(stage: Any, tmp_path: Path) -> None:
    with listen(f"unix:{tmp_path}/s") as listener, socket.socket(socket.AF_UNIX) as link:
        server = Server(stage.service(), listener)
        thread = threading.Thread(target=server.serve)
        thread.start()
        link.connect(f"{tmp_path}/s")
        link.sendall(json.dumps({"method": f"{PODMAN}.WaitContainer", "parameters": {"name": "a"}}).encode() + b"\0" + PING * 3)
        assert stage.waiting.wait(patience())
        server.close()
        thread.join(patience())
        assert not thread.is_alive() and link.recv(4096).count(b"\0") == 4 and link.recv(1) == b""


def test_the_end_waits_for_answers_and_not_for_streams_that_nobody_takes(
    stage: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    line = "x" * 1_000_000  # more than the socket takes

    def logs(call: Any, args: Any) -> Any:
        return endless() if call.more else {"container": [line]}

    def endless() -> Any:
        while True:
            yield {"container": [line]}

    for name in ("GRACE", "SEND_PATIENCE"):
        monkeypatch.setattr(f"podlink.api.varlink.server.{name}", 10 * patience())
    stage.logs = logs
    with (
        listen(f"unix:{tmp_path}/s") as listener,
        socket.socket(socket.AF_UNIX) as follower,
        socket.socket(socket.AF_UNIX) as slow,
    ):
        server = Server(stage.service(), listener)
        thread = threading.Thread(target=server.serve)
        thread.start()
        for link, more in ((follower, True), (slow, False)):
            link.connect(f"{tmp_path}/s")
            call = {"method": f"{PODMAN}.GetContainerLogs", "parameters": {"name": "a"}, "more": more}
            link.sendall(json.dumps(call).encode() + b"\0")
            assert link.recv(1, socket.MSG_PEEK) == b"{"
        server.close()
        end = select.poll()
        end.register(follower, 0)
        assert end.poll(1000 * patience()), "the stream ends"
        got = b"".join(iter(lambda: follower.recv(65536), b""))
        assert got.startswith(b"{") and not got.endswith(b"\0"), "within a reply"
        assert thread.is_alive(), "there is an answer that was not taken yet"
        assert json.loads(b"".join(iter(lambda: slow.recv(65536), b""))[:-1]) == {"parameters": {"container": [line]}}
        thread.join(patience())
        assert not thread.is_alive()


CALLER = """
import os, socket, sys
os.setresuid(*[int(sys.argv[1])] * 3)
with socket.socket(socket.AF_UNIX) as link:
    link.connect("\\0" + sys.argv[2])
    try:
        link.sendall(sys.argv[3].encode() + b"\\0")
        print(link.recv(4096))
    except (BrokenPipeError, ConnectionResetError):
        print(b"")
"""


@pytest.mark.needs("root")
def test_at_an_abstract_name_only_those_may_call_who_are_named(stage: Any, caplog: pytest.LogCaptureFixture) -> None:
    name = f"podlink-test-{os.getpid()}"

    def call(user: int) -> str:
        argv = [sys.executable, "-c", CALLER, str(user), name, PING[:-1].decode()]
        return subprocess.run(argv, capture_output=True, text=True, check=True, timeout=patience()).stdout

    for options, may in (("", {0}), (";uid=65534", {0, 65534})):
        with listen(f"unix:@{name}{options}") as listener:
            server = Server(stage.service(), listener)
            thread = threading.Thread(target=server.serve)
            thread.start()
            assert {user for user in (0, 1, 65534) if "OK" in call(user)} == may
            server.close()
            thread.join(patience())
    assert "of user 1 may not call; say uid=1 in the address if it may" in caplog.text


ACTIVATED = """
import os, sys
sys.path.insert(0, {home!r})
os.environ["LISTEN_PID"] = str(os.getpid())
from podlink.api.varlink.transport import activated
found = activated()
print(found.address if found else "none", "LISTEN_FDS" in os.environ, os.get_inheritable(3))
"""


@pytest.mark.parametrize(("names", "which"), [("", 0), ("other:varlink", 1)])
def test_a_socket_that_was_passed_in_is_taken(tmp_path: Path, names: str, which: int) -> None:
    home = str(Path(podlink.__file__).absolute().parent.parent)
    count = max(1, len(names.split(":")) if names else 1)
    sockets = []
    for number in range(count):
        link = socket.socket(socket.AF_UNIX)
        link.bind(str(tmp_path / f"s{number}"))
        link.listen()
        sockets.append(link)

    def pass_in() -> None:
        for number, link in enumerate(sockets):
            os.dup2(link.fileno(), 60 + number)
        for number in range(count):
            os.dup2(60 + number, 3 + number)

    environment = {**os.environ, "LISTEN_FDS": str(count), "LISTEN_FDNAMES": names}
    script = ACTIVATED.format(home=home)
    passed = subprocess.run(
        [sys.executable, "-c", script], env=environment, preexec_fn=pass_in, close_fds=False, capture_output=True, text=True
    )
    for link in sockets:
        link.close()
    assert passed.stdout.split() == [f"unix:{tmp_path}/s{which}", "False", "False"], passed.stderr


def test_sockets_for_another_process_are_not_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    from podlink.api.varlink.transport import activated

    monkeypatch.setenv("LISTEN_PID", "1")
    monkeypatch.setenv("LISTEN_FDS", "1")
    assert activated() is None


def test_the_idle_time_runs_only_while_nobody_is_connected(stage: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with listen(f"unix:{tmp_path}/s") as listener:
        server = Server(stage.service(), listener, idle_timeout=0.3)
        naps = Mock(wraps=server._wait)
        monkeypatch.setattr(server, "_wait", naps)
        thread = threading.Thread(target=server.serve)
        with Client.connect(listener.address) as client:  # it knocks before the idle time begins
            time.sleep(0.4)
            thread.start()
            for _ in range(3):
                time.sleep(0.25)
                assert client.call(f"{PODMAN}.Ping")
            assert thread.is_alive()
            naps.reset_mock()
            began = time.monotonic()
        thread.join(patience())
        assert not thread.is_alive() and (passed := time.monotonic() - began) >= 0.3
        assert naps.call_count < 10 + 10 * passed, "it spins while it waits"


def test_a_client_that_reads_nothing_holds_nobody_up(address: str) -> None:
    lazy = socket.socket(socket.AF_UNIX)
    lazy.connect(address)
    lazy.setblocking(False)
    sent = 0
    try:
        for _ in range(20_000):
            sent += lazy.send(PING)
    except BlockingIOError:
        pass
    assert sent
    with Client.connect(f"unix:{address}") as client:
        assert client.call(f"{PODMAN}.Ping")
    lazy.close()


def test_bytes_that_trickle_and_connections_that_are_many(address: str) -> None:
    links = []
    for _ in range(200):
        link = socket.socket(socket.AF_UNIX)
        link.connect(address)
        links.append(link)
    for byte in PING:
        links[0].send(bytes([byte]))
    assert links[0].recv(1000).endswith(b"\0")
    for link in links:
        link.sendall(PING)
    assert all(link.recv(1000).endswith(b"\0") for link in links[1:])
    for link in links:
        link.close()


def test_a_caller_who_leaves_is_noticed(address: str, stage: Any) -> None:
    link = socket.socket(socket.AF_UNIX)
    link.connect(address)
    link.sendall(json.dumps({"method": f"{PODMAN}.WaitContainer", "parameters": {"name": "x"}}).encode() + b"\0")
    assert stage.waiting.wait(patience()) and not stage.left.is_set()
    link.close()
    assert stage.left.wait(patience())


STARVED = """
import resource, sys, threading
sys.path[:0] = [{home!r}, {here!r}, {tests!r}]
from conftest import Stage
from podlink.api.varlink.server import Server
from podlink.api.varlink.transport import listen
resource.setrlimit(resource.RLIMIT_NOFILE, (40, 40))
with listen("unix:{path}") as listener:
    print("listening", flush=True)
    Server(Stage().service(), listener).serve()
"""


def test_a_server_without_descriptors_goes_on_when_there_are_some_again(tmp_path: Path) -> None:
    home, path = str(Path(podlink.__file__).absolute().parent.parent), tmp_path / "s"
    script = STARVED.format(home=home, here=str(Path(__file__).parent), tests=str(Path(__file__).parent.parent), path=path)
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as server:
        assert server.stdout and server.stdout.readline() == "listening\n"
        before = resource.getrlimit(resource.RLIMIT_NOFILE)
        links = []
        for _ in range(60):
            link = socket.socket(socket.AF_UNIX)
            link.connect(str(path))
            links.append(link)
        time.sleep(0.3)
        for link in links:
            link.close()
        with Client.connect(f"unix:{path}", timeout=patience()) as client:
            assert client.call(f"{PODMAN}.Ping") == {"ping": {"message": "OK"}}
        assert resource.getrlimit(resource.RLIMIT_NOFILE) == before
        server.kill()
