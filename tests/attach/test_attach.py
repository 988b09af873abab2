"""Attach on a real kernel: what clients type and see, by the sockets that GetAttachSockets answers."""

import itertools
import os
import signal
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from podlink.engine.app import Engine
from podlink.engine.config import Config
from podlink.engine.errors import ContainerNotFound, NotHonoured
from podlink.engine.handles import Container
from podlink.engine.runtime.bundle import SHORT
from podlink.engine.streams.attach import QUEUE, Attachment

pytestmark = pytest.mark.needs("root", "runc", "overlay")
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


@pytest.fixture
def desk(tmp_path: Path, busybox_tar: Path) -> Iterator[Desk]:
    config = Config(
        root=tmp_path / "root", runroot=tmp_path / "run", cgroup_parent=f"podlink-test-{os.getpid()}-attach{next(counter)}"
    )
    with Engine.open(config) as engine:
        engine.images.import_image(str(busybox_tar), "small", changes=["CMD=/bin/sh"])
        made = Desk(engine, config)
        yield made
        for each in engine.containers.list():
            engine.containers.get(each.container.id).remove(force=True)
        assert not [link for link in SHORT.glob("*") if str(config.runroot) in str(link.readlink())]
        assert not list((config.runroot / "containers").iterdir())
    for folder in Path("/sys/fs/cgroup").glob(f"*/{config.cgroup_parent}"):
        for path in sorted([folder, *folder.rglob("*/")], reverse=True):
            path.rmdir()


def all_of(attachment: Attachment, timeout: float = 10) -> list[tuple[str, bytes]]:
    """Every piece until the container ends."""
    return list(iter(lambda: attachment.receive(timeout), None))


def text_of(attachment: Attachment, until: bytes, timeout: float = 10) -> bytes:
    """What comes up to and with these bytes."""
    text, deadline = b"", time.monotonic() + timeout
    while until not in text:
        piece = attachment.receive(max(deadline - time.monotonic(), 0.01))
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


def test_what_is_typed_comes_back_and_the_end_of_stdin_is_passed_on(desk: Desk) -> None:
    container = desk.run("cat", interactive=True)
    with container.attach() as attachment:
        attachment.send(b"hello\n")
        assert attachment.receive(10) == ("stdout", b"hello\n")
        attachment.end()
        assert all_of(attachment) == []
    assert container.wait() == 0 and container.logs() == ["hello\n"]


def test_a_client_that_leaves_ends_nothing_and_the_next_one_goes_on(desk: Desk) -> None:
    container = desk.run("cat", interactive=True)
    for word in (b"one\n", b"two\n", b"three\n"):
        with container.attach() as attachment:
            attachment.send(word)
            assert attachment.receive(10) == ("stdout", word)
    assert desk.status(container) == "running"


def test_without_interactive_stdin_is_empty_and_what_is_sent_is_let_go(desk: Desk) -> None:
    container = desk.create("/bin/sh", "-c", "cat; echo end; sleep 1000")
    with container.attach() as attachment:
        container.start()
        attachment.send(b"lost\n")
        assert attachment.receive(10) == ("stdout", b"end\n")


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
        for _ in range(2):  # a line that makes no sense is passed over
            with Path(attachment.control).open("wb", buffering=0) as control:
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
    while True:  # until each is in: what came before is in the log alone
        clients[0].send(b".\n")
        seen = [client.receive(1) for client in clients]
        if seen == [("stdout", b".\n")] * 20:
            break
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
                got = quick.receive(10)
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
        attachment.receive(10)
        log.rename(log.with_name("moved.log"))
        attachment.reopen_log()
        deadline = time.monotonic() + 10
        while not log.exists() and time.monotonic() < deadline:
            time.sleep(0.01)
        attachment.send(b"after\n")
        attachment.receive(10)
    assert container.logs() == ["after\n"] and b"before" in log.with_name("moved.log").read_bytes()


def test_a_created_one_is_stopped_killed_and_removed_like_any_other(desk: Desk) -> None:
    for end in ("stop", "kill", "remove", "sweep"):
        container = desk.create("sleep", "1000")
        container.attach().close()
        assert desk.status(container) == "created" and desk.row(container).pid > 0
        begun = time.monotonic()
        if end == "stop":
            container.stop()
            assert desk.status(container) == "exited"
        elif end == "kill":
            container.kill(signal.SIGKILL)
            assert container.wait() == 137
        elif end == "sweep":
            assert container.id in desk.engine.containers.delete_stopped()
            continue
        container.remove(force=end == "remove")
        assert time.monotonic() - begun < 5
        with pytest.raises(ContainerNotFound):
            desk.engine.containers.get(container.id)


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
    from podlink.engine.containers.attach import attach_sockets

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


def test_the_emulator_refuses_by_name() -> None:
    with Engine.emulated() as engine:
        engine.images.build_from({"/bin/app": b""}, name="app")
        for field in ("tty", "interactive"):
            with pytest.raises(NotHonoured, match=field):
                engine.containers.create(image="app", command=["/bin/app"], **{field: True})
