"""Programs in Python: found by whoever looks for them, for a path, a name or an image; what can't be one is refused."""

from collections.abc import Iterator
from typing import Any

import pytest

from podlink import Engine
from podlink.engine.errors import InvalidRequest, RuntimeFailed
from podlink.engine.runtime.emulator.process import Process


def told(process: Process) -> int:
    process.write(1, f"{process.argv}\n")
    return 3


@pytest.fixture
def engine() -> Iterator[Engine]:
    with Engine.emulated() as made:
        made.images.build_from(
            {
                "/etc/nginx.conf": b"",
                "/bin/start": "#!/bin/sh\nexec /usr/sbin/nginx -g off",
                "/bin/odd": "#!/usr/sbin/nginx -x\n",
            },
            {"Env": ["PATH=/usr/sbin:/bin"]},
            "web",
            userland=True,
        )
        yield made


@pytest.mark.parametrize(
    ("command", "argv"),
    [
        (["/usr/sbin/nginx", "-g"], ["/usr/sbin/nginx", "-g"]),
        (["nginx"], ["nginx"]),
        (["/usr/bin/../sbin/nginx"], ["/usr/bin/../sbin/nginx"]),
        (["sh", "-c", "/usr/sbin/nginx"], ["/usr/sbin/nginx"]),
        (["sh", "-c", "exec nginx a"], ["nginx", "a"]),
        (["sh", "-c", "cd /usr 2>/dev/null; nginx; exit $?"], ["nginx"]),
        (["env", "A=1", "nginx", "b"], ["nginx", "b"]),
        (["start"], ["/usr/sbin/nginx", "-g", "off"]),
        (["/bin/odd", "c"], ["/usr/sbin/nginx", "-x", "/bin/odd", "c"]),
    ],
)
def test_a_program_without_a_file_is_found_by_everybody(engine: Engine, command: list[str], argv: list[str]) -> None:
    engine.programs["/usr/sbin/nginx"] = told
    done = engine.containers.run("web", command)
    assert (done.exit_code, done.logs) == (3, [f"{argv}\n"])


def test_which_finds_it_too(engine: Engine) -> None:
    engine.programs["/usr/sbin/nginx"] = told
    assert engine.containers.run("web", ["sh", "-c", "command -v nginx"]).logs == ["/usr/sbin/nginx\n"]


@pytest.mark.parametrize("key", ["web:latest", "localhost/web:latest", "ID", "sha256:ID"])
def test_a_function_stands_for_whatever_an_image_runs(engine: Engine, key: str) -> None:
    """Also for an image that is there only later; other images are left alone."""
    engine.programs[key.replace("ID", engine.images.inspect("web")["Id"].removeprefix("sha256:"))] = told
    engine.programs["later:1"] = lambda process: 9
    assert engine.containers.run("web", ["no-such-program", "x"]).logs == ["['no-such-program', 'x']\n"]
    engine.images.build_from({"/x": b""}, name="other")
    with pytest.raises(RuntimeFailed, match="no-such-program"):
        engine.containers.run("other", ["no-such-program"])
    engine.images.build_from({"/y": b""}, name="later:1")
    assert engine.containers.run("later:1", ["anything"]).exit_code == 9


@pytest.mark.parametrize("key", ["", " ", "/usr/sbin/", "/usr/../x", "two words", 7, "/", "name\0"])
def test_what_is_no_key_is_refused(engine: Engine, key: Any) -> None:
    before = dict(engine.programs)
    with pytest.raises(InvalidRequest, match="is neither the absolute path of a program nor its name, nor an image"):
        engine.programs[key] = told
    assert dict(engine.programs) == before


def test_what_is_no_function_is_refused(engine: Engine) -> None:
    with pytest.raises(InvalidRequest, match="'/bin/x' is to be a function that takes a Process, not 'echo'"):
        engine.programs["/bin/x"] = "echo"  # type: ignore[assignment]
    assert "/bin/x" not in engine.programs
