"""Limits: what is refused, and what is written."""

from dataclasses import replace

import pytest

from podlink.engine.errors import InvalidRequest
from podlink.engine.oci.spec.resources import resources, validate
from podlink.engine.oci.spec.values import ContainerConfig, DeviceValue, Resources


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("memory", -1),
        ("memory", 4096),
        ("memory", 2**63),
        ("cpu_shares", 1),
        ("cpu_shares", 262_145),
        ("cpu_shares", -5),
        ("cpu_period", 999),
        ("cpu_period", 1_000_001),
        ("cpu_quota", 999),
        ("cpu_quota", -2),
        ("pids_limit", -2),
        ("pids_limit", 4_194_305),
        ("memory_swap", 16 * 2**20),
        ("memory_swappiness", 101),
        ("blkio_weight", 9),
    ],
)
def test_a_limit_that_the_kernel_would_not_take_is_refused_by_name(field: str, value: int) -> None:
    with pytest.raises(InvalidRequest, match=rf"^resources\.{field}: {value} "):
        validate(replace(Resources(), **{field: value}))


@pytest.mark.parametrize(
    "limits",
    [
        Resources(),
        Resources(memory=4 * 2**20, cpu_shares=2, cpu_quota=1000, cpu_period=1000, pids_limit=1),
        Resources(cpu_quota=-1, pids_limit=-1),
    ],
)
def test_limits_within_bounds_pass(limits: Resources) -> None:
    validate(limits)


def test_what_is_not_limited_is_not_mentioned() -> None:
    assert resources(ContainerConfig(args=("true",))) == {"devices": [{"allow": False, "access": "rwm"}]}


def test_only_a_privileged_container_may_open_any_device() -> None:
    assert resources(ContainerConfig(args=("true",), privileged=True))["devices"] == [{"allow": True, "access": "rwm"}]


def test_every_limit_has_its_place() -> None:
    rate = (DeviceValue(8, 0, 1000),)
    asked = Resources(
        memory=8 * 2**20,
        memory_reservation=2**20,
        memory_swap=-1,
        memory_swappiness=0,
        cpu_rt_runtime=5,
        cpuset_cpus="0-1",
        blkio_weight=10,
        device_read_bps=rate,
        device_write_iops=rate,
    )
    found = resources(ContainerConfig(args=("true",), resources=asked))
    assert found["memory"] == {"limit": 8 * 2**20, "reservation": 2**20, "swap": -1, "swappiness": 0}
    assert found["cpu"] == {"realtimeRuntime": 5, "cpus": "0-1"}
    read = [{"major": 8, "minor": 0, "rate": 1000}]
    assert found["blockIO"] == {"weight": 10, "throttleReadBpsDevice": read, "throttleWriteIOPSDevice": read}
