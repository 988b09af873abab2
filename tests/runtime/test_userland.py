"""A script does the same in an emulated container as in a real one with busybox in it."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from scripts import COMMANDS, LANGUAGE

from podlink.engine.testing.runtime import Stage


@pytest.fixture
def machine(stage: Stage, tmp_path: Path) -> Stage:
    """With a root file system of its own, for the scripts write to it."""
    own = tmp_path / "rootfs"
    shutil.copytree(stage.rootfs, own, symlinks=True)
    (own / "work").mkdir()
    return replace(stage, rootfs=own)


def written(machine: Stage, script: str) -> str:
    machine.script("script", f"cd /work\n{script}")
    machine.end("script")
    machine.runtime.destroy("script")
    return machine.output("script")


@pytest.mark.parametrize("name", COMMANDS)
def test_the_everyday_commands(machine: Stage, name: str) -> None:
    script, output = COMMANDS[name]
    assert written(machine, script) == output


@pytest.mark.parametrize("name", LANGUAGE)
def test_the_shells_language(machine: Stage, name: str) -> None:
    script, output = LANGUAGE[name]
    assert written(machine, script) == output
