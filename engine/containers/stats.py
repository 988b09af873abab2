"""GetContainerStats: what a container uses."""

from dataclasses import dataclass

from podlink.engine.containers.lifecycle import LIVE, process_of, truth
from podlink.engine.errors import EngineError
from podlink.engine.host import Host
from podlink.engine.state.values import Container
from podlink.engine.stats.sample import Sample, Spent, cpu_percent


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """cpu and memory in percent: 100.0 of cpu is one CPU kept busy; of memory, the limit reached."""

    id: str
    name: str
    sample: Sample
    cpu: float = 0.0
    memory: float = 0.0


def stats(host: Host, name: str) -> Figures:
    """The figures now. cpu: since the last call, or since the container's start at the first one; where another engine started
    it, what the runtime did for that (some hundredths of a second) is in the first one, too.

    A container that does not run has figures of zero. Raises ContainerNotFound.
    """
    container = truth(host, host.state.containers.find(name))
    if container.status not in LIVE:
        return Figures(id=container.id, name=container.name, sample=Sample(at=host.clock.now()))
    try:
        sample = host.runtime.sample(container.id, process_of(container))
    except (EngineError, ProcessLookupError, FileNotFoundError):
        if truth(host, container).status in LIVE:
            raise
        return Figures(id=container.id, name=container.name, sample=Sample(at=host.clock.now()))
    memory = sample.mem_usage * 100 / sample.mem_limit if sample.mem_limit else 0.0
    return Figures(id=container.id, name=container.name, sample=sample, cpu=_cpu(host, container, sample), memory=memory)


def _cpu(host: Host, container: Container, sample: Sample) -> float:
    """Percent since the sample before this one, of the same run; each call leaves its own for the next."""
    number, before = host.baselines.get(container.id, (0, Spent(container.started_at)))
    host.baselines[container.id] = (container.start, Spent(sample.at, sample.cpu_nano))
    since = before if number == container.start else Spent(container.started_at)
    return cpu_percent(sample, since, host.machine.cpus())
