"""What every test may use: probes that say what this host can do."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest


@cache
def is_root() -> bool:
    return os.geteuid() == 0


@cache
def has_runc() -> bool:
    return shutil.which("runc") is not None


@cache
def has_overlay() -> bool:
    """Whether an overlay can be mounted: tried, not guessed."""
    if not is_root():
        return False
    with tempfile.TemporaryDirectory() as folder:
        for name in ("lower", "upper", "work", "merged"):
            Path(folder, name).mkdir()
        options = f"lowerdir={folder}/lower,upperdir={folder}/upper,workdir={folder}/work"
        done = subprocess.run(["mount", "-t", "overlay", "overlay", "-o", options, f"{folder}/merged"], capture_output=True)
        if done.returncode == 0:
            subprocess.run(["umount", f"{folder}/merged"], check=True)
        return done.returncode == 0


PROBES: dict[str, Callable[[], bool]] = {"root": is_root, "runc": has_runc, "overlay": has_overlay}


def lacking(name: str) -> bool:
    """Whether to skip for want of `name`: never where PODLINK_REQUIRE promises it (then the test fails instead)."""
    promised = name in os.environ.get("PODLINK_REQUIRE", "").split(",")
    return not promised and not PROBES[name]()


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "needs(*names): skip where a probe finds that this host lacks one of: " + ", ".join(PROBES))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        for mark in item.iter_markers("needs"):
            for name in mark.args:
                if lacking(name):
                    item.add_marker(pytest.mark.skip(reason=f"this host has no {name}"))
