"""A script does the same in an emulated container as in a real one with busybox in it."""

import os
import shutil
import subprocess
import sys
from dataclasses import replace
from importlib import import_module
from pathlib import Path

import pytest
from awk_scripts import AWK
from patience import patience
from scripts import COMMANDS, LANGUAGE

from podlink.engine.runtime.emulator.userland.table import CALLED, HOMES, PROGRAMS
from podlink.engine.testing.stage import Stage


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


@pytest.mark.parametrize("name", AWK)
def test_awk(machine: Stage, name: str) -> None:
    script, output = AWK[name]
    assert written(machine, script) == output


@pytest.mark.parametrize("name", LANGUAGE)
def test_the_shells_language(machine: Stage, name: str) -> None:
    script, output = LANGUAGE[name]
    assert written(machine, script) == output


OWNERS = """
from podlink import Engine
script = "stat -c %u:%g /a; chown 5:6 /a; chown -R :7 /d; stat -c %u:%g /a /d /d/e"
with Engine.emulated() as engine:
    image = engine.images.build_from({"/a": "x", "/d/e": "x"}, userland=True)
    print(*engine.containers.run(image, ["sh", "-c", script]).logs)
"""


def test_who_may_give_no_file_away_remembers_whose_it_is() -> None:
    without = ["setpriv", "--bounding-set=-chown", "--inh-caps=-chown"] if os.geteuid() == 0 else []
    told = subprocess.run([*without, sys.executable, "-c", OWNERS], capture_output=True, text=True, timeout=patience())
    assert told.stdout.split() == ["0:0", "5:6", "0:7", "0:7"], told.stderr


def test_every_program_is_where_the_table_has_it() -> None:
    for module, names in HOMES.items():
        home = import_module(f"podlink.engine.runtime.emulator.userland.{module}")
        assert all(callable(getattr(home, CALLED.get(each, each))) for each in names.split()), module
    assert set(PROGRAMS) == {"busybox", *" ".join(HOMES.values()).split()}
