"""The rules of the house as data, and the few functions that read the source for them.

`LAYERS` is the one place that says who may import whom: `test_layers.py` enforces it, and the picture in
ARCHITECTURE.md is checked against it.
"""

import ast
import importlib.util
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

FOLDERS = {"podlink": ROOT / "podlink", "podlink.engine": ROOT / "engine", "podlink.api": ROOT / "api"}
"""The three folders of the product, and the packages that they are installed as."""

OTHER_FOLDERS = ("tests", "demo", "bench", "examples", "tools")
"""Python that is not installed, but has to be as easy to read."""

LAYERS = (
    "errors ids config trace cancel clock",
    "linux",
    "oci streams stats",
    "state",
    "storage network runtime",
    "host places",
    "images",
    "containers",
    "system",
    "faults",
    "handles",
    "app",
    "cleanup",
    "testing",
)
"""The parts of `podlink.engine`, lowest first. A part imports from the lines above its own here, never from its own line."""

API_LAYERS = ("varlink", "podman", "serving", "pytest_plugin", "cli")
"""The parts of `podlink.api`, lowest first. Only those from `podman` on know the engine."""


@dataclass(frozen=True)
class Module:
    """A Python file of the product. name: as it is imported; package: what its relative imports start from."""

    name: str
    path: Path

    @property
    def package(self) -> str:
        return self.name if self.path.name == "__init__.py" else self.name.rpartition(".")[0]

    @property
    def shown(self) -> str:
        """The path as a person would type it."""
        return str(self.path.relative_to(ROOT))

    @property
    def source(self) -> str:
        return self.path.read_text()

    @property
    def tree(self) -> ast.Module:
        return parse(self.source)


@cache
def parse(source: str) -> ast.Module:
    return ast.parse(source)


def modules(package: str = "podlink") -> list[Module]:
    """Every module of a package of the product, the packages below it too."""
    found = [
        Module(module_name(top, folder, path), path) for top, folder in FOLDERS.items() for path in sorted(folder.rglob("*.py"))
    ]
    return [each for each in found if each.name == package or each.name.startswith(package + ".")]


def module(name: str) -> Module:
    """The module of this name."""
    return next(each for each in modules(name) if each.name == name)


def module_name(top: str, folder: Path, path: Path) -> str:
    words = path.relative_to(folder).with_suffix("").parts
    return ".".join([top, *(words[:-1] if words[-1] == "__init__" else words)])


def imported(module: Module) -> Iterator[str]:
    """Full dotted names down to the imported attribute, whatever the form of the import and wherever it stands."""
    for node in ast.walk(module.tree):
        match node:
            case ast.Import():
                yield from (alias.name for alias in node.names)
            case ast.ImportFrom():
                base = importlib.util.resolve_name("." * node.level + (node.module or ""), module.package)
                yield from (f"{base}.{alias.name}" for alias in node.names)
            case ast.Call(func=ast.Name(id=called) | ast.Attribute(attr=called), args=[ast.Constant(value=str(name)), *_]):
                if called in ("import_module", "__import__"):
                    yield name


def python_files() -> list[Path]:
    """Every Python file that people read: the product, its tests and its programs."""
    folders = [*FOLDERS.values(), *(ROOT / name for name in OTHER_FOLDERS)]
    return [path for folder in folders for path in sorted(folder.rglob("*.py"))]
