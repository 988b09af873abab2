"""Figures of what a container really does, held against its cgroup's own; what a list costs; what volumes pass on. On runc."""

import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from patience import until

from podlink.engine.containers.request import ResourceRequest
from podlink.engine.linux import cgroups

pytestmark = pytest.mark.needs("root", "runc", "overlay")

MEBI = 2**20
LOOP = "trap exit TERM; while :; do sleep 0.1; done"


def told(container: Any, word: str) -> None:
    """Wait until it has written this line."""
    for batch in container.follow():
        if word in "".join(batch).splitlines():
            return
    raise AssertionError(f"it ended without saying {word}")


def used(bench: Any, container: Any) -> int:
    """Nanoseconds of processor time, by the kernel's count."""
    for place in cgroups.paths(f"/{bench.config.cgroup_parent}/{container.id}").values():
        if (place / "cpuacct.usage").exists():
            return int((place / "cpuacct.usage").read_text())
        if (place / "cpu.stat").exists() and "usage_usec" in (text := (place / "cpu.stat").read_text()):
            return int(text.split()[1]) * 1000
    raise AssertionError("nobody counts")


def test_a_busy_loop_has_the_share_that_its_cgroup_counts(real: Any) -> None:
    """How much of a processor it gets is the machine's affair: it is told what the kernel counts between the same moments."""
    container = real.run("/bin/sh", "-c", "echo ready; while :; do :; done", stop_signal=9)
    told(container, "ready")
    before = used(real, container)
    (_, start) = real.engine.host.baselines[container.id]
    early = time.time_ns()
    first = container.stats()
    after_first, after = used(real, container), time.time_ns()
    spent, passed = first.sample.cpu_nano - start.cpu_nano, first.sample.at - start.at
    assert start.cpu_nano > 0 and first.cpu == pytest.approx(spent * 100 / passed), "what runc did before is not the container's"
    until(lambda: used(real, container) >= after_first + 400_000_000)
    before_second, late = used(real, container), time.time_ns()
    second = container.stats()
    counted = second.sample.cpu_nano - first.sample.cpu_nano
    assert before_second - after_first <= counted <= used(real, container) - before
    lasted = second.sample.at - first.sample.at
    assert late - after <= lasted <= time.time_ns() - early
    assert second.cpu == pytest.approx(counted * 100 / lasted, rel=0.01)
    assert second.cpu > 0 and second.sample.system_nano <= second.sample.cpu_nano


@pytest.fixture
def disk() -> Iterator[str]:
    """A folder that is on no tmpfs, wherever temporary folders are: its files are memory of their own kind there."""
    with tempfile.TemporaryDirectory(dir="/var/tmp") as folder:
        yield folder


def test_memory_that_was_touched_is_counted_and_a_cache_of_files_is_not(real: Any, disk: str) -> None:
    script = f"echo ready; read go; dd if=/dev/zero of=/dev/shm/x bs=1M count=50 2>/dev/null; echo touched; {LOOP}"
    kept = f"dd if=/dev/zero of=/disk/file bs=1M count=30 2>/dev/null; {script}"
    room = ResourceRequest(shm_size=64 * MEBI)
    container = real.run("/bin/sh", "-c", kept, interactive=True, volumes=[f"{disk}:/disk"], resources=room)
    told(container, "ready")
    before = container.stats().sample.mem_usage
    assert before < 25 * MEBI
    with container.attach() as io:
        io.send(b"\n")
        told(container, "touched")
    # the kernel charges a cgroup in batches for each processor, and takes them back when it comes to it
    assert 48 * MEBI < container.stats().sample.mem_usage - before < 56 * MEBI


@pytest.mark.needs("nft")
def test_a_mebibyte_that_is_sent_is_counted_at_both_ends(real: Any) -> None:
    server = real.run("/bin/sh", "-c", f"echo ready; nc -l -p 9 | wc -c; {LOOP}", interactive=True)
    told(server, "ready")
    (address,) = server.inspect()["NetworkSettings"]["IPAddress"]
    send = f"dd if=/dev/zero bs=1k count=1024 2>/dev/null | nc {address} 9"
    client = real.run("/bin/sh", "-c", f"until {send}; do sleep 0.1; done; echo sent; {LOOP}")
    told(server, str(MEBI))
    told(client, "sent")
    assert MEBI <= client.stats().sample.net_output < 1.3 * MEBI and client.stats().sample.net_input < 0.3 * MEBI
    assert MEBI <= server.stats().sample.net_input < 1.3 * MEBI and server.stats().sample.net_output < 0.3 * MEBI


VISITS: list[Any] = []
COUNTING = 0
"""The thread whose visits count; 0 is none."""


def _count(event: str, arguments: tuple[object, ...]) -> None:
    if threading.get_ident() == COUNTING and event in ("os.scandir", "os.listdir"):
        VISITS.append(arguments[0])


@pytest.fixture
def visits() -> Iterator[list[Any]]:
    """The directories that this thread looks into meanwhile. A hook of this kind can't be taken out again."""
    global COUNTING
    if "hooked" not in globals():
        sys.addaudithook(_count)
        globals()["hooked"] = True
    VISITS.clear()
    COUNTING = threading.get_ident()
    yield VISITS
    COUNTING = 0


def test_a_list_looks_at_nothing_but_what_running_containers_changed(real: Any, visits: list[Any]) -> None:
    for _ in range(5):
        real.create("true")
    ended = real.run("/bin/sh", "-c", "mkdir -p /a/b/c; echo word > /a/b/c/file")
    ended.wait()
    ended.stop()  # whoever takes its lock next writes down how it ended
    visits.clear()
    sizes = {each.container.id: each.rw_size for each in real.engine.containers.list()}
    assert visits == [] and sizes[ended.id] == 5
    running = real.run("/bin/sh", "-c", f"mkdir -p /a/b; echo four > /a/b/file; echo ready; {LOOP}")
    told(running, "ready")
    visits.clear()
    sizes = {each.container.id: each.rw_size for each in real.engine.containers.list()}
    looked = [os.fsdecode(path).rstrip("/") for path in visits]
    upper = real.engine.host.storage.written(running.id)
    folders = {str(path) for path in (upper, *upper.rglob("*")) if path.is_dir()}
    assert sizes[running.id] == 5 and sorted(looked) == sorted(folders)


@pytest.fixture
def shared(tmp_path: Path) -> Iterator[Path]:
    """A directory whose mounts are passed on: mount_namespaces(7), SHARED SUBTREES."""
    place = tmp_path / "source"
    place.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "tmpfs", place], check=True)
    subprocess.run(["mount", "--make-shared", place], check=True)
    try:
        (place / "sub").mkdir()
        yield place
    finally:
        subprocess.run(["umount", "-R", place], check=True)


@pytest.mark.parametrize(
    ("option", "tag", "arrives"), [("rshared", "shared", True), ("rslave", "master", True), ("rprivate", "", False)]
)
def test_a_volume_passes_mounts_on_as_it_was_asked_to(real: Any, shared: Path, option: str, tag: str, arrives: bool) -> None:
    container = real.run("/bin/sh", "-c", LOOP, volumes=[f"{shared}:/data:{option}"])
    pid = container.summary().container.pid

    def seen(place: str) -> list[list[str]]:
        lines = [line.split() for line in Path(f"/proc/{pid}/mountinfo").read_text().splitlines()]
        return [line for line in lines if line[4] == place]

    ((*_, tags),) = [line[: line.index("-")] for line in seen("/data")]
    assert tags.partition(":")[0] == tag if tag else ":" not in tags.rpartition(",")[2]
    subprocess.run(["mount", "-t", "tmpfs", "later", shared / "sub"], check=True)
    assert bool(seen("/data/sub")) is arrives
