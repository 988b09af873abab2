"""Where the contract of runtimes is played: a runtime, a root file system, and a folder for the containers' directories."""

import signal
from dataclasses import dataclass, field
from pathlib import Path

from podlink.engine.oci.spec.build import build
from podlink.engine.oci.spec.values import ContainerConfig, HostFacts, Placement, User
from podlink.engine.runtime.base import Launch, Process, Runtime
from podlink.engine.runtime.exits import Exit
from podlink.engine.streams import log

PATIENCE = 120.0
"""Seconds for what must happen; a runtime that needs them has failed."""
PATH = "PATH=/bin:/usr/bin"
FOREVER = "while :; do sleep 0.05; done"
POLITE = f"trap 'exit 7' TERM; echo ready; {FOREVER}"


@dataclass
class Stage:
    """A runtime, and where its containers live. parent: the cgroup for them, without slashes around."""

    runtime: Runtime
    rootfs: Path
    folder: Path
    facts: HostFacts
    parent: str = "podlink-test"
    numbers: dict[str, int] = field(default_factory=dict)

    def directory(self, container: str) -> Path:
        return self.folder / container

    def launch(self, container: str, *argv: str, pid: str = "private", tty: bool = False, interactive: bool = False) -> Launch:
        """The next start of a container."""
        self.directory(container).mkdir(parents=True, exist_ok=True)
        self.numbers[container] = self.numbers.get(container, 0) + 1
        place = Placement(
            container=container,
            rootfs=self.rootfs,
            user=User(),
            cgroup=f"/{self.parent}/{container}",
            network="private",
            pid=pid,
        )
        return Launch(
            container=container,
            number=self.numbers[container],
            rootfs=self.rootfs,
            directory=self.directory(container),
            spec=build(ContainerConfig(args=argv, env=(PATH,), tty=tty), place, self.facts),
            interactive=interactive,
        )

    def script(self, container: str, text: str) -> Process:
        """Start a shell with this script."""
        return self.runtime.run(self.launch(container, "/bin/sh", "-c", text))

    def ready(self, container: str, text: str) -> Process:
        """The same, once it has said `ready`."""
        process = self.script(container, text)
        self.await_output(container, "ready")
        return process

    def output(self, container: str) -> str:
        return b"".join(line for batch in log.read(self.directory(container) / log.FILE) for line in batch).decode()

    def await_output(self, container: str, text: str) -> None:
        with self.runtime.watch(self.directory(container)) as wakeup:
            while text not in self.output(container):
                assert wakeup.wait(PATIENCE), f"no {text!r} in {self.output(container)!r}"

    def end(self, container: str) -> Exit:
        """How this start ended, once it has."""
        with self.runtime.watch(self.directory(container)) as wakeup:
            while (found := self.runtime.exit_of(self.directory(container))) is None or found.number < self.numbers[container]:
                assert wakeup.wait(PATIENCE), f"no exit record of {container}"
        return found

    def kill(self, container: str, process: Process, number: int = signal.SIGKILL) -> Exit:
        self.runtime.signal(container, process, number)
        return self.end(container)
