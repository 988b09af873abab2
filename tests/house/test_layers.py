"""Imports go down only. `house.LAYERS` is the order; a module that breaks it fails here, by name."""

import ast
import subprocess
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import pytest

import house
from house import API_LAYERS, LAYERS, Module

RANK = {part: rank for rank, line in enumerate(LAYERS) for part in line.split()}
API_RANK = {part: rank for rank, part in enumerate(API_LAYERS)}

MONITOR = "podlink.engine.runtime.monitor"
HEAVY = {"sqlalchemy", "sqlite3", "asyncio", "ssl", "argparse", "subprocess", "tempfile", "http", "email", "concurrent"}
"""What a process of which there is one for each running container has no business to load."""


def wrong_in_engine(module: Module) -> list[str]:
    """What an engine module imports of ours that does not lie below its own part."""
    own = module.name.split(".")[2]
    return sorted({name for name in imported_of_ours(module) if not allowed_in_engine(own, name)})


def allowed_in_engine(own: str, name: str) -> bool:
    words = name.split(".")
    if words[:2] == ["podlink", "engine"] and len(words) > 2:
        return words[2] == own or RANK[words[2]] < RANK[own]
    return name in ("podlink", "podlink.__version__")


def wrong_in_api(module: Module) -> list[str]:
    """What an api module imports of ours that does not lie below its own part; `varlink` knows no engine."""
    own = module.name.split(".")[2]

    def allowed(name: str) -> bool:
        match name.split("."):
            case ["podlink", "api", part, *_]:
                return part == own or API_RANK[part] < API_RANK[own]
            case ["podlink", "engine", *_]:
                return own != "varlink"
            case _:
                return name in ("podlink", "podlink.__version__")

    return sorted({name for name in imported_of_ours(module) if not allowed(name)})


def imported_of_ours(module: Module) -> Iterable[str]:
    return (name for name in house.imported(module) if name.split(".")[0] == "podlink")


def parts(package: str) -> list[Module]:
    """The modules below a package, without its own `__init__`."""
    return [each for each in house.modules(package) if each.name != package]


def offenders(judge: Callable[[Module], Sequence[object]], among: Iterable[Module]) -> dict[str, Sequence[object]]:
    """What a rule finds wrong, by the file that it is in."""
    return {module.shown: wrong for module in among if (wrong := judge(module))}


def test_engine_modules_import_only_from_below() -> None:
    assert offenders(wrong_in_engine, parts("podlink.engine")) == {}


def test_api_modules_import_only_from_below() -> None:
    assert offenders(wrong_in_api, parts("podlink.api")) == {}


def test_every_part_has_its_place_in_the_table() -> None:
    assert {each.name.split(".")[2] for each in parts("podlink.engine")} <= RANK.keys()
    assert {each.name.split(".")[2] for each in parts("podlink.api")} <= API_RANK.keys() | {"idl"}


def test_every_part_of_the_table_exists() -> None:
    assert RANK.keys() <= {each.name.split(".")[2] for each in parts("podlink.engine")}


def test_the_package_above_the_parts_imports_nothing_of_ours() -> None:
    assert offenders(lambda module: list(imported_of_ours(module)), [house.module("podlink.engine")]) == {}


@pytest.mark.parametrize("face", ["podlink", "podlink.api"])
def test_the_faces_import_nothing_before_they_are_asked_to(face: str) -> None:
    """They name what they give for type checkers only, and import it when a name is first used."""
    script = f"import sys, {face}; print(*sorted(name for name in sys.modules if name.startswith('podlink.')))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ([face] if "." in face else [])


HOMES = {
    "ctypes": "podlink.engine.linux.syscalls",
    "prctl": "podlink.engine.linux.process",
    "pyroute2": "podlink.engine.network",
    "sqlalchemy": "podlink.engine.state",
    "sqlite3": "podlink.engine.state",
    "urllib3": "podlink.engine.oci.distribution",
    "zstandard": "podlink.engine.oci.layer.compression",
    "isal": "podlink.engine.oci.layer.compression",
}
"""Libraries that only one module, or the modules of one package, may know."""


@pytest.mark.parametrize("library", HOMES)
def test_a_library_has_one_home(library: str) -> None:
    users = [each.name for each in house.modules() if library in {name.split(".")[0] for name in house.imported(each)}]
    assert users == [name for name in users if f"{name}.".startswith(f"{HOMES[library]}.")]
    assert users or library == "sqlite3"


def starts_runc(module: Module) -> list[int]:
    """The lines with a call or a list whose first word is `runc`: a command line in the making."""
    lines = []
    for node in ast.walk(module.tree):
        match node:
            case ast.List(elts=[ast.Constant(value="runc"), *_]) | ast.Call(args=[ast.Constant(value="runc"), *_]):
                lines.append(node.lineno)
    return lines


def test_only_the_runtime_starts_runc() -> None:
    outside = [each for each in house.modules() if not each.name.startswith("podlink.engine.runtime.")]
    assert offenders(starts_runc, outside) == {}


def test_the_monitor_imports_only_streams_linux_and_the_records_of_ours() -> None:
    runtime = ("podlink.engine.runtime.exits", "podlink.engine.runtime.record")
    parts = ("podlink.engine.streams", "podlink.engine.linux", *runtime, MONITOR)
    allowed = tuple(f"{part}." for part in parts)

    def wrong(module: Module) -> list[str]:
        return [name for name in imported_of_ours(module) if not f"{name}.".startswith(allowed)]

    assert offenders(wrong, house.modules(MONITOR)) == {}


def test_the_monitor_loads_nothing_heavy() -> None:
    """Tried, not read: what the modules of the monitor bring along, however deep the import lies."""
    names = [each.name for each in house.modules(MONITOR)]
    script = f"import sys, {', '.join(names)}; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert {name.split(".")[0] for name in done.stdout.split()} & HEAVY == set()


def sample(tmp_path: Path, name: str, source: str) -> Module:
    path = tmp_path / ("__init__.py" if name.endswith(".__init__") else f"{name.rpartition('.')[2]}.py")
    path.write_text(source)
    return Module(name.removesuffix(".__init__"), path)


@pytest.mark.parametrize(
    ("module", "source", "wrong"),
    [
        ("state.db", "import podlink.engine.host", ["podlink.engine.host"]),
        ("state.db", "import podlink.engine.host as h", ["podlink.engine.host"]),
        ("state.db", "from podlink.engine import host", ["podlink.engine.host"]),
        ("state.db", "from podlink.engine.host import Host", ["podlink.engine.host.Host"]),
        ("state.db", "from ..host import Host", ["podlink.engine.host.Host"]),
        ("state.db", "from .. import host", ["podlink.engine.host"]),
        ("state.__init__", "from ..host import Host", ["podlink.engine.host.Host"]),
        ("state.__init__", "from .host import Host", []),
        ("state.db", "def late():\n    from podlink.engine import host", ["podlink.engine.host"]),
        ("state.db", "importlib.import_module('podlink.engine.host')", ["podlink.engine.host"]),
        ("storage.vfs", "from podlink.engine.runtime.base import Runtime", ["podlink.engine.runtime.base.Runtime"]),
        ("storage.vfs", "from podlink.api import varlink", ["podlink.api.varlink"]),
        ("storage.vfs", "from podlink import Engine", ["podlink.Engine"]),
        ("storage.vfs", "import podlink.engine", ["podlink.engine"]),
        ("storage.vfs", "import os, sqlalchemy, podlink.engine.errors\nfrom podlink.engine.oci import digest", []),
    ],
)
def test_every_form_of_import_is_resolved(tmp_path: Path, module: str, source: str, wrong: list[str]) -> None:
    assert wrong_in_engine(sample(tmp_path, f"podlink.engine.{module}", source)) == wrong


@pytest.mark.parametrize(
    ("module", "source", "wrong"),
    [
        ("varlink.server", "from podlink.engine import errors", ["podlink.engine.errors"]),
        ("varlink.server", "from podlink.api.podman import service", ["podlink.api.podman.service"]),
        ("podman.service", "from podlink.engine import errors\nfrom podlink.api.varlink import idl", []),
        ("podman.service", "from podlink.api import cli", ["podlink.api.cli"]),
    ],
)
def test_the_api_has_its_layers_too(tmp_path: Path, module: str, source: str, wrong: list[str]) -> None:
    assert wrong_in_api(sample(tmp_path, f"podlink.api.{module}", source)) == wrong
