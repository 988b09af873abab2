"""The documents say what is so: each list in them is compared with the code that it tells of."""

import argparse
import ast
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import house
from podlink.api.cli import main
from podlink.api.cli.configuration import LIMITS, add_options, configuration
from podlink.api.podman.service import HANDLERS
from podlink.api.podman.system import INSTEAD
from podlink.api.varlink.idl import Record, parse
from podlink.engine.config import Limits
from podlink.engine.containers.request import HONOURED

INTERFACE = parse((house.ROOT / "api/idl/io.projectatomic.podman.varlink").read_text())
DOCUMENTS = sorted(house.ROOT.glob("*.md")) + sorted((house.ROOT / "docs").rglob("*.md"))


def text(name: str) -> str:
    return (house.ROOT / name).read_text()


def named(row: str) -> set[str]:
    """The words in `code` of the README's table row that begins with these words."""
    (line,) = [line for line in text("README.md").splitlines() if line.startswith(f"| {row}")]
    return set(re.findall(r"`(\w+)`", line.split("|")[2]))


@pytest.mark.parametrize(
    ("row", "so"),
    [
        ("methods that work", HANDLERS.keys() - INSTEAD.keys()),
        ("methods that the interface itself documents", INSTEAD.keys()),
        ("fields of `Create` that work", HONOURED),
    ],
)
def test_the_readme_lists_what_is_there(row: str, so: set[str]) -> None:
    assert named(row) == so


def test_every_method_of_the_interface_is_there() -> None:
    assert HANDLERS.keys() == {method.name for method in INTERFACE.methods}


def fields_of(name: str) -> list[str]:
    """The fields of one of the interface's types."""
    (record,) = [each.type for each in INTERFACE.types if each.name == name]
    assert isinstance(record, Record)
    return [each.name for each in record.fields]


def test_the_page_of_fields_has_each_field_and_a_test_that_sees_it() -> None:
    rows = [
        [cell.strip() for cell in line.split("|")[1:4]] for line in text("docs/create-fields.md").splitlines() if "| `" in line
    ]
    create, resources = (fields_of(name) for name in ("Create", "CreateResourceConfig"))
    assert [name.strip("`") for name, _, _ in rows] == [*create, *resources]
    words = words_of_tests()
    assert {name.strip("`") for name, becomes, _ in rows if becomes.startswith(("not yet", "refused"))} == {
        *set(create) - HONOURED,
        "kernel_memory",
    }
    tests = set[str]()
    for name, becomes, seen in rows:
        named = re.findall(r"`(\w+)`", seen)
        assert named or becomes == "see below", name
        assert words.keys() >= set(named), name
        assert not named or any(name.strip("`") in words[test] for test in named), f"{name} is in none of {named}"
        tests.update(named)
    refused = [
        sum(becomes.startswith("refused") for _, becomes, _ in part) for part in (rows[: len(create)], rows[len(create) :])
    ]
    assert counted(text("docs/create-fields.md")) == [
        *(len(create), len(create) - refused[0], refused[0]),
        *(len(resources), len(resources) - refused[1], refused[1]),
        len(tests),
    ]


def test_the_page_of_images_has_each_limit_and_what_it_is() -> None:
    rows = re.findall(r"^\| `(\w+)` \| (\w+) \|", text("docs/images.md"), re.M)
    options = [word for name, number in rows for word in ("--limit", f"{name}={number}")]
    assert [name for name, _ in rows] == list(LIMITS)
    parser = argparse.ArgumentParser()
    add_options(parser)
    assert configuration(parser.parse_args(options)).limits == Limits()


def words_of_tests() -> dict[str, set[str]]:
    """The names of arguments and the words of texts in each test of the project, in its decorators too, but not in what it says
    of itself."""
    found: dict[str, set[str]] = {}
    for path in (house.ROOT / "tests").rglob("test_*.py"):
        for test in ast.walk(ast.parse(path.read_text())):
            if isinstance(test, ast.FunctionDef) and test.name.startswith("test_"):
                about = ast.get_docstring(test, clean=False)
                parts = [part for part in ast.walk(test) if isinstance(part, ast.keyword | ast.Constant)]
                said = [part.arg if isinstance(part, ast.keyword) else part.value for part in parts]
                found.setdefault(test.name, set()).update(
                    *(re.findall(r"\w+", each) for each in said if isinstance(each, str) and each != about)
                )
    return found


def counted(page: str) -> list[int]:
    """The figures of the page's own summary, in their order."""
    (summary,) = re.findall(r"^Of the \d+ fields of `Create`.*?tests see them", page, re.M | re.S)
    return [int(number) for number in re.findall(r"\d+", summary)]


def test_the_picture_of_the_house_has_the_layers_that_are_enforced() -> None:
    """In ARCHITECTURE.md the highest is drawn first; names of one line stand side by side, separated by spaces."""
    (picture,) = re.findall(r"```house\n(.*?)```", text("ARCHITECTURE.md"), re.DOTALL)
    drawn = [re.split(r"\s{2,}", line.strip())[0] for line in picture.splitlines()]
    line_of_engine = drawn.index("engine")
    assert drawn[line_of_engine + 1 :] == list(reversed(house.LAYERS))
    assert drawn[1:line_of_engine] == list(reversed(house.API_LAYERS))


def test_the_walk_names_files_that_exist() -> None:
    mentioned = set(re.findall(r"`((?:engine|api|podlink|tests|demo|bench|tools|docs)/[\w/.-]*)`", text("ARCHITECTURE.md")))
    assert mentioned and [name for name in sorted(mentioned) if not (house.ROOT / name).exists()] == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(house.ROOT)))
def test_links_lead_somewhere(document: Path) -> None:
    links = re.findall(r"\]\((?!https://)([^)]+)\)", document.read_text())
    anchors = anchors_of(document)
    assert [link for link in links if not (link in anchors or (document.parent / link).exists())] == []


def anchors_of(document: Path) -> set[str]:
    """The headings of a document as links within it spell them."""
    headings = re.findall(r"^#+ (.+)$", document.read_text(), re.MULTILINE)
    return {"#" + re.sub(r"[^\w -]", "", heading).lower().replace(" ", "-") for heading in headings}


def test_the_make_targets_of_the_documents_exist() -> None:
    listed = subprocess.run(["make", "help"], cwd=house.ROOT, capture_output=True, text=True, check=True).stdout
    mentioned = {target for path in DOCUMENTS for target in re.findall(r"(?:`|^    )make ([a-z-]+)", path.read_text(), re.M)}
    assert mentioned <= set(re.findall(r"make ([a-z-]+)", listed))


def test_the_options_of_the_readme_exist(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["serve", "--help"])
    assert set(re.findall(r"--[a-z][a-z-]+", text("README.md"))) <= set(re.findall(r"--[a-z-]+", capsys.readouterr().out))


def test_every_dependency_has_its_page_of_decision() -> None:
    project = tomllib.loads(text("pyproject.toml"))["project"]
    installed = [*project["dependencies"], *project["optional-dependencies"]["host"]]
    names = {re.match(r"[\w.-]+", each)[0].lower() for each in installed}  # type: ignore[index]
    pages = {path.stem for path in (house.ROOT / "docs/decisions").glob("*.md")}
    assert names <= pages


def test_the_changelog_speaks_of_this_version() -> None:
    version = tomllib.loads(text("pyproject.toml"))["project"]["version"]
    assert version in text("CHANGELOG.md")


def test_the_reference_is_what_the_source_says() -> None:
    done = subprocess.run([sys.executable, "tools/reference.py", "--check"], cwd=house.ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
