"""An engine and fork(2): the child is told what to do, and however it ends, its parent's engine stays whole."""

import multiprocessing
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from patience import patience

import podlink
from podlink import Engine
from podlink.engine.errors import EngineUnavailable

HOME = str(Path(podlink.__file__).absolute().parent.parent)

VERBS: dict[str, Callable[[Engine], object]] = {
    "list": lambda engine: engine.containers.list(),
    "get": lambda engine: engine.containers.get("web"),
    "start": lambda engine: engine.containers.get("web").start(),
    "create": lambda engine: engine.containers.create(image="web", command=["true"]),
    "images": lambda engine: engine.images.list(),
    "build": lambda engine: engine.images.build_from({"/x": b"x"}),
    "networks": lambda engine: engine.networks.list(),
    "new network": lambda engine: engine.networks.create("backend"),
    "info": lambda engine: engine.system.info(),
}

PARENT = """
import os, sys
from podlink import Engine
from pathlib import Path
engine = Engine.emulated()
image = engine.images.build_from({"/x": b"x"}, userland=True)
child = os.fork()
if child == 0:
    CHILD
os.waitpid(child, 0)
assert engine.host.config.root.is_dir()
print(engine.containers.run(image, ["echo", "whole"]).logs)
root = engine.host.config.root
engine.close()
assert not root.exists()
"""


def refusals(engine: Engine) -> list[str]:
    """What each verb says here."""
    said = []
    for verb in VERBS.values():
        try:
            verb(engine)
        except EngineUnavailable as refusal:
            said.append(refusal.reason)
    return said


def test_every_verb_of_a_forked_child_says_what_to_do() -> None:
    with Engine.emulated() as engine:
        engine.images.build_from({"/x": b""}, name="web")
        context = multiprocessing.get_context("fork")
        receiving, sending = context.Pipe(duplex=False)
        child = context.Process(target=lambda: sending.send((os.getpid(), refusals(engine))))
        child.start()
        pid, said = receiving.recv()
        child.join(patience())
        assert child.exitcode == 0 and len(said) == len(VERBS)
        assert set(said) == {
            f"the engine was opened by process {os.getpid()} and does not work in its fork {pid}; "
            "open an engine there, in the child, and where containers are emulated, on a root of its own"
        }
        assert [image.names for image in engine.images.list()] and engine.host.config.root.is_dir()


@pytest.mark.parametrize(
    "ending", ["sys.exit(0)", "engine.close(); sys.exit(0)", "os._exit(0)", "raise KeyError", "del engine; sys.exit()"]
)
def test_however_a_child_ends_its_parents_engine_stays_whole(ending: str) -> None:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", PARENT.replace("CHILD", ending)],
        env={"PYTHONPATH": HOME, "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        timeout=patience(),
    )
    assert done.stdout == "['whole\\n']\n", done.stderr


def test_an_engine_that_nobody_closed_leaves_no_folder(tmp_path: Path) -> None:
    subprocess.run(
        [sys.executable, "-c", "from podlink import Engine; engine = Engine.emulated()"],
        env={"PYTHONPATH": HOME, "TMPDIR": str(tmp_path), "PATH": "/usr/bin:/bin"},
        check=True,
        timeout=patience(),
    )
    assert list(tmp_path.iterdir()) == []
