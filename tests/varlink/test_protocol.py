"""The protocol, by raw bytes on a real socket: each row of what the original service does, and where ours is better."""

import json
import resource
import socket
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from patience import patience, until

from podlink.api.varlink.client import Client
from podlink.api.varlink.frame import LIMIT

PODMAN = "io.projectatomic.podman"
OK = b'{"parameters":{"ping":{"message":"OK"}}}\0'
PING = b'{"method":"io.projectatomic.podman.Ping"}\0'


def connect(address: str) -> socket.socket:
    link = socket.socket(socket.AF_UNIX)
    link.settimeout(patience())
    link.connect(address)
    return link


def exchange(address: str, sent: bytes, replies: int = 1) -> bytes:
    """What comes back until so many NULs, or the end."""
    with connect(address) as link:
        link.sendall(sent)
        got = b""
        while got.count(b"\0") < replies and (chunk := link.recv(65536)):
            got += chunk
        return got


def ask(address: str, method: str, parameters: Any = None, **more: Any) -> dict[str, Any]:
    message = {"method": method if "." in method else f"{PODMAN}.{method}", "parameters": parameters, **more}
    answer: dict[str, Any] = json.loads(exchange(address, json.dumps(message).encode() + b"\0")[:-1])
    return answer


def error(name: str, **parameters: str) -> dict[str, Any]:
    return {"error": f"org.varlink.service.{name}", "parameters": parameters}


PLAIN = (
    '{"method":"M"}',
    '{"method":"M","parameters":{}}',
    '{"method":"M","parameters":null}',
    '{"method":"M","parameters":{"bogus":1}}',
    '{"method":"M","unknown":1}',
    '{"method":"M","more":true}',
    '{"method":"M","upgrade":true}',
    ' {"method" : "M"} \n',
)


@pytest.mark.parametrize("message", PLAIN)
def test_a_plain_call_gets_one_compact_reply(address: str, message: str) -> None:
    assert exchange(address, message.replace('"M"', f'"{PODMAN}.Ping"').encode() + b"\0") == OK


@pytest.mark.parametrize("parameters", [None, {}, {"name": None}, {"name": ""}, {"x": 1}])
def test_what_is_absent_or_null_is_the_zero_value(address: str, parameters: Any) -> None:
    assert ask(address, "GetContainer", parameters) == {"error": f"{PODMAN}.ContainerNotFound", "parameters": {"name": ""}}


def test_what_was_sent_is_told_from_what_was_not(address: str, stage: Any) -> None:
    ask(address, "StopContainer", {"name": "a"})
    ask(address, "StopContainer", {"name": "a", "timeout": None})
    ask(address, "StopContainer", {"name": "a", "timeout": 0})
    assert ["timeout" in args for args in stage.seen] == [False, False, True]
    assert [args["timeout"] for args in stage.seen] == [0, 0, 0]
    ask(address, "CreateContainer", {"create": {"resources": {"memory": 1}}})
    create = stage.seen[-1]
    assert (create["name"], create["command"], create["env"], create["resources"]["memory"]) == ("", [], {}, 1)
    assert (create["resources"]["cpus"], create["id_mappings"]["uid_map"]["size"]) == (0.0, 0)


WRONG = [
    ("GetContainer", {"name": 1}, "name"),
    ("GetContainer", [], "parameters"),
    ("GetContainer", "x", "parameters"),
    ("StopContainer", {"name": "a", "timeout": "1"}, "timeout"),
    ("StopContainer", {"name": "a", "timeout": 1.0}, "timeout"),
    ("StopContainer", {"name": "a", "timeout": 1.5}, "timeout"),
    ("StopContainer", {"name": "a", "timeout": True}, "timeout"),
    ("StopContainer", {"name": "a", "timeout": 2**70}, "timeout"),
    ("StopContainer", {"name": "a", "timeout": 2**63}, "timeout"),
    ("CreateContainer", {"create": {"resources": {"memory": "1g"}}}, "create.resources.memory"),
    ("CreateContainer", {"create": {"env": {"A": 1}}}, "create.env.A"),
    ("CreateContainer", {"create": {"command": ["a", 2]}}, "create.command[1]"),
    ("CreateContainer", {"create": {"command": "a"}}, "create.command"),
    ("CreateContainer", {"create": {"labels": []}}, "create.labels"),
    ("CreateContainer", {"create": {"tty": 1}}, "create.tty"),
    ("CreateContainer", {"create": 1}, "create"),
]


@pytest.mark.parametrize(("method", "parameters", "path"), WRONG)
def test_a_wrong_type_is_refused_with_its_path(address: str, stage: Any, method: str, parameters: Any, path: str) -> None:
    assert ask(address, method, parameters) == error("InvalidParameter", parameter=path)
    assert stage.seen == []


def test_an_int_is_a_float_and_the_largest_ints_pass(address: str, stage: Any) -> None:
    ask(address, "CreateContainer", {"create": {"resources": {"cpus": 2, "memory": 2**63 - 1, "memory_swap": -(2**63)}}})
    assert stage.seen[0]["resources"] == {"cpus": 2.0, "memory": 2**63 - 1, "memory_swap": -(2**63)}


@pytest.mark.parametrize(
    "message",
    [b'{"method":"Ping"}', b'{"method":""}', b"{}", b'{"method":null}', b'{"method":5}', b'{"method":"."}', b'{"method":"a."}'],
)
def test_a_method_without_an_interface_is_an_invalid_parameter(address: str, message: bytes) -> None:
    assert json.loads(exchange(address, message + b"\0")[:-1]) == error("InvalidParameter", parameter="method")


def test_what_is_unknown_is_said_by_its_name(address: str) -> None:
    assert ask(address, "io.projectatomic.nope.Ping") == error("InterfaceNotFound", interface="io.projectatomic.nope")
    assert ask(address, "NoSuch") == error("MethodNotFound", method="NoSuch")
    assert ask(address, "org.varlink.service.Nope") == error("MethodNotFound", method="Nope")
    assert ask(address, "PullImage") == error("MethodNotImplemented", method="PullImage")
    description = "org.varlink.service.GetInterfaceDescription"
    assert ask(address, description, {"interface": "org.nope"}) == error("InterfaceNotFound", interface="org.nope")


def test_the_service_describes_itself_and_its_interfaces(address: str) -> None:
    info = ask(address, "org.varlink.service.GetInfo")["parameters"]
    assert info["interfaces"] == ["org.varlink.service", PODMAN] and info["vendor"] == "podlink"
    for name in info["interfaces"]:
        text = ask(address, "org.varlink.service.GetInterfaceDescription", {"interface": name})["parameters"]["description"]
        assert text == (Path(__file__).parent.parent.parent / "api" / "idl" / f"{name}.varlink").read_text()


@pytest.mark.parametrize(
    "sent",
    [
        *(b"not json", b"[]", b'"text"', b"5", b"null", b"", b"\xff\xfe", b'{"method":"\xff"}', b'{"method":NaN}'),
        *(b"[" * 100_000, b'{"a":' * 100_000, b'{"parameters":' + b"[" * 300 + b"]" * 300 + b"}"),
    ],
    ids=lambda sent: repr(sent[:12]),
)
def test_what_is_no_message_closes_that_connection_only(address: str, sent: bytes) -> None:
    with connect(address) as other:
        assert exchange(address, sent + b"\0") == b""
        other.sendall(PING)
        assert other.recv(4096) == OK


def test_a_message_over_the_limit_closes_the_connection_and_costs_no_more(address: str) -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with connect(address) as link, pytest.raises((BrokenPipeError, ConnectionResetError)):
        while True:
            link.sendall(b"x" * 2**20)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 6 * LIMIT / 1024
    assert exchange(address, PING) == OK


def test_a_large_message_below_the_limit_is_taken(address: str, stage: Any) -> None:
    text = "x" * (LIMIT - 2**12)
    assert ask(address, "CreateContainer", {"create": {"hostname": text, "name": "a"}}) == {"parameters": {"container": "a"}}
    assert stage.seen[0]["hostname"] == text


def test_brackets_within_strings_are_not_nesting(address: str, stage: Any) -> None:
    word = '[{"\\' * 500
    assert ask(address, "CreateContainer", {"create": {"name": word}}) == {"parameters": {"container": word}}


def test_oneway_is_never_answered_not_even_by_an_error(address: str, stage: Any) -> None:
    quiet = b"".join(
        json.dumps({"method": method, "oneway": True, "more": more}).encode() + b"\0"
        for method in (
            f"{PODMAN}.Ping",
            f"{PODMAN}.NoSuch",
            "Ping",
            f"{PODMAN}.GetContainer",
            f"{PODMAN}.GetInfo",
            f"{PODMAN}.GetContainerLogs",
        )
        for more in (False, True)
    )
    assert exchange(address, quiet + PING) == OK
    assert stage.seen == ["Ping", "Ping", "Ping"]


def test_more_streams_and_ends_with_a_reply_that_does_not_continue(address: str) -> None:
    sent = json.dumps({"method": f"{PODMAN}.GetContainerLogs", "parameters": {"name": "a"}, "more": True}).encode() + b"\0"
    replies = [json.loads(text) for text in exchange(address, sent, 4).split(b"\0")[:-1]]
    assert [reply.get("continues", False) for reply in replies] == [True, True, True, False]
    assert [reply["parameters"]["container"] for reply in replies] == [["0"], ["1"], ["2"], []]
    assert ask(address, "GetContainerLogs", {"name": "a"}) == {"parameters": {"container": ["0", "1", "2"]}}


def test_calls_in_one_write_are_answered_in_order(address: str) -> None:
    names = [f"c{number}" for number in range(1000)]
    sent = b"".join(
        json.dumps({"method": f"{PODMAN}.StopContainer", "parameters": {"name": name}}).encode() + b"\0" for name in names
    )
    replies = exchange(address, sent, 1000).split(b"\0")[:-1]
    assert [json.loads(reply)["parameters"]["container"] for reply in replies] == names


def test_a_message_may_come_byte_by_byte_and_split_within_a_character(address: str) -> None:
    sent = (
        json.dumps({"method": f"{PODMAN}.StopContainer", "parameters": {"name": "žluťoučký"}}, ensure_ascii=False).encode()
        + b"\0"
    )
    with connect(address) as link:
        for byte in sent:
            link.sendall(bytes([byte]))
        assert json.loads(link.recv(4096)[:-1])["parameters"]["container"] == "žluťoučký"


def test_pipelined_calls_are_answered_after_a_half_close(address: str) -> None:
    with connect(address) as link:
        link.sendall(PING * 3)
        link.shutdown(socket.SHUT_WR)
        got = b""
        while chunk := link.recv(4096):
            got += chunk
    assert got == OK * 3


def test_a_handlers_surprise_is_an_error_reply_and_all_live_on(address: str) -> None:
    with connect(address) as link:
        link.sendall(b'{"method":"io.projectatomic.podman.GetInfo"}\0' + PING)
        got = b""
        while got.count(b"\0") < 2:
            got += link.recv(4096)
    assert json.loads(got.split(b"\0")[0]) == {"error": f"{PODMAN}.ErrorOccurred", "parameters": {"reason": "a surprise"}}
    assert got.endswith(OK)


def test_a_slow_call_holds_up_its_own_connection_only(address: str, stage: Any) -> None:
    with connect(address) as slow:
        slow.sendall(b'{"method":"io.projectatomic.podman.WaitContainer","parameters":{"name":"a"}}\0' + PING)
        assert stage.waiting.wait(patience())
        assert exchange(address, PING * 50, 50) == OK * 50
        stage.left.set()
        got = b""
        while got.count(b"\0") < 2:
            got += slow.recv(4096)
        assert got == b'{"parameters":{"exitcode":0}}\0' + OK


def test_a_client_that_hangs_up_is_noticed_while_its_call_waits(address: str, stage: Any) -> None:
    with connect(address) as slow:
        slow.sendall(b'{"method":"io.projectatomic.podman.WaitContainer"}\0')
        assert stage.waiting.wait(patience())
        slow.shutdown(socket.SHUT_WR)
        time.sleep(0.1)
        assert not stage.left.is_set()  # it still reads
    assert stage.left.wait(patience())


def test_a_client_that_takes_nothing_holds_up_nobody(address: str) -> None:
    with connect(address) as lazy:
        lazy.setblocking(False)
        sent = 0
        try:
            while sent < 50_000:
                sent += lazy.send(PING * 100)
        except BlockingIOError:
            pass
        assert exchange(address, PING) == OK


def test_two_hundred_connections_at_once(address: str) -> None:
    links = [connect(address) for _ in range(200)]
    for link in links:
        link.sendall(PING)
    assert all(link.recv(4096) == OK for link in links)
    for link in links:
        link.close()
    until(lambda: "varlink connection" not in {thread.name for thread in threading.enumerate()})


def test_the_client_speaks_the_same(address: str) -> None:
    with Client.connect(f"unix:{address}", timeout=patience()) as client:
        assert client.interfaces() == ["org.varlink.service", PODMAN]
        assert list(client.stream(f"{PODMAN}.GetContainerLogs", name="a"))[-1] == {"container": []}
        assert client.call(f"{PODMAN}.Ping") == {"ping": {"message": "OK"}}


def test_the_client_of_the_package_index_passes(address: str) -> None:
    import varlink

    with varlink.Client(address=f"unix:{address}") as client:
        assert client.get_interface(PODMAN).name == PODMAN
        with client.open(PODMAN) as podman:
            assert podman.Ping() == {"ping": {"message": "OK"}}
            assert [reply["container"] for reply in podman.GetContainerLogs("a", _more=True)] == [["0"], ["1"], ["2"], []]
            with pytest.raises(varlink.VarlinkError) as refusal:
                podman.GetContainer("bozo")
            assert refusal.value.error() == f"{PODMAN}.ContainerNotFound"
