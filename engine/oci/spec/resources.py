"""`linux.resources`: the limits of the container's cgroup. runtime-spec, config-linux.md, "Control groups".

memory.limit    beyond it the kernel reclaims, then kills inside the container
cpu.shares      a weight among neighbours, felt only when the CPUs are busy; 1024 is everybody's
cpu.quota       microseconds of CPU in each cpu.period: 50000 in 100000 is half a CPU, 200000 two
pids.limit      processes and threads
devices         who may open what; here the first rule, "nothing": the runtime adds the harmless ones after it
"""

from dataclasses import dataclass
from typing import Any

from podlink.engine.errors import InvalidRequest
from podlink.engine.oci.spec.values import Resources

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
    "cpu_shares": Bounds(2, 262_144, "as a weight"),
    "cpu_period": Bounds(1_000, 1_000_000, "microseconds"),
    "cpu_quota": Bounds(1_000, MOST, "microseconds", endless=True),
    "pids_limit": Bounds(1, 4_194_304, "processes and threads", endless=True),
}
"""By field of Resources. The kernel's: admin-guide/cgroup-v1/ and scheduler/sched-bwc of its documentation, PID_MAX_LIMIT."""


def validate(asked: Resources) -> None:
    """Raise InvalidRequest, naming the field, for a limit that the kernel would refuse or quietly change. 0 is no limit."""
    for name, bounds in BOUNDS.items():
        value: int = getattr(asked, name)
        if value and not bounds.hold(value):
            raise InvalidRequest(f"resources.{name}: {value} does not work; it takes {bounds}, or 0 for no limit")


def resources(asked: Resources, privileged: bool) -> dict[str, Any]:
    """The `linux.resources` object; what is not limited is not mentioned.

    Swap is left alone: a limit for it needs swap accounting, which a kernel may lack, and then nothing would start.
    """
    limits: dict[str, Any] = {"devices": [{"allow": privileged, "access": "rwm"}]}
    if asked.memory:
        limits["memory"] = {"limit": asked.memory}
    if processor := _cpu(asked):
        limits["cpu"] = processor
    if asked.pids_limit:
        limits["pids"] = {"limit": asked.pids_limit}
    return limits


def _cpu(asked: Resources) -> dict[str, int]:
    named = {"shares": asked.cpu_shares, "quota": asked.cpu_quota, "period": asked.cpu_period}
    return {name: value for name, value in named.items() if value}
