"""What is installed is what is here: the lists in pyproject.toml and the folders say the same."""

import ast
import re
import sys
import tomllib
from functools import cache
from pathlib import Path
from typing import Any

import house
import podlink


@cache
def project() -> dict[str, Any]:
    return tomllib.loads((house.ROOT / "pyproject.toml").read_text())


def packages_on_disk() -> list[str]:
    """Every folder that holds Python, as the package that it is installed as."""
    folders = {(top, path.parent) for top, folder in house.FOLDERS.items() for path in folder.rglob("*.py")}
    return sorted(".".join([top, *folder.relative_to(house.FOLDERS[top]).parts]) for top, folder in folders)


def test_the_list_of_packages_is_the_list_of_folders() -> None:
    assert project()["tool"]["setuptools"]["packages"] == packages_on_disk()


def test_the_folders_are_mapped_as_the_tests_read_them() -> None:
    mapped = {name: house.ROOT / folder for name, folder in project()["tool"]["setuptools"]["package-dir"].items()}
    assert mapped == house.FOLDERS


def test_every_package_is_one() -> None:
    """A folder without `__init__.py` would be a namespace package, which anybody may add to."""
    assert [name for name in packages_on_disk() if name not in {each.name for each in house.modules()}] == []


def test_every_module_and_package_says_what_it_is() -> None:
    assert [each.shown for each in house.modules() if not ast.get_docstring(each.tree)] == []


def test_a_package_that_lists_its_modules_lists_those_that_are_there() -> None:
    """A list are indented lines of its docstring that name files."""
    for each in house.modules():
        if each.path.name == "__init__.py":
            lines = (ast.get_docstring(each.tree) or "").splitlines()
            listed = set(re.findall(r"(?<![\w/])\w+\.py\b", "\n".join(line for line in lines if line.startswith("    "))))
            there = {path.name for path in each.path.parent.glob("*.py")} - {"__init__.py"}
            assert not listed or listed == there, each.shown


def test_every_file_that_is_not_python_is_package_data() -> None:
    data = project()["tool"]["setuptools"]["package-data"]
    declared = {path for package, patterns in data.items() for pattern in patterns for path in folder(package).glob(pattern)}
    found = {
        path for top in house.FOLDERS.values() for path in top.rglob("*") if path.is_file() and path.suffix not in (".py", ".pyc")
    }
    assert found == declared


def folder(package: str) -> Path:
    top = max((top for top in house.FOLDERS if f"{package}.".startswith(f"{top}.")), key=len)
    return house.FOLDERS[top].joinpath(*package.split(".")[len(top.split(".")) :])


def test_the_version_is_told_once() -> None:
    assert project()["project"]["version"] == podlink.__version__


def test_every_dependency_is_imported_and_every_import_is_a_dependency() -> None:
    """Of what is installed with podlink, extras for real hosts included. Names in the registry and in Python may differ."""
    spelled = {"python-prctl": "prctl"}
    declared = [*project()["project"]["dependencies"], *project()["project"]["optional-dependencies"]["host"]]
    names = {re.split(r"[^\w.-]", each)[0] for each in declared}
    imported = {name.split(".")[0] for each in house.modules() for name in house.imported(each)}
    imported.remove("pytest")  # the plugin's, which nobody but pytest loads
    assert imported - sys.stdlib_module_names - {"podlink"} == {spelled.get(name, name.lower()) for name in names}
