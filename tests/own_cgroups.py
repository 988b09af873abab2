"""The cgroups of tests: each test has a parent of its own, named after its process, and leaves none."""

import itertools
import os
from functools import partial
from pathlib import Path

from patience import until

ROOT = Path("/sys/fs/cgroup")
counter = itertools.count()


def new_parent() -> str:
    """The name of a cgroup that no other test has. Whoever makes it removes it: `remove_cgroups`."""
    return f"podlink-test-{os.getpid()}-{next(counter)}"


def remove_cgroups(parent: str) -> None:
    """It and all below it, in every hierarchy. A monitor that has just done its work may be in one yet."""
    for top in _named(parent):
        for path in sorted([top, *top.rglob("*/")], reverse=True):
            until(partial(_removed, path), partial(_users, path))


def left() -> list[Path]:
    """The parents that this process's tests have not removed."""
    return _named(f"podlink-test-{os.getpid()}-*")


def _named(pattern: str) -> list[Path]:
    """In every hierarchy; that of version 2 may be the root itself."""
    return [path for path in (*ROOT.glob(pattern), *ROOT.glob(f"*/{pattern}")) if path.is_dir()]


def _users(path: Path) -> str:
    return f"{path} is in use: {(path / 'cgroup.procs').read_text().split()}"


def _removed(path: Path) -> bool:
    try:
        path.rmdir()
    except FileNotFoundError:
        return True
    except OSError:
        return False
    return True
