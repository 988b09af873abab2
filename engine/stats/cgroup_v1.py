"""Version 1: a file for each figure, a hierarchy for each controller. Kernel documentation, admin-guide/cgroup-v1/.

cpuacct.usage                     nanoseconds, user and kernel together
cpuacct.stat                      `user N` and `system N` in ticks
memory.usage_in_bytes             with the page cache that the container filled
memory.stat                       total_inactive_file: the part of that cache which the kernel takes back first
blkio.…io_service_bytes_recursive `8:0 Read 4096` a line for each device and operation, and a last `Total 4096`
"""

from collections.abc import Mapping

from podlink.engine.stats.usage import NANOSECONDS_PER_TICK, Usage, capped, counters, number

BLOCK_FILES = (
    "blkio.throttle.io_service_bytes_recursive",
    "blkio.bfq.io_service_bytes_recursive",
    "blkio.io_service_bytes_recursive",
)
"""Which of them counts depends on the kernel and on the I/O scheduler. The throttling layer sees all: it is first."""

PROCESSOR = ("cpuacct", "cpuacct.usage")
"""What `cpu_nano` wants to read: (controller, file)."""

FILES = (
    PROCESSOR,
    ("cpuacct", "cpuacct.stat"),
    ("memory", "memory.usage_in_bytes"),
    ("memory", "memory.limit_in_bytes"),
    ("memory", "memory.stat"),
    ("pids", "pids.current"),
    *(("blkio", name) for name in BLOCK_FILES),
)
"""What `usage` wants to read."""


def cpu_nano(texts: Mapping[str, str]) -> int:
    """User and kernel time together."""
    return number(texts.get("cpuacct.usage"))


def usage(texts: Mapping[str, str], host_memory: int) -> Usage:
    """The figures, from the files' texts by name. A file that is missing counts as 0: its controller may be switched off."""
    read, written = _transferred(texts)
    cache = counters(texts.get("memory.stat")).get("total_inactive_file", 0)
    return Usage(
        cpu_nano=cpu_nano(texts),
        system_nano=counters(texts.get("cpuacct.stat")).get("system", 0) * NANOSECONDS_PER_TICK,
        mem_usage=max(number(texts.get("memory.usage_in_bytes")) - cache, 0),
        mem_limit=capped(number(texts.get("memory.limit_in_bytes")), host_memory),
        block_input=read,
        block_output=written,
        pids=number(texts.get("pids.current")),
    )


def _transferred(texts: Mapping[str, str]) -> tuple[int, int]:
    """Bytes read from and written to block devices, from the first file that counted any."""
    for name in BLOCK_FILES:
        lines = [line.split() for line in texts.get(name, "").splitlines()]
        done = {kind: sum(int(words[2]) for words in lines if len(words) == 3 and words[1] == kind) for kind in ("Read", "Write")}
        if any(done.values()):
            return done["Read"], done["Write"]
    return 0, 0
