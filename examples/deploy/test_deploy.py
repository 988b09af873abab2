"""What the deploy script does to the containers that it finds, and what it leaves alone when the new image is broken."""

import subprocess
import sys
from pathlib import Path

import pytest

from podlink import Engine
from podlink.engine.runtime.emulator.process import Process

SCRIPT = Path(__file__).with_name("deploy.py")


def server(process: Process) -> int:
    """What an image's containers run: it serves until it is told to stop."""
    stopped: list[int] = []
    process.on_signal(15, stopped.append)
    process.write(1, "serving\n")
    while not stopped:
        process.pause()
    return 0


@pytest.fixture
def site(podlink_engine: Engine, podlink_service: str) -> Engine:
    """Two releases of the site. The service is there, and the script finds it by its environment."""
    podlink_engine.programs["/bin/server"] = server
    for release in ("1", "2"):
        podlink_engine.images.build_from({"/etc/release": release}, {"Cmd": ["/bin/server"]}, f"site:{release}")
    return podlink_engine


def deploy(image: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run([sys.executable, SCRIPT, image], capture_output=True, text=True, timeout=60)


def test_a_newer_release_takes_the_place_of_the_older_one(site: Engine) -> None:
    first, second = deploy("site:1").stdout.strip(), deploy("site:2").stdout.strip()
    (left,) = site.containers.list()
    assert left.container.id == second != first
    assert left.container.status == "running" and left.container.image_name == "site:2"


def test_the_old_one_stays_when_the_new_one_does_not_start(site: Engine) -> None:
    first = deploy("site:1").stdout.strip()
    with site.faults.fail("runtime.run"):
        failed = deploy("site:2")
    assert failed.returncode != 0 and "runtime.run failed on demand" in failed.stderr
    assert [(each.container.id, str(each.container.status)) for each in site.containers.list()] == [(first, "running")]
