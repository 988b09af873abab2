"""/proc of this host, and of a tree made up for what this host does not show."""

import os
import stat
import subprocess
import time
from pathlib import Path

import pytest
from patience import until

from podlink.engine.linux import cgroups, facts, proc

STAT = "{pid} ({name}) {state} 1 7 7 34817 7 4194560 1 0 0 0 150 50 0 0 20 0 1 0 {start} 1 1 1 1 1 1 1 0 0 0 0 0 0 0 0 17 0"


def made_up(root: Path, pid: int, name: str, state: str = "S", start: int = 1000, command: bytes = b"") -> None:
    """A process of a made-up /proc."""
    folder = root / str(pid)
    folder.mkdir(parents=True)
    (folder / "stat").write_text(STAT.format(pid=pid, name=name, state=state, start=start))
    (folder / "status").write_text("Name:\tx\nUid:\t0\t4294967000\t0\t0\n")
    (folder / "cmdline").write_bytes(command)
    (root / "stat").write_text("cpu 1 2 3\nbtime 1700000000\n")
    (root / "sys/kernel/random").mkdir(parents=True, exist_ok=True)
    (root / "sys/kernel/random/boot_id").write_text("a-boot\n")


@pytest.mark.parametrize("name", ["sh", "a b", "a) S 1 2", "((", "))", "new\nline"])
def test_a_name_may_hold_anything(tmp_path: Path, name: str) -> None:
    made_up(tmp_path, 7, name, state="T", start=4242)
    assert proc.start_time(7, tmp_path) == 4242
    assert proc.state(7, tmp_path) == "T"
    assert proc.info(7, tmp_path).command == f"[{name}]"


def test_only_the_very_same_process_is_alive(tmp_path: Path) -> None:
    made_up(tmp_path, 7, "sh", start=1000)
    made_up(tmp_path, 8, "sh", start=1000, state="Z")
    assert proc.alive(7, 1000, "a-boot", tmp_path)
    assert not proc.alive(7, 999, "a-boot", tmp_path)
    assert not proc.alive(7, 1000, "another-boot", tmp_path)
    assert not proc.alive(8, 1000, "a-boot", tmp_path)
    assert not proc.alive(9, 1000, "a-boot", tmp_path)


def test_what_ps_would_tell(tmp_path: Path) -> None:
    made_up(tmp_path, 7, "sh", start=200, command=b"sh\0-c\0echo hi\0")
    assert proc.info(7, tmp_path) == proc.Info(
        pid=7,
        ppid=1,
        uid=4_294_967_000,
        cpu_time=2.0,
        started=1_700_000_002.0,
        tty="pts/1",
        command="sh -c echo hi",
    )


def test_a_process_that_is_gone_is_told_apart(tmp_path: Path) -> None:
    made_up(tmp_path, 7, "sh")
    with pytest.raises(ProcessLookupError):
        proc.info(8, tmp_path)


def test_this_process_is_seen_as_it_is() -> None:
    seen = proc.info(os.getpid())
    assert (seen.ppid, seen.uid) == (os.getppid(), os.geteuid())
    assert 0 <= time.time() - seen.started < 86_400
    assert proc.alive(os.getpid(), proc.start_time(os.getpid()), proc.boot_id())
    assert proc.namespaces(os.getpid())["net"] == str(Path("/proc/self/ns/net").readlink())[5:-1]


def test_a_zombie_is_not_alive() -> None:
    child = subprocess.Popen(["true"])
    until(lambda: proc.state(child.pid) == "Z")
    assert not proc.alive(child.pid, proc.start_time(child.pid), proc.boot_id())
    child.wait()
    assert proc.namespaces(child.pid) == dict.fromkeys(proc.NAMESPACES, "")


def test_memory_and_uptime_are_those_of_the_host() -> None:
    memory = proc.memory()
    assert 0 < memory.free < memory.total
    assert memory.total == os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    before = time.clock_gettime(time.CLOCK_BOOTTIME)
    assert before - 0.01 <= proc.uptime() <= time.clock_gettime(time.CLOCK_BOOTTIME) + 0.01


def test_the_bounding_set_is_read_by_name(tmp_path: Path) -> None:
    (tmp_path / "self").mkdir()
    (tmp_path / "self/status").write_text("Name:\tx\nCapBnd:\t0000000000000021\n")
    assert facts.bounding(tmp_path) == {"CAP_CHOWN", "CAP_KILL"}
    assert facts.bounding() <= set(facts.every_capability())


@pytest.mark.parametrize(
    ("actions", "can"), [("kill_process errno allow\n", True), ("kill_thread trap allow\n", False), (None, False)]
)
def test_filters_need_a_kernel_that_answers_with_an_errno(tmp_path: Path, actions: str | None, can: bool) -> None:
    if actions is not None:
        (tmp_path / "sys/kernel/seccomp").mkdir(parents=True)
        (tmp_path / "sys/kernel/seccomp/actions_avail").write_text(actions)
    assert facts.seccomp(tmp_path) is can


@pytest.mark.needs("root")
def test_devices_are_nodes_and_no_links_terminals_or_files(tmp_path: Path) -> None:
    for folder in ("pts", "net"):
        (tmp_path / folder).mkdir()
    for path, kind, number in (
        ("null", stat.S_IFCHR, (1, 3)),
        ("net/tun", stat.S_IFCHR, (10, 200)),
        ("pts/0", stat.S_IFCHR, (136, 0)),
    ):
        os.mknod(tmp_path / path, kind | 0o600, os.makedev(*number))
    os.mknod(tmp_path / "loop0", stat.S_IFBLK | 0o660, os.makedev(7, 0))
    (tmp_path / "link").symlink_to("null")
    (tmp_path / "file").touch()
    found = {
        device.path.removeprefix(f"{tmp_path}/"): (device.type, device.major, device.minor) for device in facts.devices(tmp_path)
    }
    assert found == {"loop0": ("b", 7, 0), "net/tun": ("c", 10, 200), "null": ("c", 1, 3)}


def test_this_host_is_read_in_one_go(cgroup_parent: str) -> None:
    found = facts.read(f"/{cgroup_parent}")
    assert found.cgroup_version == cgroups.version()
    assert found.architecture == os.uname().machine
    assert found.capabilities == facts.bounding()
