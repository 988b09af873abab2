"""What the emulator has of its own about attaching: those within its process, and those outside by sockets."""

import errno
import socket
import threading
from collections.abc import Iterator

import pytest
from patience import patience

from podlink.engine.app import Engine
from podlink.engine.clock import VirtualClock
from podlink.engine.containers.attach import attach_sockets
from podlink.engine.errors import NotHonoured
from podlink.engine.linux import sockets
from podlink.engine.streams.attach import QUEUE
from podlink.engine.streams.attachment import SocketAttachment


@pytest.fixture
def engine() -> Iterator[Engine]:
    with Engine.emulated() as engine:
        engine.images.build_from({}, name="small", userland=True)
        yield engine


def test_where_there_are_no_such_sockets_they_are_refused_and_python_attaches_all_the_same(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> socket.socket:
        raise OSError(errno.EPROTONOSUPPORT, "Protocol not supported")

    monkeypatch.setattr(sockets, "bind", refuse)
    container = engine.containers.create(image="small", command=["cat"], interactive=True)
    with pytest.raises(NotHonoured, match=r"GetAttachSockets.*SOCK_SEQPACKET.*attach in Python"):
        attach_sockets(engine.host, container.id)
    assert container.inspect()["State"]["Status"] == "configured" and engine.host.runtime.known() == []
    with container.attach() as attachment:
        container.start()
        attachment.send(b"hello\n")
        assert attachment.receive(patience()) == ("stdout", b"hello\n")


def test_both_kinds_of_client_see_the_same_and_sockets_go_with_the_run(engine: Engine) -> None:
    before = set(threading.enumerate())
    container = engine.containers.create(image="small", command=["cat"], interactive=True)
    _, places = attach_sockets(engine.host, container.id)
    with container.attach() as inside, SocketAttachment(places.io, places.control) as outside:
        container.start()
        outside.send(b"out\n")
        assert inside.receive(patience()) == outside.receive(patience()) == ("stdout", b"out\n")
        inside.send(b"in\n")
        assert inside.receive(patience()) == outside.receive(patience()) == ("stdout", b"in\n")
        outside.end()
        assert inside.receive(patience()) is None and outside.receive(patience()) is None
        with pytest.raises(BrokenPipeError):
            inside.send(b"late\n")
    assert container.wait() == 0
    for thread in set(threading.enumerate()) - before:
        thread.join(patience())
    with pytest.raises(FileNotFoundError):
        SocketAttachment(places.io, places.control)


def test_a_socket_that_nobody_reads_is_left_behind(engine: Engine) -> None:
    size = 3 * QUEUE
    container = engine.containers.create(image="small", command=["sh", "-c", f"head -c {size} /dev/zero"])
    _, places = attach_sockets(engine.host, container.id)
    with SocketAttachment(places.io, places.control) as slow:
        with SocketAttachment(places.io, places.control) as gone:
            gone.close()
        container.start()
        assert container.wait() == 0
        served = 0
        while piece := slow.receive(patience()):
            served += len(piece[1])
    assert served < size


def test_a_created_one_gets_its_descriptors_and_goes_with_the_engine() -> None:
    with Engine.emulated() as engine:
        engine.images.build_from({}, name="small", userland=True)
        container = engine.containers.create(image="small", command=["sh"], tty=True)
        attachment = container.attach()
    assert attachment.receive(patience()) is None


def test_whoever_is_attached_waits_by_the_containers_clock() -> None:
    clock = VirtualClock(auto=True)
    with Engine.emulated(clock=clock) as engine:
        engine.images.build_from({}, name="small", userland=True)
        container = engine.containers.create(image="small", command=["sh", "-c", "sleep 3600; echo late; sleep 3600"])
        attach_sockets(engine.host, container.id)  # whose thread keeps no time from passing
        with container.attach() as attachment:
            container.start()
            with pytest.raises(TimeoutError):
                attachment.receive(3599)
            assert attachment.receive(2) == ("stdout", b"late\n")
        assert container.wait() == 0
