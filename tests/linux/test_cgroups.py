"""Control groups: on a real hierarchy where there is one, on a made-up tree where the files alone matter."""

import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import own_cgroups
import pytest
from patience import patience, until

from podlink.engine.linux import cgroups, proc
from podlink.engine.stats import cgroup_v1, cgroup_v2
from podlink.engine.stats.usage import Usage

UNIFIED = Path("/sys/fs/cgroup/unified")
ROOTS = [root for root in (cgroups.ROOT, UNIFIED) if (root / "cgroup.procs").exists() or (root / "freezer").exists()]

pytestmark = pytest.mark.needs("root")


@pytest.fixture(params=ROOTS, ids=str)
def root(request: pytest.FixtureRequest) -> Path:
    """Each kind of hierarchy that this host has: version 1 and, where it is hybrid, the version 2 beside it."""
    chosen: Path = request.param
    return chosen


@pytest.fixture
def cgroup(root: Path) -> Iterator[str]:
    """A cgroup of our own, whose parent goes with it."""
    parent = f"/{own_cgroups.new_parent()}"
    yield f"{parent}/inner"
    cgroups.thaw(parent, root)
    cgroups.kill_all(parent, root)
    cgroups.remove(parent, root)


@contextmanager
def busy() -> Iterator[subprocess.Popen[bytes]]:
    """A process that takes all the time that it gets."""
    with subprocess.Popen(["sh", "-c", "while :; do :; done"]) as process:
        try:
            yield process
        finally:
            process.kill()


@pytest.fixture
def sleeper() -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen(["sleep", "300"], stdin=subprocess.DEVNULL) as process:
        yield process
        process.kill()


def test_a_process_joins_every_hierarchy_and_is_found_there(root: Path, cgroup: str, sleeper: subprocess.Popen[bytes]) -> None:
    cgroups.join(cgroup, sleeper.pid, root)
    assert cgroups.processes(cgroup, root) == [sleeper.pid]
    assert cgroups.processes(str(Path(cgroup).parent), root) == [sleeper.pid]
    for path in cgroups.paths(cgroup, root).values():
        assert (path / "cgroup.procs").read_text() == f"{sleeper.pid}\n"


def test_frozen_processes_stand_still_until_thawed(root: Path, cgroup: str) -> None:
    with busy() as process, busy() as beside:
        cgroups.join(cgroup, process.pid, root)
        until(lambda: proc.info(process.pid).cpu_time)
        cgroups.freeze(cgroup, root=root)
        assert cgroups.frozen(cgroup, root)
        before, before_beside = (proc.info(each.pid).cpu_time for each in (process, beside))
        until(lambda: proc.info(beside.pid).cpu_time > before_beside + 0.1)
        assert proc.info(process.pid).cpu_time == before
        cgroups.thaw(cgroup, root)
        assert not cgroups.frozen(cgroup, root)
        until(lambda: proc.info(process.pid).cpu_time > before)


@pytest.mark.parametrize("frozen", [False, True])
def test_kill_all_ends_every_process_frozen_or_not(root: Path, cgroup: str, frozen: bool) -> None:
    script = "echo ready; read go; sleep 300 & sleep 300 & exec sleep 300"
    with subprocess.Popen(["sh", "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as shell:
        assert shell.stdin and shell.stdout
        shell.stdout.readline()
        cgroups.join(cgroup, shell.pid, root)
        shell.stdin.write(b"go\n")
        shell.stdin.close()
        until(lambda: len(cgroups.processes(cgroup, root)) == 3)
        if frozen:
            cgroups.freeze(cgroup, root=root)
        cgroups.kill_all(cgroup, root)
        assert cgroups.processes(cgroup, root) == []
        assert shell.wait(patience()) == -9


def test_kill_all_refuses_to_end_its_caller(root: Path, cgroup: str) -> None:
    child = os.fork()
    if child == 0:
        cgroups.join(cgroup, os.getpid(), root)
        try:
            cgroups.kill_all(cgroup, root)
        except ValueError:
            os._exit(7)
        os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7


def test_remove_takes_the_whole_branch_and_again_is_no_error(root: Path, cgroup: str, sleeper: subprocess.Popen[bytes]) -> None:
    cgroups.join(f"{cgroup}/deep/deeper", sleeper.pid, root)
    cgroups.kill_all(cgroup, root)
    cgroups.remove(cgroup, root)
    assert not any(path.exists() for path in cgroups.paths(cgroup, root).values())
    cgroups.remove(cgroup, root)
    cgroups.kill_all(cgroup, root)


def test_a_busy_cgroup_is_not_removed(
    root: Path, cgroup: str, sleeper: subprocess.Popen[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cgroups, "PATIENCE", 0.05)
    cgroups.join(cgroup, sleeper.pid, root)
    with pytest.raises(TimeoutError, match="to be let go"):
        cgroups.remove(cgroup, root)
    monkeypatch.undo()


def test_the_figures_of_a_real_cgroup_are_read(root: Path, cgroup: str) -> None:
    part = cgroup_v2 if cgroups.version(root) == 2 else cgroup_v1

    def figures() -> Usage:
        return part.usage(cgroups.texts(cgroup, part.FILES, root), proc.memory().total)

    began = time.monotonic_ns()
    with busy() as process:
        cgroups.join(cgroup, process.pid, root)
        until(lambda: figures().cpu_nano > 10**7)
        usage = figures()
    assert 10**7 < usage.cpu_nano < time.monotonic_ns() - began, "one process has no more than one processor"
    assert usage.mem_limit == proc.memory().total
    if part is cgroup_v1:  # the version 2 of a hybrid host counts CPU time alone
        assert usage.pids == 1


@pytest.mark.skipif(cgroups.version() == 2, reason="limits by the files of version 1")
def test_a_death_for_want_of_memory_is_seen() -> None:
    cgroup = f"/{own_cgroups.new_parent()}"
    folder = cgroups.paths(cgroup)["memory"]
    folder.mkdir()
    try:
        (folder / "memory.limit_in_bytes").write_text(str(8 * 2**20))
        assert not cgroups.oom_killed(cgroup)
        hungry = ["sh", "-c", f"echo $$ > {folder}/cgroup.procs; exec tail /dev/zero"]
        assert subprocess.run(hungry, capture_output=True, timeout=patience()).returncode == -9
        assert cgroups.oom_killed(cgroup)
    finally:
        cgroups.remove(cgroup)


def test_a_process_that_forks_without_end_is_killed_all_the_same(root: Path, cgroup: str) -> None:
    script = "read go; while :; do sleep 0.01 & done"
    with subprocess.Popen(["sh", "-c", script], stdin=subprocess.PIPE, stderr=subprocess.DEVNULL) as shell:
        assert shell.stdin
        cgroups.join(cgroup, shell.pid, root)
        shell.stdin.write(b"go\n")
        shell.stdin.close()
        until(lambda: len(cgroups.processes(cgroup, root)) > 3)
        cgroups.kill_all(cgroup, root)
        assert cgroups.processes(cgroup, root) == []


@pytest.mark.parametrize("path", ["/", "", "relative", "/a/../b", "/a//b", "/a/", "/./a", "/a\0b"])
def test_only_a_path_below_the_root_is_a_cgroup(path: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="not the path of a cgroup"):
        cgroups.kill_all(path, tmp_path)


@pytest.fixture
def version_2(tmp_path: Path) -> Path:
    """A tree with the files of a version 2 hierarchy and a container's cgroup."""
    (tmp_path / "cgroup.controllers").write_text("cpu memory pids\n")
    container = tmp_path / "podlink" / "c"
    container.mkdir(parents=True)
    (container / "cgroup.events").write_text("populated 1\nfrozen 1\n")
    (container / "memory.events").write_text("low 0\noom 1\noom_kill 1\n")
    (container / "cpu.stat").write_text("usage_usec 5\nsystem_usec 2\n")
    return tmp_path


def test_version_2_is_known_by_its_controllers_file(version_2: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    assert cgroups.version(version_2) == 2
    assert cgroups.version(tmp_path_factory.mktemp("v1")) == 1
    assert cgroups.paths("/podlink/c", version_2) == {"unified": version_2 / "podlink/c"}


def test_version_2_tells_of_its_processes_in_event_files(version_2: Path) -> None:
    assert cgroups.oom_killed("/podlink/c", version_2)
    assert cgroups.frozen("/podlink/c", version_2)
    assert cgroup_v2.usage(cgroups.texts("/podlink/c", cgroup_v2.FILES, version_2), 1).cpu_nano == 5000


def test_what_is_missing_is_no_error(version_2: Path) -> None:
    assert cgroups.read(version_2 / "absent") is None
    assert cgroups.texts("/podlink/gone", cgroup_v2.FILES, version_2) == {}
    assert cgroups.processes("/podlink/gone", version_2) == []
    assert not cgroups.oom_killed("/podlink/gone", version_2)


def test_controllers_that_share_a_hierarchy_are_found_by_either_name(tmp_path: Path) -> None:
    (tmp_path / "cpu,cpuacct").mkdir()
    (tmp_path / "cpu,cpuacct" / "cgroup.procs").touch()
    (tmp_path / "cpu").symlink_to("cpu,cpuacct")
    found = cgroups.paths("/c", tmp_path)
    assert found["cpu"] == found["cpuacct"] == tmp_path / "cpu,cpuacct" / "c"
