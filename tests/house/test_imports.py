"""What an import or a command loads, tried in a process of its own. `python -X importtime` has the times."""

import subprocess
import sys

import pytest

HEAVY = {"sqlalchemy", "asyncio", "pyroute2", "urllib3", "ssl", "zstandard", "isal", "tarfile", "rich"}
"""What takes its time, and is to be there for those alone who open an engine, touch a network, or have an image come or go."""

COMMANDS = {
    "import podlink": "import podlink",
    "import the engine": "from podlink import Engine, Config",
    "podlink --version": "sys.argv[1:] = ['--version']; from podlink.api.cli import main; main()",
    "podlink serve --help": "sys.argv[1:] = ['serve', '--help']; from podlink.api.cli import main; main()",
}


def loaded(statements: str, at_exit: str) -> set[str]:
    """The modules of top level that are there when the statements have run, or have ended the process."""
    script = f"import atexit, sys\natexit.register(lambda: print({at_exit!r}, *sys.modules))\n{statements}"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    return {name.partition(".")[0] for name in done.stdout.rpartition(at_exit)[2].split()}


@pytest.mark.parametrize("command", COMMANDS)
def test_nothing_heavy_is_loaded_before_it_is_needed(command: str) -> None:
    found = loaded(COMMANDS[command], "loaded:")
    assert "podlink" in found
    assert found & HEAVY == set()


def test_an_emulated_engine_loads_nothing_of_a_real_host() -> None:
    statements = "from podlink import Engine\nwith Engine.emulated() as engine: engine.containers.list()"
    found = loaded(statements, "loaded:")
    assert "podlink" in found
    assert found & {"sqlalchemy", "sqlite3", "pyroute2", "prctl", "urllib3", "zstandard", "isal"} == set()
