"""The engine as an object, for those who embed it: `engine.containers.create(...)`, `container.start()`. One line a method.

The verbs that open archives or speak to registries are imported when they are called: half the engine's code is theirs alone.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Unpack

from podlink.engine.cancel import NEVER, Cancel
from podlink.engine.containers.attach import attach
from podlink.engine.containers.changes import list_changes
from podlink.engine.containers.create import create
from podlink.engine.containers.export import export
from podlink.engine.containers.fields import CreateFields, MoreFields, request_of
from podlink.engine.containers.inspect import inspect_container
from podlink.engine.containers.inspected import InspectedContainer
from podlink.engine.containers.kill import kill
from podlink.engine.containers.list import Summary, get_container, list_containers
from podlink.engine.containers.logs import follow, logs
from podlink.engine.containers.networks import inspect_network, network_troubles, remove_network
from podlink.engine.containers.pause import pause, unpause
from podlink.engine.containers.remove import delete_stopped, remove
from podlink.engine.containers.start import start
from podlink.engine.containers.stats import Figures, stats
from podlink.engine.containers.stop import restart, stop
from podlink.engine.containers.top import processes
from podlink.engine.containers.wait import wait
from podlink.engine.host import Host
from podlink.engine.images.history import HistoryRecord, history
from podlink.engine.images.inspect import inspect_image
from podlink.engine.images.inspected import InspectedImage
from podlink.engine.images.list import ImageSummary, list_images
from podlink.engine.images.remove import delete_unused
from podlink.engine.images.tag import tag_image
from podlink.engine.state.values import Lease, Network
from podlink.engine.storage.changes import Change
from podlink.engine.streams.attachment import Attachment
from podlink.engine.system.images import remove_image
from podlink.engine.system.info import Info, Version, info, version

if TYPE_CHECKING:
    from podlink.engine.images.arrivals import Progress
    from podlink.engine.oci.distribution.listing import Found


@dataclass(frozen=True, slots=True)
class Container:
    """One container of an engine. It holds an ID, nothing more: what it tells is asked for anew at each call."""

    host: Host = field(repr=False)
    id: str

    def start(self) -> None:
        """Start it; one that runs already is refused. When this fails, the host is as it was before.

        Raises ContainerNotFound, InvalidState; RuntimeFailed for a command that is not there; StorageFailed, NetworkFailed.
        """
        start(self.host, self.id)

    def stop(self, timeout: int | None = None) -> None:
        """Send its stop signal, and SIGKILL after `timeout` seconds (None: as it was created with, 0: at once); wait for its end.

        One that has exited is stopped already. Raises ContainerNotFound; InvalidState where it never ran; InvalidRequest.
        """
        stop(self.host, self.id, timeout)

    def restart(self, timeout: int | None = None) -> None:
        """Stop it, where it runs, as `stop` does, and start it. Raises as `stop` and `start` do."""
        restart(self.host, self.id, timeout)

    def kill(self, signal: int = -1) -> None:
        """Send a signal to its first process. signal: by number, -1 is SIGTERM. Returns without waiting for an end.

        Raises ContainerNotFound; InvalidState where it does not run; InvalidRequest for a number that is no signal's.
        """
        kill(self.host, self.id, signal)

    def pause(self) -> None:
        """Freeze all its processes. Raises ContainerNotFound; InvalidState where it does not run, or is paused already."""
        pause(self.host, self.id)

    def unpause(self) -> None:
        """Thaw them. Raises ContainerNotFound; InvalidState where it is not paused."""
        unpause(self.host, self.id)

    def wait(self, cancel: Cancel = NEVER) -> int:
        """Wait for its end, and return its exit status: at once where it has ended; 128+n for signal n, -1 for an end nobody saw.

        One that never ran is waited for until it has. Raises ContainerNotFound; Cancelled when `cancel` is set.
        """
        return wait(self.host, self.id, cancel)

    def attach(self) -> Attachment:
        """Its streams, live: `with container.attach() as it`. One that does not run is created first, and waits for `start`."""
        return attach(self.host, self.id)

    def remove(self, force: bool = False) -> None:
        """Remove it and what it wrote. force: stop it first. Raises ContainerNotFound; InvalidState where it runs."""
        remove(self.host, self.id, force)

    def logs(self) -> list[str]:
        """All that it wrote so far, of all its runs, line by line, each with its newline where it had one.

        Raises ContainerNotFound; ErrorOccurred where no log is kept.
        """
        return [line for batch in logs(self.host, self.id) for line in batch]

    def follow(self, cancel: Cancel = NEVER) -> Iterator[list[str]]:
        """What it wrote so far, then what it writes, in batches of lines, until its run ends.

        Raises as `logs`; Cancelled when `cancel` is set.
        """
        return follow(self.host, self.id, cancel)

    def processes(self, options: Sequence[str] = ()) -> list[str]:
        """Its processes as ps(1) lists them: the header, then a line each. options: of ps(1), as `["-o", "pid,args"]`.

        Raises ContainerNotFound; InvalidState where it does not run; ErrorOccurred for options that ps does not know.
        """
        return processes(self.host, self.id, options)

    def stats(self) -> Figures:
        """What it uses now: bytes, nanoseconds of CPU, percent since the last call. All zero where it does not run.

        Raises ContainerNotFound.
        """
        return stats(self.host, self.id)

    def inspect(self) -> InspectedContainer:
        """All that is known of it, under the keys of the original service, ready for JSON. Raises ContainerNotFound.

        `summary` has the same in the engine's own words.
        """
        return inspect_container(self.host, self.id)

    def changes(self) -> Sequence[Change]:
        """What it added, changed and removed over its image, by path. Raises ContainerNotFound, StorageFailed."""
        return list_changes(self.host, self.id)

    def export(self, path: str, cancel: Cancel = NEVER) -> str:
        """Write its files, image and all, as a tarball to this path of the host, and return the path.

        Raises ContainerNotFound, InvalidRequest, StorageFailed, Cancelled.
        """
        return export(self.host, self.id, path, cancel)

    def commit(
        self, name: str = "", *, changes: Sequence[str] = (), author: str = "", message: str = "", pause: bool = True
    ) -> str:
        """Make an image of what it is now, and return the image's ID. name: empty for none.

        changes: as `CMD=/bin/sh` or `ENV A=1`. pause: have it stand still meanwhile. Raises ContainerNotFound, InvalidRequest,
        StorageFailed.
        """
        from podlink.engine.containers.commit import commit

        return commit(self.host, self.id, name, changes, author, message, pause)

    def summary(self) -> Summary:
        """What is known of it, as typed values: state, times (nanoseconds since the epoch), sizes (bytes), addresses.

        Raises ContainerNotFound.
        """
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

    def create(self, **fields: Unpack[CreateFields]) -> Container:
        """Create a container of an image that is there; it does not run yet.

        The arguments are the fields of the interface's `Create` type; `resources` is a `ResourceRequest`. Raises
        InvalidRequest and NotHonoured, naming the field; ImageNotFound; NameInUse.
        """
        return Container(self.host, create(self.host, request_of(fields)))

    def run(self, image: str, command: Sequence[str] = (), **fields: Unpack[MoreFields]) -> Finished:
        """Create a container, start it, wait for its end, and remove it: what became of it.

        command: empty is the image's own. The other arguments are as those of `create`. Raises as `create` and `start` do.
        """
        container = self.create(image=image, command=command, **fields)
        try:
            container.start()
            return Finished(container.wait(), container.logs())
        finally:
            container.remove(force=True)

    def get(self, name: str) -> Container:
        """The container of this name, ID or ID prefix. Raises ContainerNotFound, AmbiguousName."""
        return Container(self.host, self.host.state.containers.find(name).id)

    def list(self) -> Sequence[Summary]:
        """Every container, oldest first, whatever its state."""
        return list_containers(self.host)

    def delete_stopped(self) -> Sequence[str]:
        """Remove every container that neither runs nor is paused; their IDs. Raises ErrorOccurred where some stayed, and why."""
        return delete_stopped(self.host)


@dataclass(frozen=True, slots=True)
class Images:
    """`engine.images`. What names an image is a name, an ID or an ID prefix; what is returned is the ID."""

    host: Host

    def import_image(
        self, source: str, reference: str = "", message: str = "", changes: Sequence[str] = (), *, cancel: Cancel = NEVER
    ) -> str:
        """Make an image of a tarball of files, plain or compressed, at this path or URL.

        reference: its name, empty for none. message: the comment of its history. changes: as `CMD=/bin/sh` or `ENV A=1`. Raises
        InvalidRequest, InvalidArchive, RegistryFailed, StorageFailed, Cancelled.
        """
        from podlink.engine.images.import_ import import_image

        return import_image(self.host, source, reference, message, changes, cancel)

    def pull(self, name: str, progress: "Progress | None" = None, cancel: Cancel = NEVER, *, tls_verify: bool = True) -> str:
        """Bring an image in from a registry, or from a place such as `oci-archive:FILE`.

        progress: told of each blob and how many bytes of it are here, by several threads. tls_verify: false to trust any
        registry, also one without TLS. Raises InvalidRequest, RegistryFailed,
        InvalidArchive, StorageFailed, Cancelled; ErrorOccurred, saying what was tried.
        """
        from podlink.engine.images.pull import pull

        return pull(self.host, name, tls_verify=tls_verify, progress=progress, cancel=cancel)

    def push(
        self, name: str, target: str = "", *, tls_verify: bool = True, progress: "Progress | None" = None, cancel: Cancel = NEVER
    ) -> str:
        """Send an image. target: a name in a registry, or a place such as `dir:PATH`; empty for its own name.

        Raises ImageNotFound, AmbiguousName, InvalidRequest, RegistryFailed, StorageFailed, Cancelled.
        """
        from podlink.engine.images.push import push

        return push(self.host, name, target, tls_verify=tls_verify, progress=progress, cancel=cancel)

    def export(
        self, name: str, destination: str, *, compress: bool = False, tags: Sequence[str] = (), cancel: Cancel = NEVER
    ) -> str:
        """Write an image to a place, such as `docker-archive:FILE`. tags: more names for it there. compress: its layers.

        Raises ImageNotFound, AmbiguousName, InvalidRequest, NotHonoured, StorageFailed, Cancelled.
        """
        from podlink.engine.images.export import export_image

        return export_image(self.host, name, destination, compress, tags, cancel=cancel)

    def build_from(
        self, files: Mapping[str, bytes | str], config: Mapping[str, Any] | None = None, name: str = "", *, userland: bool = False
    ) -> str:
        """Make an image of one layer: paths to what the files hold, each of them executable, and their folders with them.

        config: what an OCI image configuration has in `config`, as `{"Cmd": ["app"], "Env": ["A=1"]}`. name: empty for none.
        userland: with a shell and the everyday commands, for an emulated engine. Raises InvalidRequest.
        """
        from podlink.engine.images.build import build_from

        return build_from(self.host, files, config, name, userland=userland)

    def list(self) -> Sequence[ImageSummary]:
        """Every image, newest first: ID, names, digests, size in bytes, creation in nanoseconds since the epoch."""
        return list_images(self.host)

    def inspect(self, name: str) -> InspectedImage:
        """All that is known of it, under the original service's keys, ready for JSON. Raises ImageNotFound, AmbiguousName."""
        return inspect_image(self.host, name)

    def history(self, name: str) -> Sequence[HistoryRecord]:
        """The steps that made the image, the newest first. Raises ImageNotFound, AmbiguousName."""
        return history(self.host, name)

    def tag(self, name: str, tagged: str) -> str:
        """Give an image another name, which another one may lose by it. Raises ImageNotFound, AmbiguousName, InvalidRequest."""
        return tag_image(self.host, name, tagged)

    def remove(self, name: str, force: bool = False) -> str:
        """Remove a name of an image, and with its only name the image. force: with its other names and its containers.

        Raises ImageNotFound, AmbiguousName; ImageInUse, naming the containers; ErrorOccurred for several names.
        """
        return remove_image(self.host, name, force)

    def search(self, name: str, limit: int = 0, cancel: Cancel = NEVER, *, tls_verify: bool = True) -> "Sequence[Found]":
        """What the registries have under such names. limit: for each of them, at most 100; 0 is 25.

        tls_verify: false to trust any registry, also one without TLS.
        Raises InvalidRequest; RegistryFailed where each of them failed; Cancelled.
        """
        from podlink.engine.images.search import search_images

        return search_images(self.host, name, limit, cancel, tls_verify=tls_verify)

    def delete_unused(self) -> Sequence[str]:
        """Remove every image that no container stands on; their IDs. Raises ErrorOccurred where some stayed, and why."""
        return delete_unused(self.host)


@dataclass(frozen=True, slots=True)
class Networks:
    """`engine.networks`: those that containers may name in `network`, to know one another by name."""

    host: Host

    def create(self, name: str, subnet: str = "", subnet6: str = "") -> Network:
        """Make a network. subnet, subnet6: its ranges, as `10.90.0.0/24`; empty for free ones.

        Raises InvalidRequest, or NetworkFailed for a range or a name that is taken."""
        return self.host.network.create(name, subnet, subnet6)

    def list(self) -> Sequence[Network]:
        """Every network, oldest first, with its ranges of addresses."""
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
        return network_troubles(self.host)


@dataclass(frozen=True, slots=True)
class System:
    """`engine.system`."""

    host: Host

    def info(self) -> Info:
        """The host and the store as they are now: sizes in bytes, uptime in seconds."""
        return info(self.host)

    def version(self) -> Version:
        """What is running. Needs no host that works."""
        return version()
