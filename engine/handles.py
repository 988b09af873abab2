"""The engine as an object, for those who embed it: `engine.containers.create(...)`, `container.start()`. One line a method."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from podlink.engine.cancel import NEVER, Cancel
from podlink.engine.containers.attach import attach_sockets
from podlink.engine.containers.changes import list_changes
from podlink.engine.containers.commit import commit
from podlink.engine.containers.create import create
from podlink.engine.containers.export import export
from podlink.engine.containers.inspect import inspect_container
from podlink.engine.containers.kill import kill
from podlink.engine.containers.list import Summary, get_container, list_containers
from podlink.engine.containers.logs import follow, logs
from podlink.engine.containers.networks import inspect_network, remove_network
from podlink.engine.containers.pause import pause, unpause
from podlink.engine.containers.remove import delete_stopped, remove
from podlink.engine.containers.request import CreateRequest, ResourceRequest
from podlink.engine.containers.start import start
from podlink.engine.containers.stats import Figures, stats
from podlink.engine.containers.stop import restart, stop
from podlink.engine.containers.top import processes
from podlink.engine.containers.wait import wait
from podlink.engine.host import Host
from podlink.engine.images.arrivals import Progress
from podlink.engine.images.build import build_from
from podlink.engine.images.export import export_image
from podlink.engine.images.history import HistoryRecord, history
from podlink.engine.images.import_ import import_image
from podlink.engine.images.inspect import inspect_image
from podlink.engine.images.list import ImageSummary, list_images
from podlink.engine.images.pull import pull
from podlink.engine.images.push import push
from podlink.engine.images.remove import delete_unused
from podlink.engine.images.search import search_images
from podlink.engine.images.tag import tag_image
from podlink.engine.oci.distribution.listing import Found
from podlink.engine.state.networks import Lease, Network
from podlink.engine.storage.changes import Change
from podlink.engine.streams.attach import Attachment
from podlink.engine.system.images import remove_image
from podlink.engine.system.info import Info, Version, info, version


@dataclass(frozen=True, slots=True)
class Container:
    """One container of an engine. It holds an ID, nothing more: what it tells is asked for anew at each call."""

    host: Host
    id: str

    def start(self) -> None:
        start(self.host, self.id)

    def stop(self, timeout: int | None = None) -> None:
        stop(self.host, self.id, timeout)

    def restart(self, timeout: int | None = None) -> None:
        restart(self.host, self.id, timeout)

    def kill(self, signal: int = -1) -> None:
        kill(self.host, self.id, signal)

    def pause(self) -> None:
        pause(self.host, self.id)

    def unpause(self) -> None:
        unpause(self.host, self.id)

    def wait(self, cancel: Cancel = NEVER) -> int:
        return wait(self.host, self.id, cancel)

    def attach(self) -> Attachment:
        """Its streams, live: `with container.attach() as it`. One that does not run is created first, and waits for `start`."""
        sockets = attach_sockets(self.host, self.id)[1]
        return Attachment(sockets.io, sockets.control)

    def remove(self, force: bool = False) -> None:
        remove(self.host, self.id, force)

    def logs(self) -> list[str]:
        return logs(self.host, self.id)

    def follow(self, cancel: Cancel = NEVER) -> Iterator[list[str]]:
        return follow(self.host, self.id, cancel)

    def processes(self, options: Sequence[str] = ()) -> list[str]:
        return processes(self.host, self.id, options)

    def stats(self) -> Figures:
        return stats(self.host, self.id)

    def inspect(self) -> dict[str, Any]:
        return inspect_container(self.host, self.id)

    def changes(self) -> Sequence[Change]:
        return list_changes(self.host, self.id)

    def export(self, path: str, cancel: Cancel = NEVER) -> str:
        return export(self.host, self.id, path, cancel)

    def commit(
        self, name: str = "", *, changes: Sequence[str] = (), author: str = "", message: str = "", pause: bool = True
    ) -> str:
        return commit(self.host, self.id, name, changes, author, message, pause)

    def summary(self) -> Summary:
        return get_container(self.host, self.id)


@dataclass(frozen=True, slots=True)
class Finished:
    """What became of a container. logs: what it wrote, line by line."""

    exit_code: int
    logs: Sequence[str]


@dataclass(frozen=True, slots=True)
class Containers:
    """`engine.containers`."""

    host: Host

    def create(self, *, resources: ResourceRequest | None = None, **fields: Any) -> Container:
        """Create a container; the arguments are the fields of the interface's `Create` type. Raises as `create` does."""
        request = CreateRequest(resources=resources or ResourceRequest(), **fields)
        return Container(self.host, create(self.host, request))

    def run(self, image: str, command: Sequence[str] = (), **fields: Any) -> Finished:
        """Create a container, start it, wait for its end, and remove it: what became of it. Raises as `create` and `start` do."""
        container = self.create(image=image, command=list(command), **fields)
        try:
            container.start()
            return Finished(container.wait(), container.logs())
        finally:
            container.remove(force=True)

    def get(self, name: str) -> Container:
        """The container of this name, ID or ID prefix. Raises ContainerNotFound, AmbiguousName."""
        return Container(self.host, self.host.state.containers.find(name).id)

    def list(self) -> Sequence[Summary]:
        return list_containers(self.host)

    def delete_stopped(self) -> Sequence[str]:
        return delete_stopped(self.host)


@dataclass(frozen=True, slots=True)
class Images:
    """`engine.images`. What names an image is a name, an ID or an ID prefix; what is returned is the ID."""

    host: Host

    def import_image(self, source: str, reference: str = "", message: str = "", changes: Sequence[str] = ()) -> str:
        return import_image(self.host, source, reference, message, changes)

    def pull(self, name: str, progress: Progress | None = None, cancel: Cancel = NEVER) -> str:
        return pull(self.host, name, progress=progress, cancel=cancel)

    def push(
        self, name: str, target: str = "", *, tls_verify: bool = True, progress: Progress | None = None, cancel: Cancel = NEVER
    ) -> str:
        return push(self.host, name, target, tls_verify=tls_verify, progress=progress, cancel=cancel)

    def export(
        self, name: str, destination: str, *, compress: bool = False, tags: Sequence[str] = (), cancel: Cancel = NEVER
    ) -> str:
        return export_image(self.host, name, destination, compress, tags, cancel=cancel)

    def build_from(
        self, files: Mapping[str, bytes | str], config: Mapping[str, Any] | None = None, name: str = "", *, userland: bool = False
    ) -> str:
        """An image of these files, without a tarball; see `engine.images.build`."""
        return build_from(self.host, files, config, name, userland=userland)

    def list(self) -> Sequence[ImageSummary]:
        return list_images(self.host)

    def inspect(self, name: str) -> dict[str, Any]:
        return inspect_image(self.host, name)

    def history(self, name: str) -> Sequence[HistoryRecord]:
        return history(self.host, name)

    def tag(self, name: str, tagged: str) -> str:
        return tag_image(self.host, name, tagged)

    def remove(self, name: str, force: bool = False) -> str:
        return remove_image(self.host, name, force)

    def search(self, name: str, limit: int = 0, cancel: Cancel = NEVER) -> Sequence[Found]:
        return search_images(self.host, name, limit, cancel)

    def delete_unused(self) -> Sequence[str]:
        return delete_unused(self.host)


@dataclass(frozen=True, slots=True)
class Networks:
    """`engine.networks`: those that containers may name in `network`, to know one another by name."""

    host: Host

    def create(self, name: str, subnet: str = "", subnet6: str = "") -> Network:
        """Raises InvalidRequest, or NetworkFailed for a range or a name that is taken."""
        return self.host.network.create(name, subnet, subnet6)

    def list(self) -> Sequence[Network]:
        return self.host.state.networks.all()

    def inspect(self, name: str) -> tuple[Network, Sequence[Lease]]:
        """The network, and who has which address of it. Raises NetworkFailed where there is none."""
        return inspect_network(self.host, name)

    def remove(self, name: str) -> None:
        """Raises NetworkFailed while a container that runs is on it, or one that exists names it."""
        remove_network(self.host, name)

    def reload(self) -> None:
        """Set all rules anew, after somebody flushed nftables."""
        self.host.network.reload()

    def troubles(self) -> Sequence[str]:
        """Where state and host differ, a sentence each, which says what to do."""
        return self.host.network.troubles()


@dataclass(frozen=True, slots=True)
class System:
    """`engine.system`."""

    host: Host

    def info(self) -> Info:
        return info(self.host)

    def version(self) -> Version:
        return version()
