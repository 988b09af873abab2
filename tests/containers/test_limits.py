"""Limits as they are asked for: what is taken, and what is refused by the name of its field."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from podlink.engine.containers.limits import CONTROLS, settle_limits, settle_oom_score, settle_rlimits
from podlink.engine.containers.request import ResourceRequest
from podlink.engine.errors import InvalidRequest, NotHonoured
from podlink.engine.linux import disks
from podlink.engine.oci.spec.values import HostFacts, Rlimit

ALL = frozenset(name for each in CONTROLS.values() for name in (*each.one, *each.two))
HOST = HostFacts(
    cgroup_version=1,
    controls=ALL,
    processors=frozenset({0, 1}),
    memory_nodes=frozenset({0}),
    rlimits=(Rlimit("RLIMIT_NOFILE", 1024, 20_000), Rlimit("RLIMIT_NPROC", 100, 2_000_000)),
)
MIGHTY = replace(HOST, capabilities=frozenset({"CAP_SYS_RESOURCE"}))


def test_nothing_asked_is_nothing_limited() -> None:
    found = settle_limits(ResourceRequest(memory_swappiness=-1), HOST)
    assert found == settle_limits(ResourceRequest(), replace(HOST, controls=frozenset({"none"})))


def test_cpus_are_a_quota_in_the_usual_period() -> None:
    found = settle_limits(ResourceRequest(cpus=1.5), HOST)
    assert (found.cpu_quota, found.cpu_period) == (150_000, 100_000)


@pytest.mark.parametrize(
    ("asked", "word"),
    [
        ({"cpus": 1.0, "cpu_quota": 5000}, "cpus"),
        ({"cpus": -1.0}, "cpus"),
        ({"cpuset_cpus": "0-"}, "cpuset_cpus"),
        ({"cpuset_cpus": "1-0"}, "cpuset_cpus"),
        ({"cpuset_cpus": "0-7"}, "cpuset_cpus"),
        ({"cpuset_mems": "3"}, "cpuset_mems"),
        ({"memory": 100}, "memory"),
        ({"memory": 2**24, "memory_swap": 2**23}, "memory_swap"),
        ({"memory": 2**24, "memory_reservation": 2**25}, "memory_reservation"),
        ({"memory_swappiness": 101}, "memory_swappiness"),
        ({"blkio_weight": 5}, "blkio_weight"),
        ({"blkio_weight_device": ["/dev/null:100"]}, "blkio_weight_device"),
        ({"device_read_bps": ["/nowhere:1mb"]}, "device_read_bps"),
        ({"device_read_bps": ["sda:1mb"]}, "device_read_bps"),
        ({"device_write_iops": ["/dev/sda:1mb"]}, "device_write_iops"),
    ],
)
def test_what_makes_no_sense_is_refused_by_name(asked: dict[str, Any], word: str) -> None:
    with pytest.raises(InvalidRequest, match=rf"^resources\.{word}: "):
        settle_limits(ResourceRequest(**asked), HOST)


@pytest.mark.parametrize(
    ("asked", "lacking"),
    [
        ({"blkio_weight": 100}, {"blkio.weight", "blkio.bfq.weight"}),
        ({"memory_swap": -1}, {"memory.memsw.limit_in_bytes"}),
        ({"memory_swappiness": 10}, {"memory.swappiness"}),
        ({"cpuset_cpus": "0"}, {"cpuset.cpus"}),
    ],
)
def test_a_control_that_this_kernel_lacks_is_refused_by_name(asked: dict[str, Any], lacking: set[str]) -> None:
    settle_limits(ResourceRequest(**asked), HOST)
    with pytest.raises(NotHonoured) as refusal:
        settle_limits(ResourceRequest(**asked), replace(HOST, controls=ALL - lacking))
    assert refusal.value.field == f"resources.{next(iter(asked))}"


def test_a_partition_is_refused_and_so_is_a_weight_that_no_scheduler_minds(monkeypatch: pytest.MonkeyPatch) -> None:
    disk = next((f"/dev/{path.name}" for path in sorted(Path("/sys/block").iterdir()) if Path(f"/dev/{path.name}").exists()), "")
    modern = replace(HOST, controls=ALL - {"blkio.weight", "blkio.weight_device"})
    weighed = ResourceRequest(blkio_weight_device=[f"{disk}:300"])
    for scheduler, host in (("none", HOST), ("bfq", modern), ("none", HostFacts(cgroup_version=1))):
        monkeypatch.setattr(disks, "scheduler", lambda number, name=scheduler: name)
        assert [each.value for each in settle_limits(weighed, host).blkio_weight_device] == [300]
    monkeypatch.setattr(disks, "scheduler", lambda number: "mq-deadline")
    with pytest.raises(NotHonoured, match=f"{disk} has the scheduler mq-deadline, which does not weigh"):
        settle_limits(weighed, modern)
    monkeypatch.setattr(disks, "is_partition", lambda number: True)
    with pytest.raises(InvalidRequest, match=r"resources\.device_read_bps: /dev/\w+ is a partition"):
        settle_limits(ResourceRequest(device_read_bps=[f"{disk}:1mb"]), HOST)


def test_what_version_2_has_no_control_for_is_refused_there() -> None:
    for name in ("memory_swappiness", "cpu_rt_period", "disable_oomkiller"):
        with pytest.raises(NotHonoured, match="cgroup version 2"):
            settle_limits(ResourceRequest(**{name: 10}), replace(HOST, cgroup_version=2))  # type: ignore[arg-type]


def test_kernel_memory_and_realtime_without_a_budget_are_refused() -> None:
    with pytest.raises(NotHonoured, match="kernel_memory"):
        settle_limits(ResourceRequest(kernel_memory=1), HOST)
    with pytest.raises(NotHonoured, match="cpu_rt_runtime"):
        settle_limits(ResourceRequest(cpu_rt_runtime=100), HOST)
    with pytest.raises(NotHonoured, match="cpu_rt_period"):
        settle_limits(ResourceRequest(cpu_rt_period=1000), replace(HOST, controls=HOST.controls - {"cpu.rt_period_us"}))
    budget = replace(HOST, realtime_budget=500)
    found = settle_limits(ResourceRequest(cpu_rt_runtime=100, cpu_rt_period=1000), budget)
    assert (found.cpu_rt_runtime, found.cpu_rt_period) == (100, 1000)


def test_a_default_is_as_high_as_it_goes_and_a_wish_is_refused() -> None:
    assert settle_rlimits([], HOST) == (
        Rlimit("RLIMIT_NOFILE", 20_000, 20_000),
        Rlimit("RLIMIT_NPROC", 1_048_576, 1_048_576),
    )
    assert Rlimit("RLIMIT_NOFILE", 1_048_576, 1_048_576) in settle_rlimits([], MIGHTY)
    assert Rlimit("RLIMIT_NOFILE", 10, 20) in settle_rlimits(["nofile=10:20"], HOST)
    assert Rlimit("RLIMIT_CORE", 2**64 - 1, 2**64 - 1) in settle_rlimits(["core=-1"], HOST)
    with pytest.raises(NotHonoured, match="nofile=30000"):
        settle_rlimits(["nofile=30000"], HOST)
    assert Rlimit("RLIMIT_NOFILE", 30_000, 30_000) in settle_rlimits(["nofile=30000"], MIGHTY)


@pytest.mark.parametrize("text", ["nofile", "files=1", "nofile=2:1", "nofile=x", "=1"])
def test_a_ulimit_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(InvalidRequest, match=r"resources\.ulimit"):
        settle_rlimits([text], HOST)


def test_the_score_of_the_killer_goes_up_freely_and_down_with_a_capability() -> None:
    assert settle_oom_score(0, HOST) is None and settle_oom_score(500, HOST) == 500
    assert settle_oom_score(-500, MIGHTY) == -500
    with pytest.raises(NotHonoured, match="oom_score_adj"):
        settle_oom_score(-500, HOST)
    with pytest.raises(InvalidRequest, match="1001"):
        settle_oom_score(1001, HOST)
