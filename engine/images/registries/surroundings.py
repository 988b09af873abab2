"""Where configuration is looked for: the environment's variables, and the folder that is /etc on a real machine."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from podlink.engine.host import Host


@dataclass(frozen=True, slots=True)
class Surroundings:
    """environment: a snapshot, so that one verb sees one state of it."""

    environment: Mapping[str, str] = field(default_factory=lambda: dict(os.environ), repr=False)
    etc: Path = Path("/etc")

    def variable(self, name: str) -> Path | None:
        """The path that a variable holds; None where it is unset or empty."""
        return Path(found) if (found := self.environment.get(name)) else None

    @property
    def home(self) -> Path:
        """The user's folder; one that holds nothing where the environment names none, as for a service."""
        return self.variable("HOME") or Path("/nonexistent")

    @property
    def settings(self) -> Path:
        """The user's configuration: `~/.config`, or where the XDG base directories say."""
        return self.variable("XDG_CONFIG_HOME") or self.home / ".config"


def around(host: "Host") -> Surroundings:
    """What an engine sees: the environment of the process, but for what was said to this engine alone."""
    return Surroundings({**os.environ, **host.variables})
