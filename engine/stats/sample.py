"""What a container has used, and from two such samples a rate."""

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


def cpu_percent(now: Sample, since_at: int, since_cpu: int, cpus: int) -> float:
    """CPU use between two moments in percent of one CPU: 100.0 is one CPU kept busy, `cpus` × 100 all of them.

    since_at: nanoseconds since the epoch; since_cpu: CPU nanoseconds used by then (0 for the container's start).
    """
    elapsed = now.at - since_at
    if elapsed <= 0:
        return 0.0
    return min(max(now.cpu_nano - since_cpu, 0) / elapsed, float(cpus)) * 100
