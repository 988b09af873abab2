"""Attach, on the emulator and on a real kernel: what clients type and see."""

import itertools
import json
import os
import re
import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import own_cgroups
import pytest
from patience import patience, until

from podlink.engine.app import Engine
from podlink.engine.config import Config
from podlink.engine.containers.attach import attach_sockets
from podlink.engine.errors import ContainerNotFound
from podlink.engine.handles import Container
from podlink.engine.runtime.bundle import SHORT
from podlink.engine.streams.attach import CONTROL, QUEUE, SOCKET, Attach
from podlink.engine.streams.attachment import Attachment, SocketAttachment

RUNTIMES = [
    pytest.param("emulator", id="emulator"),
    pytest.param("runc", id="runc", marks=pytest.mark.needs("root", "runc", "overlay")),
]
counter = itertools.count()


class Desk:
    """An engine with an image `small`, and no network in the way."""

    def __init__(self, engine: Engine, config: Config) -> None:
        self.engine, self.config = engine, config

    def create(self, *command: str, **fields: Any) -> Container:
        given = {"net_mode": "none", "stop_signal": 9} | fields
        return self.engine.containers.create(image="small", command=command, **given)

    def run(self, *command: str, **fields: Any) -> Container:
        container = self.create(*command, **fields)
        container.start()
        return container

    def status(self, container: Container) -> str:
        return str(self.row(container).status)

    def row(self, container: Container) -> Any:
        return next(each.container for each in self.engine.containers.list() if each.container.id == container.id)


@pytest.fixture(params=RUNTIMES)
def desk(request: pytest.FixtureRequest, tmp_path: Path, busybox_tar: Path) -> Iterator[Desk]:
    if request.param == "emulator":
        with Engine.emulated() as engine:
            yield from _used(engine, engine.host.config, busybox_tar)
        return
    config = Config(root=tmp_path / "root", runroot=tmp_path / "run", cgroup_parent=own_cgroups.new_parent())
    with Engine.open(config) as engine:
        yield from _used(engine, config, busybox_tar)
        assert not [link for link in SHORT.glob("*") if str(config.runroot) in str(link.readlink())]
        assert not list((config.runroot / "containers").iterdir())
    own_cgroups.remove_cgroups(config.cgroup_parent)


def _used(engine: Engine, config: Config, tar: Path) -> Iterator[Desk]:
    engine.images.import_image(str(tar), "small", changes=["CMD=/bin/sh"])
    yield Desk(engine, config)
    for each in engine.containers.list():
        engine.containers.get(each.container.id).remove(force=True)


def all_of(attachment: Attachment) -> list[tuple[str, bytes]]:
    """Every piece until the container ends."""
    return list(iter(lambda: attachment.receive(patience()), None))


def text_of(attachment: Attachment, end: bytes) -> bytes:
    """What comes up to and with these bytes."""
    text = b""
    while end not in text:
        piece = attachment.receive(patience())
        assert piece is not None, text
        text += piece[1]
    return text


def test_whoever_attaches_before_the_start_misses_nothing(desk: Desk) -> None:
    container = desk.create("/bin/sh", "-c", "echo out; echo err >&2")
    with container.attach() as attachment:
        assert desk.status(container) == "created"
        container.start()
        pieces = all_of(attachment)
    assert sorted(pieces) == [("stderr", b"err\n"), ("stdout", b"out\n")]
    assert container.wait() == 0 and sorted(container.logs()) == ["err\n", "out\n"]


def test_who_has_connected_is_shown_what_is_written_though_nobody_has_looked_for_him(tmp_path: Path) -> None:
    class Owner:
        def has_room(self) -> bool:
            return True

        def feed(self, data: bytes) -> None:
            raise AssertionError("nobody types")

        def end(self) -> None: ...

        def resize(self, rows: int, columns: int) -> None: ...

        def reopen(self) -> None: ...

    attach = Attach(tmp_path, Owner())
    places = str(tmp_path / SOCKET), str(tmp_path / CONTROL)
    with SocketAttachment(*places) as first:
        assert attach.send("stdout", b"one") and first.receive(patience()) == ("stdout", b"one")
        assert not attach.send("stdout", b"two") and first.receive(patience()) == ("stdout", b"two")
        with SocketAttachment(*places) as second:
            first.send(b"nobody reads this any more")
            attach.part(10)
            assert first.receive(patience()) is None and second.receive(patience()) is None


def test_what_is_typed_comes_back_and_the_end_of_stdin_is_passed_on(desk: Desk) -> None:
    container = desk.run("cat", interactive=True)
    with container.attach() as attachment:
        attachment.send(b"hello\n")
        assert attachment.receive(patience()) == ("stdout", b"hello\n")
        attachment.end()
        assert all_of(attachment) == []
    assert container.wait() == 0 and container.logs() == ["hello\n"]


def test_a_client_that_leaves_ends_nothing_and_the_next_one_goes_on(desk: Desk) -> None:
    container = desk.run("cat", interactive=True)
    for word in (b"one\n", b"two\n", b"three\n"):
        with container.attach() as attachment:
            attachment.send(word)
            assert attachment.receive(patience()) == ("stdout", word)
    assert desk.status(container) == "running"


@contextmanager
def busy(desk: Desk, container: Container) -> Iterator[None]:
    """Whoever serves the clients sees what happens meanwhile only when all of it has."""
    record = desk.config.runroot / "containers" / container.id / "process.json"
    monitor = json.loads(record.read_text())["monitor"] if record.exists() else 0
    if monitor:
        os.kill(monitor, signal.SIGSTOP)
    try:
        yield
    finally:
        if monitor:
            os.kill(monitor, signal.SIGCONT)


def test_the_end_of_stdin_arrives_from_a_client_that_leaves_at_once(desk: Desk) -> None:
    container = desk.run("cat", interactive=True)
    attachment = container.attach()
    with busy(desk, container):
        attachment.send(b"last words\n")
        attachment.end()
        attachment.close()
    assert container.wait() == 0 and container.logs() == ["last words\n"]


def test_what_a_client_sent_arrives_when_it_leaves_and_stdin_goes_on(desk: Desk) -> None:
    container = desk.run("cat", interactive=True)
    with container.attach() as listener:
        attachment = container.attach()
        with busy(desk, container):
            attachment.send(b"first\n")
            attachment.close()
        assert listener.receive(patience()) == ("stdout", b"first\n")
        listener.send(b"second\n")
        assert listener.receive(patience()) == ("stdout", b"second\n")
    assert desk.status(container) == "running"


def test_without_interactive_stdin_is_empty_and_what_is_sent_is_let_go(desk: Desk) -> None:
    container = desk.create("/bin/sh", "-c", "cat; echo end; sleep 1000")
    with container.attach() as attachment:
        container.start()
        attachment.send(b"lost\n")
        assert attachment.receive(patience()) == ("stdout", b"end\n")


def test_a_terminal_echoes_edits_and_ends_by_its_own_characters(desk: Desk) -> None:
    container = desk.create("/bin/sh", "-c", "tty; cat; echo bye >&2", tty=True, interactive=True)
    with container.attach() as attachment:
        container.start()
        assert text_of(attachment, b"\r\n").startswith(b"/dev/pts/0")
        attachment.send(b"hellx\x7fo\n")
        assert text_of(attachment, b"hello\r\n")
        with container.attach() as other:
            other.end()  # of a terminal's input there is none but the character
        attachment.send(b"still\n")
        text_of(attachment, b"still\r\nstill\r\n")
        attachment.send(b"\x04")
    assert container.wait() == 0
    assert "bye\r\n" in container.logs()


def test_control_c_interrupts_what_has_the_terminal(desk: Desk) -> None:
    container = desk.create(
        "/bin/sh", "-c", "trap 'echo got it; exit 7' INT; echo ready; while :; do sleep 1; done", tty=True, interactive=True
    )
    with container.attach() as attachment:
        container.start()
        text_of(attachment, b"ready")
        attachment.send(b"\x03")
        text_of(attachment, b"got it")
    assert container.wait() == 7


def test_a_terminal_has_the_size_that_the_control_socket_says(desk: Desk) -> None:
    script = "trap 'stty size; exit' WINCH; stty size; while :; do sleep 1 & wait $!; done"
    container = desk.create("/bin/sh", "-c", script, tty=True)
    with container.attach() as attachment:
        attachment.resize(24, 80)
        container.start()
        text_of(attachment, b"24 80")
        _, sockets = attach_sockets(desk.engine.host, container.id)
        for _ in range(2):  # a line that makes no sense is passed over
            with Path(sockets.control).open("wb", buffering=0) as control:
                control.write(b"1 x y\n9 9\n\n")
        attachment.resize(50, 132)
        text_of(attachment, b"50 132")


def test_typing_at_a_terminal_that_was_not_opened_is_let_go(desk: Desk) -> None:
    container = desk.run("cat", tty=True)
    with container.attach() as attachment:
        attachment.send(b"lost\n")
        with pytest.raises(TimeoutError):
            attachment.receive(0.3)


def test_many_clients_see_the_same(desk: Desk) -> None:
    container = desk.run("cat", interactive=True)
    clients = [container.attach() for _ in range(20)]
    clients[0].send(b".\n")
    assert [client.receive(patience()) for client in clients] == [("stdout", b".\n")] * 20
    for client in clients:
        client.close()


def test_a_client_that_does_not_read_is_left_behind_and_nobody_waits_for_it(desk: Desk) -> None:
    piece, pieces = b"x" * 65536, 3 * QUEUE // 65536
    container = desk.create("cat", interactive=True)
    with container.attach() as slow, container.attach() as quick:
        container.start()
        for _ in range(pieces):
            quick.send(piece)
            left = len(piece)
            while left:
                got = quick.receive(patience())
                assert got is not None, "who reads is never left behind"
                left -= len(got[1])
        quick.end()
        assert container.wait() == 0
        served = sum(len(data) for _, data in all_of(slow))
        assert served < len(piece) * pieces, "who does not read is disconnected"
    assert sum(len(line) for line in container.logs()) == len(piece) * pieces, "and the log has all"


def test_more_than_a_pipe_of_input_arrives_whole(desk: Desk) -> None:
    container = desk.create("/bin/sh", "-c", "sleep 0.3; wc -c", interactive=True)
    with container.attach() as attachment:
        container.start()
        attachment.send(b"y" * 3_000_000)
        attachment.end()
        assert all_of(attachment) == [("stdout", b"3000000\n")]


def test_the_log_is_opened_anew_when_it_was_moved(desk: Desk) -> None:
    container = desk.run("cat", interactive=True)
    log = desk.config.root / "containers" / container.id / "ctr.log"
    with container.attach() as attachment:
        attachment.send(b"before\n")
        attachment.receive(patience())
        log.rename(log.with_name("moved.log"))
        attachment.reopen_log()
        until(log.exists)
        attachment.send(b"after\n")
        attachment.receive(patience())
    assert container.logs() == ["after\n"] and b"before" in log.with_name("moved.log").read_bytes()


def test_a_created_one_is_stopped_killed_and_removed_like_any_other(desk: Desk) -> None:
    for end in ("stop", "kill", "remove", "sweep"):
        container = desk.create("sleep", "1000", stop_timeout=300)
        container.attach().close()
        assert desk.status(container) == "created" and desk.row(container).pid > 0
        if end == "stop":
            container.stop()
            assert desk.status(container) == "exited" and desk.row(container).exit_code == 137  # killed at once
        elif end == "kill":
            container.kill(signal.SIGKILL)
            assert container.wait() == 137
        elif end == "sweep":
            assert container.id in desk.engine.containers.delete_stopped()
            continue
        container.remove(force=end == "remove")
        with pytest.raises(ContainerNotFound):
            desk.engine.containers.get(container.id)


def test_a_created_one_ends_by_signals_as_what_waits_there_does(desk: Desk) -> None:
    for number, code in ((signal.SIGTERM, 2), (signal.SIGHUP, 2), (signal.SIGKILL, 137)):
        container = desk.create("sleep", "1000")
        container.attach().close()
        container.kill(signal.SIGUSR1)  # which it does not mind
        container.kill(number)
        assert container.wait() == code and container.logs() == []


def test_one_that_has_exited_can_be_created_and_started_again(desk: Desk) -> None:
    container = desk.run("echo", "again")
    container.wait()
    with container.attach() as attachment:
        container.start()
        assert all_of(attachment) == [("stdout", b"again\n")]
    assert container.wait() == 0 and container.logs() == ["again\n"] * 2


def test_a_command_that_is_not_there_is_refused_when_it_is_created(desk: Desk) -> None:
    container = desk.create("/no/such")
    with pytest.raises(Exception, match="no such file"):
        container.attach()
    assert desk.status(container) == "configured"


@pytest.mark.parametrize("desk", RUNTIMES[1:], indirect=True)
def test_an_engine_that_comes_later_finds_who_waits_and_who_was_started(desk: Desk) -> None:
    container = desk.create("sleep", "1000")
    container.attach().close()
    with Engine.open(desk.config) as other:
        assert str(other.containers.list()[0].container.status) == "created"
        other.host.runtime.start(container.id)  # and dies before it could write that down
    with Engine.open(desk.config) as third:
        assert str(third.containers.list()[0].container.status) == "running"


def test_clients_that_leave_at_once_lock_nothing_up(desk: Desk) -> None:
    for _ in range(8):
        container = desk.create("/bin/sh", name="again", tty=True, interactive=True)
        io = container.attach()
        io.close()
        container.start()
        container.remove(force=True)
    assert desk.engine.containers.list() == []


def test_raw_bytes_are_as_conmon_has_them(desk: Desk) -> None:
    container = desk.create("/bin/sh", "-c", "cat; echo no >&2", interactive=True)
    _, sockets = attach_sockets(desk.engine.host, container.id)
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as client:
        client.connect(sockets.io)
        container.start()
        client.send(b"yes\n")
        assert client.recv(8193) == b"\x02yes\n"
        client.shutdown(socket.SHUT_WR)
        assert client.recv(8193) == b"\x03no\n"
        assert client.recv(8193) == b""


PROMPT = b"# \x1b[6n"
DIALOGUE = {
    "echo one; false\n": "echo one; false\r\none\r\n/ ",
    "echo $? twx\x7fo\n": "echo $? twx\b\x1b[Jo\r\n1 two\r\n/ ",
    "never\x03": "never^C\r\n/ ",
    "never ran\x17\x15true\n": "never ran\b\x1b[J\b\x1b[J\b\x1b[J\r/ # \x1b[Jtrue\r\n/ ",
    "for i in a b\ndo echo $i\ndone\n": "for i in a b\r\n> \x1b[6ndo echo $i\r\n> \x1b[6ndone\r\na\r\nb\r\n/ ",
    "nosuch\n": "nosuch\r\n/bin/sh: nosuch: not found\r\n/ ",
    "if; then\n": 'if; then\r\n/bin/sh: syntax error: unexpected ";"\r\n/ ',
    "cd /etc\n": "cd /etc\r\n/etc ",
    "(exit 4) &\n": "(exit 4) &\r\n/etc ",
    "wait\n": "wait\r\n[1]+  Done(4)                    (exit 4)\r\n/etc ",
    "PS1='$? # '\n": "PS1='$? # '\r\n0 ",
}


def test_a_shell_with_a_terminal_is_talked_with(desk: Desk) -> None:
    container = desk.create("/bin/sh", tty=True, interactive=True)
    with container.attach() as attachment:
        container.start()
        text_of(attachment, PROMPT)
        for typed, seen in DIALOGUE.items():
            text = b""
            for line in re.findall(r"[^\n\x03]+[\n\x03]", typed):  # as one who types: not before there is a prompt
                attachment.send(line.encode())
                text += text_of(attachment, b"\x1b[6n")
            assert text.decode() == f"{seen}{PROMPT.decode()}"
        attachment.send(b"exit 5\n")
        assert b"".join(data for _, data in all_of(attachment)) == b"exit 5\r\n"
    assert container.wait() == 5


def test_its_jobs_have_the_terminal_one_after_the_other(desk: Desk) -> None:
    container = desk.create("/bin/sh", tty=True, interactive=True)
    with container.attach() as attachment:
        container.start()
        text_of(attachment, PROMPT)

        def types(typed: str, until: bytes = PROMPT) -> str:
            attachment.send(typed.encode())
            return text_of(attachment, until).decode().replace(PROMPT.decode(), "")

        def runs(command: str) -> None:
            """Until it is in the foreground: it says so."""
            types(f"{command}\n", b"ready\r\n")

        types("cd /tmp; echo ready > f\n")
        runs("cat f -")
        assert types("\x03") == "^C\r\n/tmp "
        assert types("echo $?\n") == "echo $?\r\n130\r\n/tmp "
        runs("cat f -")
        assert types("\x1a") == "^Z[1]+  Stopped                    cat f -\r\n/tmp "
        runs("cat f - -")
        assert types("\x1a") == "^Z[2]+  Stopped                    cat f - -\r\n/tmp "
        listed = "[2]+  Stopped                    cat f - -\r\n[1]-  Stopped                    cat f -\r\n"
        assert types("jobs\n") == f"jobs\r\n{listed}/tmp "
        assert types("kill %1\n") == "kill %1\r\n/tmp ", "which it notices once it goes on"
        assert types("fg %1\n") == "fg %1\r\ncat f -\r\nTerminated\r\n/tmp "
        attachment.send(b"fg\n")
        text_of(attachment, b"cat f - -\r\n")
        attachment.send(b"up\n")
        text_of(attachment, b"up\r\nup\r\n")
        assert types("\x1c") == "^\\Quit\r\n/tmp "
        assert types("sleep 1000 &\n") == "sleep 1000 &\r\n/tmp "
        assert types("jobs\n") == "jobs\r\n[1]+  Running                    sleep 1000\r\n/tmp "
        container.kill(9)


def test_a_script_by_a_pipe_is_run_as_it_comes(desk: Desk) -> None:
    container = desk.run("/bin/sh", interactive=True)
    with container.attach() as attachment:
        attachment.send(b"echo one\n")
        assert attachment.receive(patience()) == ("stdout", b"one\n")
        attachment.send(b"if true; then\necho two; fi; nosuch\n")
        assert attachment.receive(patience()) == ("stdout", b"two\n")
        assert text_of(attachment, b"\n") == b"/bin/sh: nosuch: not found\n"
        attachment.send(b"exit 3\n")
        assert all_of(attachment) == []
    assert container.wait() == 3


def test_without_job_control_a_terminal_stops_nobody(desk: Desk) -> None:
    container = desk.create("/bin/sh", "-c", "cat; echo end", tty=True, interactive=True)
    with container.attach() as attachment:
        container.start()
        attachment.send(b"\x1alost\x15kept\n\x04")
        assert b"kept\r\n" in text_of(attachment, b"end\r\n")


def test_a_command_asks_whether_there_is_a_terminal(desk: Desk) -> None:
    script = "tty; test -t 0; echo $?; stty size; stty -echo; stty | tail -n 1; echo end > /dev/tty"
    for fields, end in (({"tty": True}, "-echo\r\nend\r\n"), ({}, "can't create /dev/tty: No such device or address\n")):
        container = desk.create("/bin/sh", "-c", script, **fields)
        with container.attach() as attachment:
            attachment.resize(30, 90) if fields else None
            container.start()
            text = b"".join(data for _, data in sorted(all_of(attachment), key=lambda piece: piece[0] == "stderr")).decode()
        assert text.endswith(end), text
        assert text.startswith("/dev/pts/0\r\n0\r\n30 90\r\n" if fields else "not a tty\n1\n"), text
