"""The host as the verbs see it: one frozen bag of parts, the first argument of every verb. No logic lives here."""

from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING

from podlink.engine.clock import Clock
from podlink.engine.config import Config
from podlink.engine.linux.machine import Machine
from podlink.engine.network.driver import Wiring
from podlink.engine.oci.spec.values import HostFacts
from podlink.engine.runtime.arrears import Arrears
from podlink.engine.runtime.base import Runtime
from podlink.engine.runtime.waits import Waits
from podlink.engine.stats.sample import Spent
from podlink.engine.storage.content import Content
from podlink.engine.storage.driver import StorageDriver

if TYPE_CHECKING:
    from podlink.engine.state.state import State  # loaded when an engine opens: it takes longer than all the rest


@dataclass(frozen=True, slots=True, kw_only=True)
class Host:
    """clock: what dates and deadlines are taken from. chooser: where random IDs and names come from; None is the system.

    cleanup: argv, to which a container's ID is added, of a process that undoes what an ended run still holds.
    waits: those who wait for containers to end, without a thread each.
    arrears: containers of which the disk refused to have written down that they ended, or that others had when the engine opened.
    variables: of the environment, those that say something else to this engine than to the rest of the process.
    baselines: by container, the number of a run and what it had used at its start, or when GetContainerStats was last asked: what
    the next percentage counts from.
    """

    config: Config
    state: "State"
    storage: StorageDriver
    content: Content
    runtime: Runtime
    network: Wiring
    facts: HostFacts
    machine: Machine
    clock: Clock
    waits: Waits
    arrears: Arrears
    chooser: Random | None = None
    cleanup: tuple[str, ...] = ()
    variables: dict[str, str] = field(default_factory=dict)
    baselines: dict[str, tuple[int, Spent]] = field(default_factory=dict)

    def directory(self, container: str) -> Path:
        """Where a container's log and exit record are: `root/containers/ID`."""
        return _directory(self.config.root, container)


@lru_cache(maxsize=4096)
def _directory(root: Path, container: str) -> Path:
    """Asked for many times in each verb, and a path is slow to make."""
    return root / "containers" / container
