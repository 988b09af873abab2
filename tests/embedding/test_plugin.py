"""The pytest plugin in the suites of others: run as they run it, alone and by several workers side by side."""

import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from patience import patience

import podlink
from podlink.api import pytest_plugin

HOME = str(Path(podlink.__file__).absolute().parent.parent)
Run = Callable[..., str]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Runs a suite of this text, and gives what pytest said."""

    def suite(text: str, *options: str) -> str:
        (tmp_path / "test_theirs.py").write_text(text)
        command = [sys.executable, "-m", "pytest", "-q", "-W", "error", "-p", "no:cacheprovider", "-rs", *options]
        path = "/usr/sbin:/usr/bin:/sbin:/bin"
        environment = {"PYTHONPATH": HOME, "PATH": path, "HOME": str(tmp_path), "TMPDIR": str(tmp_path)}
        done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=patience())
        return done.stdout + done.stderr

    return suite


EMULATED = """
import os, pytest
from podlink.api.varlink.client import Client

@pytest.mark.parametrize("number", range(6))
def test_engine(podlink_engine, number):
    assert podlink_engine.images.list() == []
    image = podlink_engine.images.build_from({"/x": "#!/bin/sh\\necho ready"}, userland=True, name="same")
    container = podlink_engine.containers.create(image="same", command=["/x"], name="same")
    container.start()
    assert container.wait() == 0

@pytest.mark.parametrize("number", range(2))
def test_service(podlink_service, podlink_engine, number):
    assert os.environ["PODMAN_VARLINK_ADDRESS"] == os.environ["VARLINK_ADDRESS"] == podlink_service
    with Client.connect(podlink_service) as client:
        assert client.call("io.projectatomic.podman.ListContainers") == {"containers": []}

def test_clock(podlink_engine, podlink_clock):
    image = podlink_engine.images.build_from({}, userland=True)
    container = podlink_engine.containers.create(image=image, command=["sleep", "3600"])
    container.start()
    podlink_clock.advance(3600)
    assert container.wait() == 0

def test_after():
    assert "PODMAN_VARLINK_ADDRESS" not in os.environ
"""

REGISTRY = """
import os

def test_push_and_pull(podlink_engine, podlink_registry):
    made = podlink_engine.images.build_from({"/x": b"x"}, name="app")
    podlink_engine.images.push("app", f"{podlink_registry}/team/app:1")
    podlink_engine.images.remove(made, force=True)
    assert podlink_engine.images.pull(f"{podlink_registry}/team/app:1") == made

def test_it_is_the_same_one_and_short_names_lead_there(podlink_engine, podlink_registry):
    assert podlink_engine.images.pull("team/app:1")

def test_after():
    assert "CONTAINERS_REGISTRIES_CONF" not in os.environ
"""

RUNC = """
import pathlib, pytest

pytestmark = pytest.mark.podlink_runc

@pytest.mark.parametrize("number", range(2))
def test_for_real(podlink_engine, number, request):
    config = podlink_engine.host.config
    names = (config.cgroup_parent, config.bridge, config.nft_table)
    pathlib.Path(request.config.rootpath, f"names-{number}").write_text(" ".join(names))
    image = podlink_engine.images.import_image(TAR, "small")
    container = podlink_engine.containers.create(image=image, command=["/bin/sleep", "100"])
    container.start()
    assert container.inspect()["NetworkSettings"]["Bridge"] == config.bridge
"""


@pytest.mark.parametrize("options", [[], ["-n", "2"]], ids=["alone", "xdist"])
def test_emulated(run: Run, options: list[str]) -> None:
    assert "10 passed" in (said := run(EMULATED, *options)), said


@pytest.mark.needs("docker-registry")
def test_the_registry_is_one_that_the_engine_can_pull_from(run: Run) -> None:
    assert "3 passed" in (said := run(REGISTRY)), said


@pytest.mark.needs("root", "runc", "overlay", "nft")
def test_on_runc_each_test_has_names_of_its_own_and_leaves_nothing(run: Run, tmp_path: Path, busybox_tar: Path) -> None:
    assert "2 passed" in (said := run(RUNC.replace("TAR", repr(str(busybox_tar))), "-n", "2")), said
    names = [path.read_text().split() for path in tmp_path.glob("names-*")]
    assert len(names) == 2 and not set(names[0]) & set(names[1])
    links = subprocess.run(["ip", "-o", "link"], capture_output=True, text=True, check=True).stdout
    tables = subprocess.run(["nft", "list", "tables"], capture_output=True, text=True, check=True).stdout
    for parent, bridge, table in names:
        assert len(bridge) <= 15 and bridge not in links and not re.search(rf"\b{table}\b", tables)
        assert list(Path("/sys/fs/cgroup").glob(f"*/{parent}")) == []


def test_a_host_without_root_skips_and_says_why(run: Run, tmp_path: Path) -> None:
    text = "import os\nos.geteuid = lambda: 1000\n" + RUNC.replace("TAR", "''")
    assert "2 skipped" in (said := run(text)) and "no containers on runc here: containers on runc need root" in said, said


def test_every_fixture_begins_with_our_name() -> None:
    made = [name for name, value in vars(pytest_plugin).items() if type(value).__name__ == "FixtureFunctionDefinition"]
    assert made and all(name.startswith("podlink_") for name in made)
