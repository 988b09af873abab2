"""ListContainerProcesses with options of ps: the container's processes and nobody else's, by the names that they have inside."""

import os
from pathlib import Path
from typing import Any

import pytest

from podlink.engine.errors import ErrorOccurred, InvalidState
from podlink.engine.linux import cgroups
from podlink.engine.runtime.ps_options import Options, parse

on_the_host = pytest.mark.needs("root", "runc", "overlay")
WAITS = ("/bin/sh", "-c", "trap exit TERM; sleep 1000 & echo ready; wait")
PASSWD = "root:x:0:0:::\nchief:x:1000:1000:::\n"
PRESETS = (["-f"], ["-F"], ["-l"], ["aux"], ["-aux"], ["u"], ["l"], ["j"], ["-ef"], ["--forest", "-f"], ["-e", "--sort=-pid"])


def table(container: Any, *options: str) -> list[list[str]]:
    return [line.split() for line in container.processes(options)]


def ready(bench: Any, **fields: Any) -> Any:
    container = bench.run(*WAITS, **fields)
    for batch in container.follow():
        if "ready" in "".join(batch):
            break
    return container


def pids(container: Any) -> list[str]:
    return [row.split()[1] for row in container.processes()[1:]]


@pytest.mark.parametrize(
    ("options", "choice", "shown"),
    [
        (["-ef"], [], ["-f"]),
        (["aux"], [], ["u"]),
        (["-aux"], [], ["u"]),
        (["-eo", "pid,comm"], [], ["-o", "pid,comm"]),
        (["-opid"], [], ["-o", "pid"]),
        (["axo", "pid"], [], ["o", "pid"]),
        (["-f", "-C", "sh"], ["-C", "sh"], ["-f"]),
        (["-fCsh"], ["-C", "sh"], ["-f"]),
        (["-N", "--pid", "1,2", "--sort=-pid"], ["-N", "--pid", "1,2"], ["--sort=-pid"]),
        (["17"], ["--pid", "17"], []),
        (["--user=ada", "--no-headers"], ["--user=ada"], ["--no-headers"]),
        (["-e", "-u", "ada"], [], []),
        (["--sort", "-e"], [], ["--sort", "-e"]),
    ],
)
def test_options_are_taken_apart_as_ps_understands_them(options: list[str], choice: list[str], shown: list[str]) -> None:
    assert parse(options) == Options(tuple(choice), tuple(shown))


@on_the_host
@pytest.mark.parametrize("fields", [{}, {"user": "ada"}, {"user": "ada", "tty": True}, {"uidmap": ["0:100000:65536"]}])
def test_whoever_runs_it_and_wherever_it_is_shown_in_every_form(real: Any, fields: dict[str, Any]) -> None:
    """Whatever user, terminal and namespace; and of the host's other processes nothing is ever seen."""
    container = ready(real, **fields)
    mine, (name, number) = pids(container), ("ada", "1000") if fields.get("user") else ("root", "0")
    assert len(mine) == 2
    for options in PRESETS:
        header, *rows = table(container, *options)
        assert sorted((row[header.index("PID")] for row in rows), key=int) == mine, options
        if column := next((each for each in ("USER", "UID") if each in header), ""):
            assert {row[header.index(column)] for row in rows} in ({name}, {number}), options
    assert table(container, "-o", "user,uid,comm") == [["USER", "UID", "COMMAND"], [name, number, "sh"], [name, number, "sleep"]]
    assert {row.split()[0] for row in container.processes()[1:]} == {number}
    terminal = "pts/0" if fields.get("tty") else "?"
    assert table(container, "-o", "tty=") == [[terminal]] * 2 and container.processes()[1].split()[5] == terminal


@on_the_host
def test_names_are_those_of_the_containers_own_files(real: Any) -> None:
    container = ready(real, user="1000")
    with real.engine.host.storage.seen(container.id) as root:
        (root / "etc/passwd").write_text(PASSWD + "bad name:x:1000:1000:::\nnobody:x:99999999999:1:::\n")
        assert table(container, "-o", "user=") == [["chief"]] * 2
        assert len(table(container, "-u", "chief")) == 3
        with pytest.raises(ErrorOccurred, match="user name does not exist"):
            container.processes(["-u", "ada"])
        (root / "etc/passwd").unlink()
        (root / "etc/passwd").symlink_to("/proc/self/root/etc/passwd")
        assert table(container, "-o", "user=") == [["1000"]] * 2
        (root / "etc/passwd").unlink()
        os.mkfifo(root / "etc/passwd")
        assert table(container, "-o", "user=") == [["1000"]] * 2
    assert "chief" not in Path("/etc/passwd").read_text() and list(real.config.runroot.glob("ps-*")) == []


@on_the_host
def test_processes_of_the_host_can_not_be_asked_for(real: Any) -> None:
    container = ready(real)
    assert table(container, "-p", f"1,{os.getpid()}", "-o", "pid") == [["PID"]]
    assert table(container, "-N", "-p", "1", "-o", "pid") == [["PID"], *([each] for each in pids(container))]
    container.kill(9)
    container.wait()
    with pytest.raises(InvalidState, match="it is exited"):
        container.processes(["-f"])


@on_the_host
def test_a_list_of_the_kernels_that_is_short_lacks_no_init(real: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    container = ready(real)
    (init, *_) = pids(container)
    monkeypatch.setattr(cgroups, "processes", lambda cgroup: [])
    assert table(container, "-o", "pid") == [["PID"], [init]]


def test_a_word_with_a_nul_is_no_option(bench: Any) -> None:
    container = bench.run("/bin/sh", "-c", "while :; do sleep 0.1; done")
    with pytest.raises(ErrorOccurred, match="opts: a word holds a NUL"):
        container.processes(["-o", "pid\0"])
