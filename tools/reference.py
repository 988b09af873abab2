"""Write docs/reference.md from the docstrings of what an embedding program calls. `python tools/reference.py [--check]`.

It reads the source and imports nothing, so what it writes is the same with every Python.
"""

import ast
import inspect
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "reference.md"

CHAPTERS = (
    ("The engine", "engine/app.py", ("Engine",)),
    ("What an engine is opened with", "engine/config.py", ("Config",)),
    ("What it is made of", "engine/handles.py", ("Containers", "Container", "Finished", "Images", "Networks", "System")),
    ("A container's limits", "engine/containers/request.py", ("ResourceRequest", "IDMappingOptions", "IDMap")),
    ("What is told of containers", "engine/containers/list.py", ("Summary",)),
    (
        "What is told of containers for JSON",
        "engine/containers/inspected.py",
        (
            "InspectedContainer",
            "InspectedState",
            "InspectedNetwork",
            "InspectedHostConfig",
            "InspectedResources",
            "InspectedConfig",
        ),
    ),
    ("Their figures", "engine/containers/stats.py", ("Figures",)),
    ("Attached streams", "engine/streams/attachment.py", ("Attachment",)),
    ("What is told of images", "engine/images/list.py", ("ImageSummary",)),
    ("What is told of images for JSON", "engine/images/inspected.py", ("InspectedImage",)),
    ("What is told of the engine", "engine/system/info.py", ("Info", "Version")),
    ("A clock for tests", "engine/clock.py", ("VirtualClock",)),
    ("Faults for tests", "engine/faults/faults.py", ("Faults", "Fault")),
    ("Programs for tests", "engine/runtime/emulator/programs.py", ("Programs",)),
    ("An emulated process", "engine/runtime/emulator/process.py", ("Process",)),
    ("Who may leave", "engine/cancel.py", ("Cancel",)),
)
FUNCTIONS = (("The service in a thread", "api/serving.py", "serve"),)
ERRORS = "engine/errors.py"
HEAD = """# Reference

What a program that embeds podlink calls, from the docstrings of the source, by `python tools/reference.py`. [Testing](testing.md)
tells how to use it in a test suite, and [the fields of Create](create-fields.md) what `create` takes.

Times are nanoseconds since the epoch, durations seconds, and sizes bytes, where nothing else is said.
"""

Definition = ast.FunctionDef | ast.ClassDef


def page() -> str:
    """The whole document."""
    parts = [HEAD]
    for title, path, names in CHAPTERS:
        parts.append(f"## {title}\n\n`podlink.{module(path)}`\n")
        parts += [text for name in names for text in described(find(path, name))]
    for title, path, name in FUNCTIONS:
        parts.append(f"## {title}\n\n`podlink.{module(path)}`\n")
        parts.append(function(find(path, name), ""))
    parts.append(f"## Errors\n\n`podlink.{module(ERRORS)}`\n\n{ast.get_docstring(tree(ERRORS))}\n")
    return "\n".join(parts)


def module(path: str) -> str:
    return path.removesuffix(".py").replace("/", ".")


def tree(path: str) -> ast.Module:
    return ast.parse((ROOT / path).read_text())


def find(path: str, name: str) -> Definition:
    """The class or function of this name. Raises LookupError."""
    for node in tree(path).body:
        if isinstance(node, Definition) and node.name == name:
            return node
    raise LookupError(f"{path} has no {name}")


def described(node: Definition) -> Iterator[str]:
    """A class: what it is, its fields, then each of its public methods."""
    assert isinstance(node, ast.ClassDef)
    yield f"### {node.name}\n"
    if words := ast.get_docstring(node):
        yield f"{words}\n"
    fields = [each for each in node.body if isinstance(each, ast.AnnAssign) and not ast.unparse(each.target).startswith("_")]
    if fields:
        yield "".join(f"- `{ast.unparse(shown(each))}`\n" for each in fields)
    for each in node.body:
        if isinstance(each, ast.FunctionDef) and not each.name.startswith("_"):
            yield function(each, f"{node.name}.")


def shown(each: ast.AnnAssign) -> ast.AnnAssign:
    """A field without what only dataclasses have to know of it."""
    own = isinstance(each.value, ast.Call) and ast.unparse(each.value.func) == "field"
    return ast.AnnAssign(each.target, each.annotation, None if own else each.value, each.simple)


def function(node: Definition, prefix: str) -> str:
    """A heading with the call, and what it says of itself."""
    assert isinstance(node, ast.FunctionDef)
    marks = {ast.unparse(each) for each in node.decorator_list}
    arguments = ast.unparse(node.args)
    for own in ("self, ", "self", "cls, ", "cls"):
        if prefix and arguments.startswith(own):
            arguments = arguments.removeprefix(own)
            break
    call = "" if "property" in marks else f"({arguments})"
    returns = f" -> {ast.unparse(node.returns)}" if node.returns else ""
    return f"#### `{prefix}{node.name}{call}{returns}`\n\n{inspect.cleandoc(ast.get_docstring(node) or '')}\n"


def main() -> None:
    """Write the page, or (`--check`) end with 1 where it is not what would be written."""
    made = page()
    if sys.argv[1:] == ["--check"]:
        sys.exit(None if PAGE.read_text() == made else "docs/reference.md is out of date: python tools/reference.py")
    PAGE.write_text(made)


if __name__ == "__main__":
    main()
