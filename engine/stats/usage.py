"""What both versions of control groups tell of a container."""

from dataclasses import dataclass

NANOSECONDS_PER_TICK = 10**9 // 100
"""The kernel shows times to user space in hundredths of a second (USER_HZ), whatever its own clock does: time(7)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """The part of a `sample.Sample` that comes from the cgroup: same names, same units."""

    cpu_nano: int = 0
    system_nano: int = 0
    mem_usage: int = 0
    mem_limit: int = 0
    block_input: int = 0
    block_output: int = 0
    pids: int = 0


def number(text: str | None) -> int:
    """A file of one number; 0 where it is missing or says `max`."""
    word = (text or "").strip()
    return int(word) if word.isdecimal() else 0


def counters(text: str | None) -> dict[str, int]:
    """A file of `name number` lines, such as memory.stat and cpu.stat."""
    pairs = (line.split() for line in (text or "").splitlines())
    return {words[0]: int(words[1]) for words in pairs if len(words) == 2 and words[1].isdecimal()}


def capped(limit: int, host_memory: int) -> int:
    """A memory limit as a client understands it: none, or one beyond the host's memory, is the host's memory."""
    return min(limit, host_memory) if limit > 0 else host_memory
