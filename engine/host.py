"""The host as the verbs see it: one frozen bag of parts, the first argument of every verb. No logic lives here."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from podlink.engine.config import Config
from podlink.engine.network.driver import Wiring
from podlink.engine.oci.spec.values import HostFacts
from podlink.engine.runtime.base import Runtime
from podlink.engine.state.state import State
from podlink.engine.stats.sample import Sample
from podlink.engine.storage.content import Content
from podlink.engine.storage.driver import StorageDriver


@dataclass(frozen=True, slots=True, kw_only=True)
class Host:
    """now: nanoseconds since the epoch. chooser: where random IDs and names come from; None is the system's randomness.

    cleanup: argv, to which a container's ID is added, of a process that undoes what an ended run still holds.
    samples: the figures that GetContainerStats gave last, by container: what the next percentage counts from.
    """

    config: Config
    state: State
    storage: StorageDriver
    content: Content
    runtime: Runtime
    network: Wiring
    facts: HostFacts
    now: Callable[[], int]
    chooser: Random | None = None
    cleanup: tuple[str, ...] = ()
    samples: dict[str, tuple[int, Sample]] = field(default_factory=dict)

    def directory(self, container: str) -> Path:
        """Where a container's log and exit record are: `root/containers/ID`."""
        return self.config.root / "containers" / container
