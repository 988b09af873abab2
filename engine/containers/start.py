"""StartContainer: the walk that ARCHITECTURE.md follows. Each step's inverse is on the stack before the step is made."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from podlink.engine.containers.fill import fill_volumes
from podlink.engine.containers.lifecycle import attempt, locked, process_of, readable, require
from podlink.engine.containers.mappings import check_joined
from podlink.engine.containers.mark import write_mark
from podlink.engine.containers.modes import joined, namespace
from podlink.engine.containers.names import tell_neighbours, write_names
from podlink.engine.containers.networking import settle_rivals, wish
from podlink.engine.containers.users import check_mapped, in_tree, resolve_user
from podlink.engine.errors import EngineError, RuntimeFailed
from podlink.engine.host import Host
from podlink.engine.network.driver import Attachment
from podlink.engine.oci.spec.build import build
from podlink.engine.oci.spec.values import ContainerConfig, Placement
from podlink.engine.runtime.base import Launch, Process
from podlink.engine.state.values import Container, Status
from podlink.engine.storage.durable import refusals
from podlink.engine.streams import journal
from podlink.engine.streams.log import JOURNAL, Keeping


def start(host: Host, name: str) -> str:
    """Start a container that does not run and return its ID; on any failure the host is as it was before.

    Raises ContainerNotFound; InvalidState where it runs or is paused; InvalidRequest for a user that the image does not
    know; RuntimeFailed with the runtime's reason for what it finds out before exec (a command that is not there).
    """
    found = host.state.containers.find(name)
    settle_rivals(host, found)
    with locked(host, name, found) as container:
        require(readable(container), "start")
        if container.status is Status.CREATED:
            host.runtime.start(container.id)
            record(host, container, container.start, process_of(container))
        else:
            with launched(host, container) as launch:
                record(host, container, launch.number, host.runtime.run(launch))
        return container.id


def record(host: Host, container: Container, number: int, process: Process) -> None:
    """Write down that it runs. What it used up to now was the runtime's work, which no percentage is to count."""
    host.state.containers.mark_running(
        container.id, start=number, pid=process.pid, pid_start=process.start, boot=process.boot, at=host.clock.now()
    )
    with suppress(EngineError, ProcessLookupError, FileNotFoundError):  # it may have ended already
        host.baselines[container.id] = (number, host.runtime.spent(container.id))


@contextmanager
def launched(host: Host, container: Container) -> Iterator[Launch]:
    """All that a run needs of the host, in place; what the block does with it is undone, too, where the block fails."""
    if "CAP_SYS_ADMIN" not in host.facts.capabilities:
        raise RuntimeFailed(
            f"container {container.name} can't be started: the engine needs CAP_SYS_ADMIN, for mounts and namespaces, and this"
            f" process may not have it; run the engine as root of the host"
        )
    host.state.require_room()  # now, and not once it runs: that it does is written down in any case
    with ExitStack() as undo:
        directory = host.directory(container.id)
        directory.mkdir(parents=True, exist_ok=True)
        undo.callback(host.storage.unmount, container.id)
        rootfs = host.storage.mount(container.id, container.config.id_maps())
        fill_volumes(container.config, rootfs)
        undo.callback(attempt, lambda: tell_neighbours(host, container.config.network))  # once its lease is gone
        undo.callback(host.network.detach, container.id)
        attachment = host.network.attach(container.id, wish(host, container.config))
        undo.callback(attachment.close)
        launch = _launch(host, container, rootfs, attachment)
        tell_neighbours(host, container.config.network)
        undo.callback(host.runtime.forget_run, directory)
        with refusals(f"container {container.id}: the record of its exit"):
            host.runtime.take_room(directory)
        undo.callback(host.runtime.destroy, container.id)
        yield launch
        undo.pop_all()
        attachment.close()


def _launch(host: Host, container: Container, rootfs: Path, attachment: Attachment) -> Launch:
    config = container.config
    placement = Placement(
        container=container.id,
        rootfs=rootfs,
        user=check_mapped(resolve_user(in_tree(rootfs), config.user, config.group_add), config.id_maps()),
        cgroup=f"/{config.cgroup_parent or host.config.cgroup_parent}/{container.id}",
        network=attachment.namespace,
        files=write_names(host, container),
        pid=namespace(host, "pid_mode", config.pid_mode, "pid"),
        ipc=namespace(host, "ipc_mode", config.ipc_mode, "ipc"),
        uts=namespace(host, "uts_mode", config.uts_mode, "uts"),
        user_namespace=attachment.user_namespace or _user_namespace(host, config),
        mark=str(write_mark(host, container)),
        shared_memory=host.runtime.shared_memory(joined(config.ipc_mode)),
    )
    return Launch(
        container=container.id,
        number=container.start + 1,
        rootfs=rootfs,
        directory=host.directory(container.id),
        spec=build(config, placement, host.facts),
        cleanup=(*host.cleanup, container.id),
        held=attachment.held,
        image=container.image,
        pid_file=config.conmon_pidfile,
        interactive=config.interactive,
        log=_keeping(container),
    )


def _keeping(container: Container) -> Keeping:
    config = container.config
    return Keeping(
        driver=config.log_driver,
        path=str(journal.SOCKET) if config.log_driver == JOURNAL else config.log_path,
        limit=config.log_limit,
        files=config.log_files,
        container=container.id,
        name=container.name,
        tag=config.log_tag,
    )


def _user_namespace(host: Host, config: ContainerConfig) -> str:
    path = namespace(host, "userns_mode", config.userns_mode, "user")
    if maps := config.id_maps():
        check_joined(config.userns_mode, path, maps)
    return path
