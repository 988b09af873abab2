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

from podlink import Engine
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


BY_NAME = """
sleep 98 & sleep 99 & first=$!; until [ "$(pgrep sleep | wc -l)" = 2 ]; do sleep 0.1; done
pgrep -x slee; echo $?; pgrep -n -l sl; pgrep -f -a '^sleep 98'
pkill -f '^sleep 99'; wait $first 2>/dev/null; echo $?; pgrep sleep; pkill -9 sleep; pkill sleep; echo $?
"""
INSTALLED = """
echo x > f; install -d a/b; install -m 640 -o 5 -g 6 f a/b; install -D f p/q/g; install -t a f
stat -c '%a %u:%g' a/b a/b/f p/q/g a/f; install nope a 2>&1; echo $?
"""


def test_commands_that_are_in_other_builds_of_busybox() -> None:
    with Engine.emulated() as engine:
        image = engine.images.build_from({}, {}, userland=True)
        told = engine.containers.run(image, ["sh", "-c", BY_NAME]).logs
        assert told == ["1\n", "3 sleep\n", "2 sleep 98\n", "143\n", "2\n", "1\n"]
        told = engine.containers.run(image, ["sh", "-c", INSTALLED]).logs
        assert told[:4] == ["755 0:0\n", "640 5:6\n", "755 0:0\n", "755 0:0\n"]
        assert told[4:] == ["install: can't create 'a/nope': No such file or directory\n", "1\n"]


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
