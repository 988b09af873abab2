"""Fixtures for the tests of programs that use containers. pytest finds them where podlink is installed.

    def test_deploy(podlink_engine):                    an engine in this process, emulated: no root, no runc, nothing to clean up
        image = podlink_engine.images.build_from({"/bin/app": "#!/bin/sh\\necho ready"}, userland=True)
        assert podlink_engine.containers.run(image, ["app"]).logs == ["ready\\n"]

    def test_client(podlink_service):                   the same engine behind the varlink interface: an address
        subprocess.run(["deploy", "--podman", podlink_service], check=True)

    @pytest.mark.podlink_runc                           on runc instead; skipped, with the reason, where that can't be
    def test_for_real(podlink_engine): ...

    def test_push(podlink_registry): ...                host:port of a registry on loopback (Debian's docker-registry)

`podlink_service` also sets PODMAN_VARLINK_ADDRESS and VARLINK_ADDRESS while the test runs, which clients read.
"""

import os
import shutil
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from podlink.engine.app import Engine

MARKER = "podlink_runc"
VARIABLES = ("PODMAN_VARLINK_ADDRESS", "VARLINK_ADDRESS")
PATIENCE = 20.0


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", f"{MARKER}: run this test's podlink_engine on runc; skipped where that can't be")


@pytest.fixture
def podlink_engine(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator["Engine"]:
    """An engine of this test's own."""
    from podlink.engine.app import Engine  # late: whoever does not use the fixture does not pay for it

    if request.node.get_closest_marker(MARKER) is None:
        with Engine.emulated() as engine:
            yield engine
        return
    yield from _on_runc(tmp_path)


@pytest.fixture
def podlink_service(podlink_engine: "Engine", monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The varlink address of a service over this test's engine."""
    from podlink.api.serving import serve

    with serve(podlink_engine) as address:
        for name in VARIABLES:
            monkeypatch.setenv(name, address)
        yield address


@pytest.fixture(scope="session")
def podlink_registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """`host:port` of a registry on loopback; skipped where docker-registry is not installed."""
    program = shutil.which("docker-registry", path="/usr/bin:/usr/local/bin")
    if program is None:
        pytest.skip("docker-registry is not installed (Debian: apt install docker-registry)")
    folder = tmp_path_factory.mktemp("podlink-registry")
    port = _free_port()
    settings = folder / "config.yml"
    settings.write_text(
        f"version: 0.1\nstorage:\n  filesystem:\n    rootdirectory: {folder / 'data'}\nhttp:\n  addr: 127.0.0.1:{port}\n"
    )
    with (folder / "log").open("wb") as log, subprocess.Popen([program, "serve", settings], stdout=log, stderr=log) as server:
        try:
            _await_registry(port, folder / "log")
            yield f"127.0.0.1:{port}"
        finally:
            server.terminate()


def _on_runc(folder: Path) -> Iterator["Engine"]:
    """Under a root and a cgroup of its own; what the test left is removed."""
    from podlink.engine.app import Engine
    from podlink.engine.config import Config
    from podlink.engine.errors import EngineError, EngineUnavailable

    config = Config(root=folder / "podlink", runroot=folder / "podlink-run", cgroup_parent=f"podlink-pytest-{os.getpid()}")
    try:
        engine = Engine.open(config)
    except EngineUnavailable as reason:
        pytest.skip(f"no containers on runc here: {reason}")
    with engine:
        yield engine
        for each in engine.containers.list():
            with suppress(EngineError):
                engine.containers.get(each.container.id).remove(force=True)


def _free_port() -> int:
    import socket

    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def _await_registry(port: int, log: Path) -> None:
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{port}/v2/", timeout=5).close()
            return
        except OSError:
            if time.monotonic() > deadline:
                pytest.fail(f"docker-registry does not answer: {log.read_text()[-500:]}")
            time.sleep(0.05)
