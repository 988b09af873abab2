"""Words that have no place here: promises to do it later, and the addresses of other people's package registries."""

import re
from pathlib import Path

import house

LATER = re.compile(r"\b(" + "|".join(["TO" + "DO", "FIX" + "ME", "XX" + "X", "HA" + "CK"]) + r")\b")
REGISTRIES = re.compile(
    r"\b(py" + r"pi\.org|python" + r"hosted\.org|deb\.debian" + r"\.org|security\.debian" + r"\.org|npm" + r"js\.org)\b"
)
SUFFIXES = {".py", ".md", ".toml", ".json", ".varlink", ".txt", ".yml", ".cfg", ""}
SKIPPED = {".git", ".venv", "build", "dist", "fixtures"}


def texts() -> list[Path]:
    """Every text that is ours: what a tool made or what a machine wrote down is not."""
    tops = [path for path in house.ROOT.iterdir() if path.name not in SKIPPED and not path.name.endswith((".egg-info", "_cache"))]
    files = [path for top in tops for path in ([top] if top.is_file() else sorted(top.rglob("*")))]
    return [path for path in files if path.is_file() and path.suffix in SUFFIXES and ".hypothesis" not in path.parts]


def lines_with(pattern: re.Pattern[str]) -> list[str]:
    return [
        f"{path.relative_to(house.ROOT)}:{number}: {line.strip()}"
        for path in texts()
        for number, line in enumerate(path.read_text().splitlines(), start=1)
        if pattern.search(line)
    ]


def test_nothing_is_left_for_later() -> None:
    assert lines_with(LATER) == []


def test_no_package_registry_is_named() -> None:
    assert lines_with(REGISTRIES) == []


def test_the_search_reaches_the_source_the_documents_and_the_scripts() -> None:
    found = {str(path.relative_to(house.ROOT)) for path in texts()}
    assert {"engine/app.py", "api/cli/serve.py", "README.md", "Makefile", ".ci/run", "tools/setup", "pyproject.toml"} <= found


def test_the_patterns_find_what_they_are_for() -> None:
    assert LATER.search("# TO" + "DO: later")
    assert REGISTRIES.search("https://py" + "pi.org/simple")
