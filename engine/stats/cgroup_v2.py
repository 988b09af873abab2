"""Version 2: one hierarchy, named values. Kernel documentation, admin-guide/cgroup-v2.

cpu.stat         usage_usec, user_usec, system_usec
memory.current   with the page cache that the container filled; memory.stat: inactive_file
memory.max       a number, or `max`
io.stat          `8:0 rbytes=4096 wbytes=0 rios=1 …`, a line for each device
"""

from collections.abc import Mapping

from podlink.engine.stats.usage import Usage, capped, counters, number

PROCESSOR = ("unified", "cpu.stat")
"""What `cpu_nano` wants to read: (controller, file)."""

FILES = (
    PROCESSOR,
    *(("unified", name) for name in ("memory.current", "memory.max", "memory.stat", "io.stat", "pids.current")),
)
"""What `usage` wants to read."""


def cpu_nano(texts: Mapping[str, str]) -> int:
    """User and kernel time together."""
    return counters(texts.get("cpu.stat")).get("usage_usec", 0) * 1000


def usage(texts: Mapping[str, str], host_memory: int) -> Usage:
    """The figures, from the files' texts by name. A file that is missing counts as 0: its controller may be switched off."""
    cache = counters(texts.get("memory.stat")).get("inactive_file", 0)
    return Usage(
        cpu_nano=cpu_nano(texts),
        system_nano=counters(texts.get("cpu.stat")).get("system_usec", 0) * 1000,
        mem_usage=max(number(texts.get("memory.current")) - cache, 0),
        mem_limit=capped(number(texts.get("memory.max")), host_memory),
        block_input=_bytes(texts.get("io.stat"), "rbytes="),
        block_output=_bytes(texts.get("io.stat"), "wbytes="),
        pids=number(texts.get("pids.current")),
    )


def _bytes(text: str | None, key: str) -> int:
    """The sum over all devices of one key of io.stat."""
    return sum(int(word.removeprefix(key)) for word in (text or "").split() if word.startswith(key))
