"""Fixtures for the tests of programs that use containers. pytest finds them where podlink is installed.

    def test_deploy(podlink_engine):                    an engine in this process, emulated: no root, no runc, nothing to clean up
        image = podlink_engine.images.build_from({"/bin/app": "#!/bin/sh\\necho ready"}, userland=True)
        assert podlink_engine.containers.run(image, ["app"]).logs == ["ready\\n"]

    def test_client(podlink_service):                   the same engine behind the varlink interface: an address
        subprocess.run(["deploy", "--podman", podlink_service], check=True)

    def test_timeout(podlink_engine, podlink_clock):    it goes by this clock, which the test moves: podlink_clock.advance(3600)

    @pytest.mark.podlink_runc                           on runc instead; skipped, with the reason, where that can't be
    def test_for_real(podlink_engine): ...

    def test_push(podlink_registry): ...                host:port of a registry on loopback (Debian's docker-registry)

`podlink_service` also sets PODMAN_VARLINK_ADDRESS and VARLINK_ADDRESS while the test runs, which clients read, and
`podlink_registry` sets CONTAINERS_REGISTRIES_CONF, so that podlink, podman and skopeo speak to it without TLS.
"""

import itertools
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from podlink.engine.app import Engine
    from podlink.engine.clock import VirtualClock
    from podlink.engine.config import Config

MARKER = "podlink_runc"
VARIABLES = ("PODMAN_VARLINK_ADDRESS", "VARLINK_ADDRESS")
PATIENCE = 120.0
_counter = itertools.count()


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", f"{MARKER}: run this test's podlink_engine on runc; skipped where that can't be")


@pytest.fixture
def podlink_engine(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator["Engine"]:
    """An engine of this test's own."""
    from podlink.engine.app import Engine  # late: whoever does not use the fixture does not pay for it

    if request.node.get_closest_marker(MARKER) is None:
        stepped = {"clock": request.getfixturevalue("podlink_clock")} if "podlink_clock" in request.fixturenames else {}
        with Engine.emulated(**stepped) as engine:
            yield engine
        return
    yield from _on_runc(tmp_path)


@pytest.fixture
def podlink_clock() -> "VirtualClock":
    """A clock that the test moves; a test that asks for it has its emulated podlink_engine go by it."""
    from podlink.engine.clock import VirtualClock

    return VirtualClock()


@pytest.fixture
def podlink_service(podlink_engine: "Engine", monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The varlink address of a service over this test's engine."""
    from podlink.api.serving import serve

    with serve(podlink_engine) as address:
        for name in VARIABLES:
            monkeypatch.setenv(name, address)
        yield address


@pytest.fixture
def podlink_registry(podlink_registry_server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """`host:port` of a registry on loopback, which short names lead to. What a test pushes stays for those after it."""
    settings = tmp_path / "podlink-registries.conf"
    settings.write_text(
        f'unqualified-search-registries = ["{podlink_registry_server}"]\n'
        f'[[registry]]\nlocation = "{podlink_registry_server}"\ninsecure = true\n'
    )
    monkeypatch.setenv("CONTAINERS_REGISTRIES_CONF", str(settings))
    return podlink_registry_server


@pytest.fixture(scope="session")
def podlink_registry_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The same, and nothing of the environment: one for each worker. Skips where docker-registry is not installed."""
    program = shutil.which("docker-registry", path="/usr/bin:/usr/local/bin")
    if program is None:
        pytest.skip("docker-registry is not installed (Debian: apt install docker-registry)")
    folder = tmp_path_factory.mktemp("podlink-registry")
    settings, log = folder / "config.yml", folder / "log"
    settings.write_text(
        f"version: 0.1\nlog: {{level: info}}\nstorage:\n  delete: {{enabled: true}}\n"
        f"  filesystem: {{rootdirectory: {folder / 'data'}}}\nhttp: {{addr: '127.0.0.1:0'}}\n"
    )
    with log.open("wb") as output, subprocess.Popen([program, "serve", settings], stdout=output, stderr=output) as server:
        try:
            yield _address(server, log)
        finally:
            server.terminate()


def _on_runc(folder: Path) -> Iterator["Engine"]:
    """Under a root, a cgroup, a bridge and a table of its own; what the test left is removed."""
    from podlink.engine.app import Engine
    from podlink.engine.errors import EngineError, EngineUnavailable
    from podlink.engine.linux import cgroups

    config = _config_of_its_own(folder)
    try:
        engine = Engine.open(config)
    except EngineUnavailable as reason:
        pytest.skip(f"no containers on runc here: {reason}")
    with engine:
        yield engine
        for each in engine.containers.list():
            with suppress(EngineError):
                engine.containers.get(each.container.id).remove(force=True)
    cgroups.remove(f"/{config.cgroup_parent}")


def _config_of_its_own(folder: Path) -> "Config":
    """Names that no other test has: by process and by test, for workers run side by side on one host.

    Its addresses are its worker's own: two engines that look for a free range at the same moment would find the same one.
    """
    from podlink.engine.config import Config

    own = f"{os.getpid()}-{next(_counter)}"
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    return Config(
        root=folder / "podlink",
        runroot=folder / "podlink-run",
        cgroup_parent=f"podlink-pytest-{own}",
        bridge=f"plt{own[-11:].replace('-', 'x')}b0",
        subnet=f"10.{100 + worker % 100}.0.0/16",
        nft_table=f"podlink_pytest_{own.replace('-', '_')}",
    )


def _address(server: "subprocess.Popen[bytes]", log: Path) -> str:
    """Where the registry listens: it says so in its log once it does."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline and server.poll() is None:
        _, found, rest = log.read_text().partition("listening on ")
        if found and rest.partition("\n")[1]:
            return rest.split()[0].strip('",')
        time.sleep(0.01)
    pytest.fail(f"docker-registry did not start: {log.read_text()[-500:]}")
