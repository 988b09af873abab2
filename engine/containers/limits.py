"""Limits that a request asks for, checked against what this host's kernel can do, so that a refusal names its field.

Some fields need a control file that a kernel may be built without, or that one version of cgroups lacks; `CONTROLS` says which.
Where it is missing the field is refused here; the runtime would fail with a line of its own, or ignore it.
"""

import os
import re
import stat
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from pathlib import Path

from podlink.engine.containers.request import ResourceRequest
from podlink.engine.errors import InvalidRequest, NotHonoured
from podlink.engine.linux import disks
from podlink.engine.oci.spec.resources import validate
from podlink.engine.oci.spec.values import DeviceValue, HostFacts, Resources, Rlimit


@dataclass(frozen=True, slots=True)
class Controls:
    """The control files of which a field needs one, in version 1 and in version 2; none is "never there"."""

    one: tuple[str, ...]
    two: tuple[str, ...]


CONTROLS = {
    "memory": Controls(("memory.limit_in_bytes",), ("memory.max",)),
    "memory_reservation": Controls(("memory.soft_limit_in_bytes",), ("memory.low",)),
    "memory_swap": Controls(("memory.memsw.limit_in_bytes",), ("memory.swap.max",)),
    "memory_swappiness": Controls(("memory.swappiness",), ()),
    "disable_oomkiller": Controls(("memory.oom_control",), ()),
    "cpu_shares": Controls(("cpu.shares",), ("cpu.weight",)),
    "cpu_quota": Controls(("cpu.cfs_quota_us",), ("cpu.max",)),
    "cpu_period": Controls(("cpu.cfs_period_us",), ("cpu.max",)),
    "cpu_rt_runtime": Controls(("cpu.rt_runtime_us",), ()),
    "cpu_rt_period": Controls(("cpu.rt_period_us",), ()),
    "cpuset_cpus": Controls(("cpuset.cpus",), ("cpuset.cpus",)),
    "cpuset_mems": Controls(("cpuset.mems",), ("cpuset.mems",)),
    "pids_limit": Controls(("pids.max",), ("pids.max",)),
    "blkio_weight": Controls(("blkio.weight", "blkio.bfq.weight"), ("io.weight", "io.bfq.weight")),
    "blkio_weight_device": Controls(("blkio.weight_device", "blkio.bfq.weight_device"), ("io.bfq.weight",)),
    "device_read_bps": Controls(("blkio.throttle.read_bps_device",), ("io.max",)),
    "device_write_bps": Controls(("blkio.throttle.write_bps_device",), ("io.max",)),
    "device_read_iops": Controls(("blkio.throttle.read_iops_device",), ("io.max",)),
    "device_write_iops": Controls(("blkio.throttle.write_iops_device",), ("io.max",)),
}
BFQ = frozenset({"blkio.bfq.weight_device", "io.bfq.weight"})
"""Where the kernel keeps a disk's weight for its scheduler of this name."""
PERIOD = 100_000
"""Microseconds: the period in which `cpus` is counted, and the kernel's own default."""
UNITS = {"": 1, "b": 1, "k": 2**10, "m": 2**20, "g": 2**30, "t": 2**40}
RATES = ("device_read_bps", "device_write_bps", "device_read_iops", "device_write_iops")
RLIMITS = "as core cpu data fsize locks memlock msgqueue nice nofile nproc rss rtprio rttime sigpending stack".split()
"""getrlimit(2)."""
ENDLESS = 2**64 - 1
PLENTY = 1_048_576
"""Open files and processes that a container may have where the host lets us say so: as with podman."""


def settle_limits(asked: ResourceRequest, facts: HostFacts) -> Resources:
    """The limits of the container's cgroup. Raises InvalidRequest and NotHonoured, naming the field."""
    if asked.kernel_memory:
        raise NotHonoured("resources.kernel_memory", "the runtime ignores it and new kernels lack it; limit memory instead")
    quota, period = _processor_time(asked)
    found = Resources(
        memory=asked.memory,
        memory_reservation=asked.memory_reservation,
        memory_swap=asked.memory_swap,
        memory_swappiness=asked.memory_swappiness if asked.memory_swappiness not in (0, -1) else None,
        disable_oomkiller=asked.disable_oomkiller,
        cpu_shares=asked.cpu_shares,
        cpu_quota=quota,
        cpu_period=period,
        cpu_rt_runtime=asked.cpu_rt_runtime,
        cpu_rt_period=asked.cpu_rt_period,
        cpuset_cpus=_listed("cpuset_cpus", asked.cpuset_cpus, facts.processors),
        cpuset_mems=_listed("cpuset_mems", asked.cpuset_mems, facts.memory_nodes),
        pids_limit=asked.pids_limit,
        blkio_weight=asked.blkio_weight,
        blkio_weight_device=_figures("blkio_weight_device", asked.blkio_weight_device, facts),
        **{name: _figures(name, getattr(asked, name), facts) for name in RATES},
    )
    validate(found)
    _require_controls(found, facts)
    if found.cpu_rt_runtime > facts.realtime_budget:
        left = f"{facts.realtime_budget} microseconds of realtime in each period are left in the cgroup above the containers'"
        raise NotHonoured("resources.cpu_rt_runtime", f"{left}; give it some in cpu.rt_runtime_us, from the root down")
    return found


def _require_controls(found: Resources, facts: HostFacts) -> None:
    if not facts.controls:  # not known: the runtime has the last word
        return
    for each in fields(found):
        needed = CONTROLS[each.name].one if facts.cgroup_version == 1 else CONTROLS[each.name].two
        if getattr(found, each.name) and not facts.controls.intersection(needed):
            what = f"this kernel has no {' or '.join(needed)}" if needed else f"cgroup version {facts.cgroup_version} has no such"
            raise NotHonoured(f"resources.{each.name}", f"{what} control; leave it out")


def _processor_time(asked: ResourceRequest) -> tuple[int, int]:
    """Quota and period; `cpus` is a short way to say both."""
    if not asked.cpus:
        return asked.cpu_quota, asked.cpu_period
    if asked.cpu_quota or asked.cpu_period:
        raise InvalidRequest("resources.cpus: cpu_quota and cpu_period say the same in another way; give one or the other")
    if not 0.01 <= asked.cpus <= 10_000:
        raise InvalidRequest(f"resources.cpus: {asked.cpus} does not work; it takes 0.01 to as many as there are")
    return round(asked.cpus * PERIOD), PERIOD


def _listed(field: str, text: str, there: frozenset[int]) -> str:
    """A list of CPUs or memory nodes, `0-2,5`; each must be there. there: empty where that is not known."""
    if not text:
        return ""
    if not re.fullmatch(r"\d{1,6}(-\d{1,6})?(,\d{1,6}(-\d{1,6})?)*", text):
        raise InvalidRequest(f"resources.{field}: {text!r} is not a list of numbers and ranges such as 0-2,5")
    spans = [[int(word) for word in part.split("-")] for part in text.split(",")]
    if any(span[0] > span[-1] for span in spans):
        raise InvalidRequest(f"resources.{field}: a range in {text!r} runs backwards")
    beyond = [number for span in spans for number in range(span[0], span[-1] + 1) if there and number not in there]
    if beyond:
        raise InvalidRequest(f"resources.{field}: {beyond[0]} is not there; this host has {', '.join(map(str, sorted(there)))}")
    return text


def _figures(field: str, asked: Iterable[str], facts: HostFacts) -> tuple[DeviceValue, ...]:
    return tuple(_figure(field, text, facts) for text in asked)


def _figure(field: str, text: str, facts: HostFacts) -> DeviceValue:
    """`/dev/sda:10mb`: a block device and its figure; sizes may have a unit."""
    path, _, figure = text.rpartition(":")
    found = re.fullmatch(r"(\d{1,19})([bkmgt]?)b?" if field.endswith("bps") else r"(\d{1,19})()", figure.lower())
    if not path.startswith("/") or not found:
        raise InvalidRequest(f"resources.{field}: {text!r} is not DEVICE:NUMBER such as /dev/sda:1000")
    value = int(found[1]) * UNITS[found[2]]
    if field == "blkio_weight_device" and not 10 <= value <= 1000:
        raise InvalidRequest(f"resources.{field}: the weight {value} in {text!r} is not from 10 to 1000")
    try:
        status = Path(path).stat()
    except OSError as error:
        raise InvalidRequest(f"resources.{field}: {path}: {error.strerror}") from None
    if not stat.S_ISBLK(status.st_mode):
        raise InvalidRequest(f"resources.{field}: {path} is not a block device")
    if facts.controls:
        _require_disk(field, path, status.st_rdev, facts.controls)
    return DeviceValue(os.major(status.st_rdev), os.minor(status.st_rdev), value)


def _require_disk(field: str, path: str, number: int, controls: frozenset[str]) -> None:
    """The kernel limits whole disks, and weighs those whose scheduler does: BFQ, or CFQ, which old kernels had for all."""
    if disks.is_partition(number):
        raise InvalidRequest(f"resources.{field}: {path} is a partition, and limits are for whole disks; name its disk")
    if field == "blkio_weight_device" and controls & BFQ and "blkio.weight_device" not in controls:
        used = disks.scheduler(number)
        if used != "bfq":
            way = f"write bfq to /sys/dev/block/{os.major(number)}:{os.minor(number)}/queue/scheduler, or leave it out"
            raise NotHonoured(f"resources.{field}", f"{path} has the scheduler {used}, which does not weigh; {way}")


def settle_rlimits(asked: Sequence[str], facts: HostFacts) -> tuple[Rlimit, ...]:
    """The limits of each process: those that are asked for, and plenty of files and processes where nothing is said.

    A default that the host does not let us raise is as high as it goes; one that was asked for is refused.
    """
    own = {each.kind: each for each in facts.rlimits}
    wanted = {each.kind: each for each in map(_rlimit, asked)}
    for each in wanted.values():
        if each.kind in own and each.hard > own[each.kind].hard and not _may_raise(facts):
            most = own[each.kind].hard
            name = each.kind.removeprefix("RLIMIT_").lower()
            raise NotHonoured("resources.ulimit", f"{name}={each.hard} is above the hard limit of this service, {most}")
    for kind in ("RLIMIT_NOFILE", "RLIMIT_NPROC"):
        if kind in own and kind not in wanted:
            most = PLENTY if _may_raise(facts) else min(PLENTY, own[kind].hard)
            wanted[kind] = Rlimit(kind, most, most)
    return tuple(wanted[kind] for kind in sorted(wanted))


def _rlimit(text: str) -> Rlimit:
    found = re.fullmatch(r"([a-z]+)=(-1|\d{1,19})(?::(-1|\d{1,19}))?", text.lower())
    if not found or found[1] not in RLIMITS:
        raise InvalidRequest(f"resources.ulimit: {text!r} is not NAME=SOFT[:HARD] with a name of {', '.join(RLIMITS)}")
    soft, hard = (ENDLESS if word == "-1" else int(word) for word in (found[2], found[3] or found[2]))
    if soft > hard:
        raise InvalidRequest(f"resources.ulimit: the soft limit in {text!r} is above the hard one")
    return Rlimit(f"RLIMIT_{found[1].upper()}", soft, hard)


def settle_oom_score(asked: int, facts: HostFacts) -> int | None:
    """The place in the queue of the out-of-memory killer: proc_pid_oom_score_adj(5). 0 is not asked."""
    if not -1000 <= asked <= 1000:
        raise InvalidRequest(f"resources.oom_score_adj: {asked} is not from -1000 to 1000")
    if asked < facts.oom_score_adj and asked and not _may_raise(facts):
        own = f"below the service's own {facts.oom_score_adj}, which takes CAP_SYS_RESOURCE, and it lacks that"
        raise NotHonoured("resources.oom_score_adj", f"{asked} is {own}")
    return asked or None


def _may_raise(facts: HostFacts) -> bool:
    return "CAP_SYS_RESOURCE" in facts.capabilities
