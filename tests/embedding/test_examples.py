"""Each example does what it says, in a process of its own and in a folder that holds nothing else."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from patience import patience

import podlink

HOME = str(Path(podlink.__file__).absolute().parent.parent)
EXAMPLES = Path(__file__).parents[2] / "examples"


def run(folder: Path, *argv: str) -> "subprocess.CompletedProcess[str]":
    path = f"{Path(sys.executable).parent}:/usr/sbin:/usr/bin:/sbin:/bin"
    environment = {"PYTHONPATH": HOME, "PATH": path, "HOME": str(folder), "TMPDIR": str(folder)}
    return subprocess.run(argv, cwd=folder, env=environment, capture_output=True, text=True, timeout=patience())


@pytest.mark.parametrize(("name", "passed"), [("deploy", 2), ("stateful", 1)])
def test_a_project_with_tests(tmp_path: Path, name: str, passed: int) -> None:
    shutil.copytree(EXAMPLES / name, tmp_path / name)
    done = run(tmp_path / name, sys.executable, "-m", "pytest", "-q", "-W", "error", "-p", "no:cacheprovider")
    assert f"{passed} passed" in done.stdout, done.stdout + done.stderr


def test_the_published_varlink_library(tmp_path: Path) -> None:
    done = run(tmp_path, sys.executable, str(EXAMPLES / "pypi_client.py"))
    assert done.stdout.splitlines() == [
        "exit code: 0",
        "log: ready",
        "error: io.projectatomic.podman.ContainerNotFound {'name': 'nobody'}",
    ], done.stderr


@pytest.mark.needs("varlinkctl")
def test_varlinkctl(tmp_path: Path) -> None:
    done = run(tmp_path, "sh", str(EXAMPLES / "varlinkctl.sh"))
    assert done.returncode == 0 and "ContainerNotFound" in done.stderr, done.stderr
    for words in (
        "Product: podlink",
        '{"ping":{"message":"OK"}}',
        '{"exitcode":0}',
        '{"container":["ready\\n"]}',
        '{"name":"nobody"}',
    ):
        assert words in done.stdout, done.stdout


@pytest.mark.parametrize("missing", ["podlink", "varlinkctl"])
def test_varlinkctl_says_what_it_lacks(tmp_path: Path, missing: str) -> None:
    programs = tmp_path / "bin"
    programs.mkdir()
    (programs / ({"podlink", "varlinkctl"} - {missing}).pop()).touch(0o755)
    done = run(tmp_path, "/usr/bin/env", f"PATH={programs}", "/bin/sh", str(EXAMPLES / "varlinkctl.sh"))
    assert done.returncode == 1 and done.stderr == f"{missing} is not on the PATH\n"


def test_varlinkctl_ends_where_the_service_does_not_start(tmp_path: Path) -> None:
    programs = tmp_path / "bin"
    programs.mkdir()
    for name, text in (("podlink", "#!/bin/sh\necho refused >&2; exit 1\n"), ("varlinkctl", "#!/bin/sh\n")):
        (programs / name).write_text(text)
        (programs / name).chmod(0o755)
    done = run(tmp_path, "/usr/bin/env", f"PATH={programs}:/usr/bin:/bin", "/bin/sh", str(EXAMPLES / "varlinkctl.sh"))
    assert done.returncode != 0 and "refused" in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["bin"]


def test_each_example_is_on_the_page_and_is_run() -> None:
    listed = (EXAMPLES / "README.md").read_text()
    there = {path.name for path in EXAMPLES.iterdir() if path.name != "README.md" and not path.name.startswith(("_", "."))}
    assert there == {"deploy", "stateful", "pypi_client.py", "varlinkctl.sh"} and all(f"]({name}" in listed for name in there)
    assert os.access(EXAMPLES / "varlinkctl.sh", os.X_OK)
