"""Faults that a test asks for by a step's name: they strike when they are to, say so, and leave the engine whole."""

import errno
import os
import re
import signal
import subprocess
import sys
import tarfile
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import pytest
from patience import patience

import podlink
from podlink import Engine
from podlink.engine.errors import (
    EngineError,
    ErrorOccurred,
    InvalidRequest,
    NetworkFailed,
    RuntimeFailed,
    StorageFailed,
    StorageFull,
)
from podlink.engine.faults.steps import STEPS, steps
from podlink.engine.handles import Container

PAGE = Path(__file__).parents[2] / "docs" / "testing.md"


@pytest.fixture
def engine() -> Iterator[Engine]:
    with Engine.emulated() as made:
        made.images.build_from({}, {"Cmd": ["true"]}, "web", userland=True)
        yield made


@pytest.fixture
def container(engine: Engine) -> Container:
    return engine.containers.create(image="web", command=["sleep", "100"])


@pytest.mark.parametrize(
    ("step", "kind"),
    [("storage.mount", StorageFailed), ("network.attach", NetworkFailed), ("runtime.run", RuntimeFailed)],
)
def test_a_step_fails_while_the_block_lasts_and_the_host_is_as_before(
    engine: Engine, container: Container, step: str, kind: type[EngineError]
) -> None:
    for after in (False, True):
        with engine.faults.fail(step, after=after) as fault:
            for number in (1, 2):
                with pytest.raises(kind, match=re.escape(f"{step} failed on demand")):
                    container.start()
                assert fault.struck == number
    assert container.summary().container.status == "configured" and engine.host.network.known() == []
    container.start()
    assert container.summary().container.status == "running"


def test_an_error_of_ones_own_after_some_that_went_well(engine: Engine) -> None:
    own = StorageFailed("the cable is loose")
    with engine.faults.fail("containers.add", own, skip=1, times=1) as fault:
        engine.containers.create(image="web")
        with pytest.raises(StorageFailed, match="the cable is loose") as caught:
            engine.containers.create(image="web")
        engine.containers.create(image="web")
    assert caught.value is not own and fault.struck == 1 and len(engine.containers.list()) == 2


def test_faults_may_be_nested(engine: Engine, container: Container) -> None:
    with engine.faults.fail("storage.mount", StorageFailed("outer")):
        with engine.faults.fail("storage.mount", StorageFailed("inner")), pytest.raises(StorageFailed, match="inner"):
            container.start()
        with pytest.raises(StorageFailed, match="outer"):
            container.start()
    container.start()


def test_a_step_hangs_until_the_block_ends(engine: Engine, container: Container) -> None:
    starting = threading.Thread(target=container.start)
    with engine.faults.hang("runtime.run") as fault:
        starting.start()
        fault.await_struck()
        assert starting.is_alive() and container.summary().container.status == "configured"
    starting.join(patience())
    assert not starting.is_alive() and container.summary().container.status == "running"


def test_a_fault_that_does_not_strike_is_not_waited_for_in_vain(engine: Engine) -> None:
    with engine.faults.hang("runtime.run") as fault, pytest.raises(TimeoutError, match=r"struck 0 times in 0\.01 s, not 1"):
        fault.await_struck(timeout=0.01)


def test_a_process_is_killed_at_a_step_and_the_next_one_finds_the_truth(tmp_path: Path) -> None:
    script = f"""
from pathlib import Path
from podlink import Engine
with Engine.emulated(Path({str(tmp_path)!r})) as engine:
    image = engine.images.build_from({{}}, userland=True, name="web")
    container = engine.containers.create(image=image, command=["sleep", "100"], name="one")
    with engine.faults.kill("containers.mark_running"):
        container.start()
"""
    home = str(Path(podlink.__file__).absolute().parent.parent)
    done = subprocess.run([sys.executable, "-c", script], env={"PYTHONPATH": home, "PATH": "/usr/bin:/bin"}, timeout=patience())
    assert done.returncode == -signal.SIGKILL
    with Engine.emulated(tmp_path) as engine:
        assert engine.containers.get("one").summary().container.status in ("configured", "exited")
        engine.containers.get("one").start()


@pytest.mark.parametrize("step", ["storage", "storage.read", "", "nothing.at", "state.add"])
def test_what_is_no_step_is_refused_and_the_steps_are_named(engine: Engine, step: str) -> None:
    blocks: list[AbstractContextManager[object]] = [
        engine.faults.fail(step),
        engine.faults.hang(step),
        engine.faults.kill(step),
    ]
    for block in blocks:
        with pytest.raises(InvalidRequest, match=r"is none of the steps: .*storage\.mount"), block:
            pass


def test_a_full_disk(engine: Engine, container: Container, tmp_path: Path) -> None:
    tarball = tmp_path / "root.tar"
    with tarfile.open(tarball, "w") as tar:
        tar.add(__file__, "etc/file")
    container.start()
    image = engine.images.build_from({"/kept": b"here"}, userland=True)
    is_full = threading.Event()
    engine.programs["gate"] = lambda process: int(not is_full.wait(patience()))
    script = "gate && echo lost >> /kept || echo refused; echo lost > /new || echo refused; cat /kept; ls /new"
    script += "; rm /kept && echo removed"
    with engine.faults.disk_full():
        with pytest.raises(StorageFailed, match="no space left on device"):
            engine.containers.create(image="web")
        with pytest.raises(StorageFailed, match="no space left on device"):
            engine.images.build_from({"/x": b"x"})
        with pytest.raises(StorageFailed, match=rf"import of {tarball}: .*no space left on device"):
            engine.images.import_image(str(tarball))
        with pytest.raises(StorageFailed, match=r"commit of container \w+: .*no space is left"):
            container.commit("kept")
        container.pause()
        container.unpause()
        container.stop(0)
        with pytest.raises(StorageFull, match="no space is left on its disk; make room there"):
            container.start()
        container.remove(force=True)
    writer = engine.containers.create(image=image, command=["sh", "-c", script])
    writer.start()
    with engine.faults.disk_full():
        is_full.set()
        assert writer.wait() == 0
    text = "".join(writer.logs())
    assert text.count("refused\n") == 2 and "here" in text and "removed\n" in text
    assert text.count(os.strerror(errno.ENOSPC)) == 2


@pytest.mark.parametrize("status", [401, 404, 500])
def test_a_registry_that_answers_with_a_status(engine: Engine, status: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CONTAINERS_REGISTRIES_CONF", "/nonexistent/registries.conf")
    with engine.faults.registry("registry.example", status=status) as fault:
        with pytest.raises(ErrorOccurred, match=re.escape("registry.example")):
            engine.images.pull("registry.example/team/app:1")
        assert fault.struck >= 1


def test_a_registry_fails_for_one_engine_of_several(engine: Engine, registries_conf: Callable[[str], Path]) -> None:
    registries_conf('unqualified-search-registries = ["elsewhere.example"]\n')
    with Engine.emulated() as other:
        with engine.faults.registry("registry.example", status=404) as fault:
            assert engine.system.info().registries == ("registry.example",)
            assert other.system.info().registries == ("elsewhere.example",)
            with other.faults.registry("registry.example", status=401) as others:
                with pytest.raises(ErrorOccurred, match="401"):
                    other.images.pull("team/app:1")
                assert (fault.struck, others.struck > 0) == (0, True)
            with pytest.raises(ErrorOccurred, match="not there"):
                engine.images.pull("team/app:1")
            with pytest.raises(ErrorOccurred):
                engine.images.search("app")
        assert engine.system.info().registries == other.system.info().registries == ("elsewhere.example",)


@pytest.mark.parametrize("way", ["drop", "stall"])
def test_a_registry_that_drops_connections_or_stalls(engine: Engine, way: str) -> None:
    """Seen from another thread; when the block ends, so does the server, and the pull with it."""
    refusals: list[ErrorOccurred] = []

    def pull() -> None:
        with pytest.raises(ErrorOccurred, match=re.escape("registry.example")) as caught:
            engine.images.pull("registry.example/team/app:1")
        refusals.append(caught.value)

    pulling = threading.Thread(target=pull)
    with engine.faults.registry("registry.example", drop=way == "drop", stall=way == "stall") as fault:
        pulling.start()
        fault.await_struck()
        assert pulling.is_alive() or way == "drop"  # who stalls is waited for; what is dropped is given up some day
    pulling.join(patience())
    assert len(refusals) == 1


@pytest.mark.parametrize("choice", [{}, {"status": 200}, {"status": 500, "drop": True}, {"drop": True, "stall": True}])
def test_a_registry_fails_in_one_way(engine: Engine, choice: dict[str, int]) -> None:
    with pytest.raises(InvalidRequest, match="say one of status"), engine.faults.registry("registry.example", **choice):  # type: ignore[arg-type]
        pass


def test_the_steps_are_methods_of_the_parts_and_the_page_lists_them(engine: Engine) -> None:
    host = engine.host
    parts = {"storage": host.storage, "runtime": host.runtime, "network": host.network}
    parts |= {"containers": host.state.containers, "images": host.state.images}
    assert [f"{part}.{each}" for part, methods in STEPS.items() for each in methods if not hasattr(parts[part], each)] == []
    listed = {
        f"{part}.{each}"
        for part, row in re.findall(r"^\| `(\w+)` \|(.*)\|", PAGE.read_text(), re.MULTILINE)
        if part in STEPS
        for each in re.findall(r"`(\w+)`", row)
    }
    assert sorted(listed) == steps()
