"""`linux.resources`: the limits of the container's cgroup. runtime-spec, config-linux.md, "Control groups".

memory.limit        beyond it the kernel reclaims, then kills inside the container
memory.swap         memory and swap together
memory.reservation  what the kernel brings it down to when the host itself is short
cpu.shares          a weight among neighbours, felt only when the CPUs are busy; 1024 is everybody's
cpu.quota           microseconds of CPU in each cpu.period: 50000 in 100000 is half a CPU, 200000 two
pids.limit          processes and threads
blockIO             weights among neighbours, and bytes or operations a second, by device
devices             who may open what; the first rule is "nothing": the runtime adds the harmless ones after it

The figures are those of cgroup version 1; for version 2 the runtime converts them, as runc's documentation says (shares to
weight, memory.swap to swap alone).
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from podlink.engine.errors import InvalidRequest
from podlink.engine.oci.spec.values import ContainerConfig, Device, DeviceValue, Resources

MOST = 2**63 - 1


@dataclass(frozen=True, slots=True)
class Bounds:
    """What the kernel takes for a limit. endless: whether -1 is taken too, an older command line's word for "no limit"."""

    least: int
    most: int
    unit: str
    endless: bool = False

    def hold(self, value: int) -> bool:
        return self.least <= value <= self.most or (self.endless and value == -1)

    def __str__(self) -> str:
        span = f"at least {self.least}" if self.most == MOST else f"{self.least} to {self.most}"
        return f"{span} {self.unit}" + (", or -1" if self.endless else "")


BOUNDS = {
    "memory": Bounds(4 * 2**20, MOST, "bytes (4 MiB: the runtime's own start needs as much)"),
    "memory_reservation": Bounds(4096, MOST, "bytes"),
    "memory_swap": Bounds(4 * 2**20, MOST, "bytes, memory included", endless=True),
    "memory_swappiness": Bounds(0, 100, "percent"),
    "cpu_shares": Bounds(2, 262_144, "as a weight"),
    "cpu_period": Bounds(1_000, 1_000_000, "microseconds"),
    "cpu_quota": Bounds(1_000, MOST, "microseconds", endless=True),
    "cpu_rt_period": Bounds(1, MOST, "microseconds"),
    "cpu_rt_runtime": Bounds(1, MOST, "microseconds"),
    "pids_limit": Bounds(1, 4_194_304, "processes and threads", endless=True),
    "blkio_weight": Bounds(10, 1000, "as a weight"),
}
"""By field of Resources. The kernel's: admin-guide/cgroup-v1/ and scheduler/sched-bwc of its documentation, PID_MAX_LIMIT."""


def validate(asked: Resources) -> None:
    """Raise InvalidRequest, naming the field, for a limit that the kernel would refuse or quietly change. 0 is no limit."""
    for name, bounds in BOUNDS.items():
        value: int | None = getattr(asked, name)
        if value and not bounds.hold(value):
            raise InvalidRequest(f"resources.{name}: {value} does not work; it takes {bounds}, or 0 for no limit")
    if asked.memory_swap > 0 and not 0 < asked.memory <= asked.memory_swap:
        raise InvalidRequest(
            f"resources.memory_swap: {asked.memory_swap} is memory and swap together, so it takes a limit of memory "
            f"that is not larger; memory is {asked.memory}"
        )
    if asked.memory and asked.memory_reservation > asked.memory:
        raise InvalidRequest(
            f"resources.memory_reservation: {asked.memory_reservation} is more than the limit of memory, {asked.memory}"
        )


def resources(config: ContainerConfig) -> dict[str, Any]:
    """The `linux.resources` object; what is not limited is not mentioned.

    Swap is left alone unless it is asked for: its limit needs swap accounting, which a kernel may lack.
    """
    asked = config.resources
    parts = {"memory": _memory(asked), "cpu": _cpu(asked), "blockIO": _block(asked)}
    limits: dict[str, Any] = {"devices": [{"allow": config.privileged, "access": "rwm"}, *map(_grant, config.devices)]}
    limits |= {name: part for name, part in parts.items() if part}
    if asked.pids_limit:
        limits["pids"] = {"limit": asked.pids_limit}
    return limits


def _memory(asked: Resources) -> dict[str, Any]:
    named: dict[str, Any] = {
        "limit": asked.memory or None,
        "reservation": asked.memory_reservation or None,
        "swap": asked.memory_swap or None,
        "swappiness": asked.memory_swappiness,
        "disableOOMKiller": asked.disable_oomkiller or None,
    }
    return {name: value for name, value in named.items() if value is not None}


def _cpu(asked: Resources) -> dict[str, Any]:
    named: dict[str, Any] = {
        "shares": asked.cpu_shares,
        "quota": asked.cpu_quota,
        "period": asked.cpu_period,
        "realtimeRuntime": asked.cpu_rt_runtime,
        "realtimePeriod": asked.cpu_rt_period,
        "cpus": asked.cpuset_cpus,
        "mems": asked.cpuset_mems,
    }
    return {name: value for name, value in named.items() if value}


def _block(asked: Resources) -> dict[str, Any]:
    named: dict[str, Any] = {
        "weight": asked.blkio_weight,
        "weightDevice": _by_device("weight", asked.blkio_weight_device),
        "throttleReadBpsDevice": _by_device("rate", asked.device_read_bps),
        "throttleWriteBpsDevice": _by_device("rate", asked.device_write_bps),
        "throttleReadIOPSDevice": _by_device("rate", asked.device_read_iops),
        "throttleWriteIOPSDevice": _by_device("rate", asked.device_write_iops),
    }
    return {name: value for name, value in named.items() if value}


def _by_device(figure: str, values: Iterable[DeviceValue]) -> list[dict[str, int]]:
    return [{"major": each.major, "minor": each.minor, figure: each.value} for each in values]


def _grant(device: Device) -> dict[str, Any]:
    return {"allow": True, "type": device.type, "major": device.major, "minor": device.minor, "access": device.access}
