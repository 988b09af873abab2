"""GetContainerStats: what a container uses."""

import os
from dataclasses import dataclass

from podlink.engine.containers.lifecycle import LIVE, process_of, truth
from podlink.engine.errors import EngineError
from podlink.engine.host import Host
from podlink.engine.state.containers import Container
from podlink.engine.stats.sample import Sample, cpu_percent


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """cpu and memory in percent: 100.0 of cpu is one CPU kept busy; of memory, the limit reached."""

    id: str
    name: str
    sample: Sample
    cpu: float = 0.0
    memory: float = 0.0


def stats(host: Host, name: str) -> Figures:
    """The figures now. cpu: since the last call, or since the container's start at the first one.

    A container that does not run has figures of zero. Raises ContainerNotFound.
    """
    container = truth(host, host.state.containers.find(name))
    if container.status not in LIVE:
        return Figures(id=container.id, name=container.name, sample=Sample(at=host.now()))
    try:
        sample = host.runtime.sample(container.id, process_of(container))
    except (EngineError, ProcessLookupError, FileNotFoundError):
        if truth(host, container).status in LIVE:
            raise
        return Figures(id=container.id, name=container.name, sample=Sample(at=host.now()))
    memory = sample.mem_usage * 100 / sample.mem_limit if sample.mem_limit else 0.0
    return Figures(id=container.id, name=container.name, sample=sample, cpu=_cpu(host, container, sample), memory=memory)


def _cpu(host: Host, container: Container, sample: Sample) -> float:
    """Percent since the sample before this one, of the same run; each call leaves its own for the next."""
    number, before = host.samples.get(container.id, (0, sample))
    host.samples[container.id] = (container.start, sample)
    cpus = os.cpu_count() or 1
    if number != container.start:
        return cpu_percent(sample, container.started_at, 0, cpus)
    return cpu_percent(sample, before.at, before.cpu_nano, cpus)
