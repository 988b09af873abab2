"""The emulated engine on macOS, as far as that can be had here: `darwin.py` says how, `darwin_story.py` what is tried.

And the parts that are others there, each beside the one that Linux has.
"""

import errno
import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from patience import patience

from podlink.api.varlink import transport
from podlink.api.varlink.polling import Epoll, Polling, Selection
from podlink.api.varlink.transport import Address
from podlink.engine.app import Engine
from podlink.engine.config import Config
from podlink.engine.errors import EngineUnavailable
from podlink.engine.linux import portable, safepath, signals
from podlink.engine.storage.copy import copy_tree

STORY = Path(__file__).with_name("darwin_story.py")
CHAPTERS = 16


@pytest.mark.parametrize("options", [(), ("--root",)], ids=["user", "root"])
def test_all_that_an_emulated_engine_does_it_does_on_macos(options: tuple[str, ...]) -> None:
    environment = {**os.environ, "PYTHONPATH": str(STORY.parent.parent)}
    argv = [sys.executable, str(STORY), *options]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=patience(), env=environment)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout.splitlines()[-1])
    assert {chapter: trouble for chapter, trouble in told.items() if trouble} == {} and len(told) == CHAPTERS


@pytest.fixture(params=[Epoll, Selection])
def polling(request: pytest.FixtureRequest) -> Polling:
    made: Polling = request.param()
    yield made
    made.close()


def pair(polling: Polling, for_calls: bool) -> tuple[socket.socket, socket.socket]:
    ours, theirs = socket.socketpair()
    polling.add(ours, for_calls)
    return ours, theirs


def test_who_leaves_is_reported_once_and_who_was_dropped_is_not(polling: Polling) -> None:
    (leaving, one), (staying, two), (dropped, three) = (pair(polling, False) for _ in range(3))
    polling.drop(dropped)
    for each in (three, one):
        each.close()
    assert polling.wait() == [leaving.fileno()]
    polling.wake()
    assert polling.wait() == []
    for each in (leaving, staying, dropped, two):
        each.close()


def test_a_call_is_reported_to_who_waits_for_calls_alone(polling: Polling) -> None:
    (busy, one), (resting, two) = pair(polling, False), pair(polling, True)
    one.send(b"in line")
    two.send(b"a call")
    assert polling.wait() == [resting.fileno()]
    polling.drop(resting)
    polling.add(resting, True)
    assert polling.wait() == [resting.fileno()], "it is still to be read"
    for each in (busy, resting, one, two):
        each.close()


def test_what_is_added_while_somebody_waits_is_watched(polling: Polling) -> None:
    found: list[list[int]] = []
    waiting = threading.Thread(target=lambda: found.append(polling.wait()))
    waiting.start()
    ours, theirs = pair(polling, True)
    theirs.close()
    waiting.join(patience())
    assert found == [[ours.fileno()]]
    ours.close()


@pytest.fixture
def elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(portable, "LINUX", False)


def test_a_name_without_a_file_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transport, "LINUX", False)
    with pytest.raises(ValueError, match=r"unix:@podlink.*only Linux has names without a file; choose unix:/path or tcp"):
        Address.parse("unix:@podlink")


def test_containers_on_runc_are_refused_and_nothing_is_made(elsewhere: None, tmp_path: Path) -> None:
    with pytest.raises(EngineUnavailable, match=r"runc need Linux; choose the emulator"):
        Engine.open(Config(root=tmp_path / "root", runroot=tmp_path / "run"))
    assert list(tmp_path.iterdir()) == []


def test_a_tree_is_copied_by_reading_and_writing(elsewhere: None, tmp_path: Path) -> None:
    source, target = tmp_path / "source", tmp_path / "target"
    source.mkdir()
    target.mkdir()
    (source / "data").write_bytes(b"x" * 3_000_000)
    os.mkfifo(source / "pipe")
    with socket.socket(socket.AF_UNIX) as bound:
        bound.bind(str(source / "s"))
    copy_tree(source, target)
    assert (target / "data").read_bytes() == b"x" * 3_000_000 and (target / "pipe").is_fifo()
    assert os.geteuid() == 0 or not (target / "s").exists()


@pytest.mark.parametrize("opener", [safepath.walk, safepath.resolve])
@pytest.mark.parametrize(
    ("path", "found"),
    [
        (b"file", b"in"),
        (b"up/up/file", b"in"),
        (b"absolute", b"in"),
        (b"way/../file", b"in"),
        (b"loop", errno.ELOOP),
        (b"file/x", errno.ENOTDIR),
        (b"missing", errno.ENOENT),
    ],
)
def test_a_walk_by_hand_ends_where_the_kernels_does(
    opener: Callable[[int, bytes, int], int], path: bytes, found: bytes | int, tmp_path: Path
) -> None:
    (tmp_path / "tree/deep").mkdir(parents=True)
    (tmp_path / "tree/file").write_bytes(b"in")
    (tmp_path / "file").write_bytes(b"out")
    for name, target in {"up": "../..", "absolute": "/deep/../file", "way": "deep", "loop": "loop"}.items():
        (tmp_path / "tree" / name).symlink_to(target)
    root = os.open(tmp_path / "tree", portable.THROUGH)
    try:
        descriptor = opener(root, path, os.O_RDONLY)
        assert os.read(descriptor, 9) == found
        os.close(descriptor)
    except OSError as error:
        assert error.errno == found
    finally:
        os.close(root)


def test_signals_are_those_of_this_kernel() -> None:
    import signal

    ours = {f"SIG{word}": number for word, number in (signals.NUMBERS | signals.OTHER_WORDS).items()}
    real = {name: int(number) for name, number in signal.Signals.__members__.items() if not name.startswith("SIGRT")}
    assert ours | real == ours
    assert (signals.RTMIN, signals.RTMAX) == (signal.SIGRTMIN, signal.SIGRTMAX)
