"""What a container has used, and the rate between two moments."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """Counters at one moment. Nanoseconds of CPU, bytes, counts; `at`: nanoseconds since the epoch."""

    at: int
    cpu_nano: int = 0
    """User and kernel time together."""
    system_nano: int = 0
    """Kernel time alone."""
    mem_usage: int = 0
    """Bytes in use, less the inactive page cache, as docker counts."""
    mem_limit: int = 0
    """Bytes; the host's memory where the container has no limit."""
    net_input: int = 0
    net_output: int = 0
    block_input: int = 0
    block_output: int = 0
    pids: int = 0


@dataclass(frozen=True, slots=True)
class Spent:
    """CPU time alone, at one moment: what a percentage counts from. As a Sample has it."""

    at: int
    cpu_nano: int = 0


def cpu_percent(now: Sample, since: Spent, cpus: int) -> float:
    """CPU use between two moments in percent of one CPU: 100.0 is one CPU kept busy, `cpus` × 100 all of them."""
    elapsed = now.at - since.at
    if elapsed <= 0:
        return 0.0
    return min(max(now.cpu_nano - since.cpu_nano, 0) / elapsed, float(cpus)) * 100
