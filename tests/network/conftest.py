"""An engine on runc in a namespace of its own, and a world around it."""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import own_cgroups
import pytest
import world
from patience import until

from podlink.engine.app import Engine
from podlink.engine.config import Config
from podlink.engine.handles import Container

counter = itertools.count()


@dataclass
class Site:
    """An engine with an image `small`, in which httpd answers with its host name. A test may close it and open another."""

    engine: Engine
    config: Config

    def create(self, *command: str, **fields: Any) -> Container:
        return self.engine.containers.create(image="small", command=command, **{"stop_signal": 9} | fields)

    def run(self, *command: str, **fields: Any) -> Container:
        container = self.create(*command, **fields)
        container.start()
        return container

    def output(self, *command: str, **fields: Any) -> str:
        """What a container with this command writes until it exits."""
        container = self.run(*command, **fields)
        container.wait()
        text = "".join(container.logs())
        container.remove()
        return text

    def serve(self, **fields: Any) -> Container:
        """A container with a web server on port 80, which answers by now."""
        script = "mkdir /www; hostname > /www/index.html; exec httpd -f -p 80 -h /www"
        container = self.run("/bin/sh", "-c", script, **fields)
        place = self.place(container)
        until(lambda: ":80 " in place.run("ss", "-Hltn"))
        return container

    def place(self, container: Container) -> world.Place:
        """The network namespace of a container that runs."""
        return world.Place(self.engine.host.state.containers.get(container.id).pid)

    def port(self, container: Container, inside: int = 80) -> int:
        """The port of the host that leads to this one of the container."""
        lease = self.engine.host.state.networks.lease_of(container.id)
        assert lease
        return next(each.host_port for each in lease.ports if each.container_port == inside)

    def address(self, container: Container) -> tuple[str, str]:
        lease = self.engine.host.state.networks.lease_of(container.id)
        assert lease
        return lease.address, lease.address6

    def status(self, container: Container) -> str:
        return self.engine.host.state.containers.get(container.id).status

    def clear(self) -> None:
        for each in reversed(self.engine.containers.list()):  # newest first: it may share what an older one has
            self.engine.containers.get(each.container.id).remove(force=True)


@pytest.fixture(scope="module")
def outside() -> Iterator[world.Place]:
    with world.outside() as place:
        yield place


@pytest.fixture
def site(tmp_path: Path, busybox_tar: Path, outside: world.Place) -> Iterator[Site]:
    """Whoever asks for it is marked with what it needs. It leaves no device, rule, namespace or lease."""
    config = Config(root=tmp_path / "root", runroot=tmp_path / "run", cgroup_parent=own_cgroups.new_parent())
    made = Site(Engine.open(config), config)
    try:
        made.engine.images.import_image(str(busybox_tar), "small", changes=["CMD=/bin/sh"])
        try:
            yield made
        finally:
            made.clear()
        assert world.links() == set() and made.engine.networks.troubles() == []
        assert "podlink" not in world.ruleset()
        assert [*(config.runroot / "netns").glob("*"), *(config.runroot / "userns").glob("*")] == []
        assert made.engine.host.state.networks.leases() == []
    finally:
        made.engine.close()
    own_cgroups.remove_cgroups(config.cgroup_parent)
