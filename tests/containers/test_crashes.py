"""The engine dies at every step of every verb. The next one that opens the root finds the truth and leaves nothing over."""

import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from patience import patience, until

import podlink
from podlink.engine.app import Engine
from podlink.engine.containers.lifecycle import LIVE
from podlink.engine.errors import ContainerNotFound
from podlink.engine.ids import ID

pytestmark = pytest.mark.needs("root", "runc", "overlay")

LOOP = ("/bin/sh", "-c", "trap 'exit 0' TERM; while :; do sleep 1 & wait; done")
CHILD = Path(__file__).with_name("crash_child.py")


def crashes(real: Any, verb: str, *words: str) -> Iterator[tuple[str, Engine]]:
    """For each step: the container `web` in the state that the verb is for, a process that dies there, a new engine."""
    number = 0
    while True:
        number += 1
        prepare(real, verb)
        home = str(Path(podlink.__file__).absolute().parent.parent)
        argv = [sys.executable, str(CHILD), real.config.to_text(), verb, str(number), *words]
        child = subprocess.run(
            argv,
            capture_output=True,
            text=True,
            env={"PYTHONPATH": home, "PATH": "/usr/sbin:/usr/bin:/sbin:/bin"},
            timeout=patience(),
        )
        if child.returncode != -signal.SIGKILL:
            assert child.returncode == 0, child.stderr
            assert number > 2
            return
        with real.open() as engine:
            yield child.stdout.strip(), engine


def prepare(real: Any, verb: str) -> None:
    for each in real.engine.containers.list():
        real.engine.containers.get(each.container.id).remove(force=True)
    if verb in ("create", "import"):
        return
    container = real.create(*LOOP, name="web")
    if verb == "start-created":
        container.attach().close()
    elif verb not in ("start", "attach"):
        container.start()
    if verb == "commit":
        upper = real.engine.host.storage.written(container.id)
        (upper / "new").write_text("new")
    if verb == "unpause":
        container.pause()
    if verb == "remove":
        container.stop(0)


def whole(engine: Engine) -> None:
    """Record and host come to agree. Not at once: another process that lives may still be cleaning up after an exit."""
    until(lambda: not differences(engine), lambda: differences(engine))


def differences(engine: Engine) -> dict[str, object]:
    """What is on the host without a record, and what runs and is not known to run, or the other way round."""
    host = engine.host
    rows = {each.container.id: each.container for each in engine.containers.list()}
    live = {id for id, row in rows.items() if row.status in LIVE}
    mounts = Path("/proc/self/mountinfo").read_text()
    found = {
        "storage": set(host.storage.known()[1]) ^ set(rows),
        "folders": {path.name for path in (host.config.root / "containers").iterdir()} ^ set(rows),
        "runtime": set(host.runtime.known()) ^ live,
        "locks": {key for key in host.state.locks.known() if ID.fullmatch(key)} - set(rows),
        "network": set(host.network.known()) ^ live,
        "troubles": engine.networks.troubles(),
        "mounts": {id for id in rows if f"/{id}/" in mounts} ^ live,
    }
    return {part: different for part, different in found.items() if different}


@pytest.mark.parametrize("verb", ["create", "start", "attach", "start-created", "stop", "restart", "pause", "unpause", "remove"])
def test_after_a_crash_at_any_step_the_next_engine_finds_the_truth(real: Any, verb: str) -> None:
    for step, engine in crashes(real, verb):
        whole(engine)
        rows = engine.containers.list()
        if rows:  # whatever it is now, it can be brought to an end like any other
            container = engine.containers.get("web")
            if rows[0].container.status in LIVE:
                container.stop(0)
            container.start()
            container.stop(0)
            container.remove()
        else:
            assert verb in ("create", "remove"), step
        with pytest.raises(ContainerNotFound):
            engine.containers.get("web")
        whole(engine)


def test_after_a_crash_in_an_import_the_next_engine_holds_no_layer_without_an_image(real: Any, busybox_tar: Path) -> None:
    for _, engine in crashes(real, "import", str(busybox_tar)):
        layers = {layer.chain for image in engine.host.state.images.all() for layer in image.layers}
        assert set(engine.host.storage.known()[0]) == layers


def test_after_a_crash_in_a_commit_the_container_goes_on_and_nothing_half_done_is_left(real: Any) -> None:
    for step, engine in crashes(real, "commit"):
        whole(engine)
        images = engine.host.state.images.all()
        assert set(engine.host.storage.known()[0]) == {layer.chain for image in images for layer in image.layers}
        assert {str(blob) for blob in engine.host.content.known()} == {layer.blob for image in images for layer in image.layers}
        container = engine.containers.get("web")
        frozen = [path.read_text() for path in Path("/sys/fs/cgroup/freezer").glob(f"*/{container.id}/freezer.state")]
        assert container.summary().container.status == "running" and frozen in ([], ["THAWED\n"]), step
        container.stop(300)
        assert container.wait() == 0
        if len(images) > 1:
            engine.images.remove("fresh")


def test_a_start_that_was_cut_short_is_undone_also_where_somebody_had_the_container_when_the_engine_opened(real: Any) -> None:
    """Such as a monitor's clean-up, that knows of the end of the run before and of nothing else."""
    host, container = real.engine.host, real.create(*LOOP, name="web")
    host.storage.mount(container.id)
    with host.state.locks.hold(container.id):
        other = real.open()
        assert differences(other)["mounts"] == {container.id}
    with other:
        whole(other)
