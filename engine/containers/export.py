"""ExportContainer: a container's root file system as a plain tar."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import BinaryIO

from podlink.engine.cancel import NEVER, Cancel
from podlink.engine.containers.lifecycle import LIVE, locked
from podlink.engine.errors import Cancelled, InvalidRequest, StorageFailed
from podlink.engine.host import Host
from podlink.engine.oci.layer.owners import Owners
from podlink.engine.oci.layer.writer import Writer
from podlink.engine.storage.delivery import new_file


def export(host: Host, name: str, path: str, cancel: Cancel = NEVER) -> str:
    """Write the tar to this path of the host and return it. A file that is there is replaced once the new one is whole.

    Raises ContainerNotFound, also where it is removed meanwhile; InvalidRequest for a path that can't be one of a file;
    StorageFailed where it can't be written; Cancelled.
    """
    name = host.state.containers.find(name).id
    target = _target(path)
    try:
        with new_file(target) as file, visible(host, name) as root:
            write_tree(root, file, cancelled(cancel, f"the export of container {name}"), host.storage.owners(name))
    except OSError as error:
        raise StorageFailed(f"export of container {name} to {path}: {error.strerror or error}") from error
    return path


def _target(path: str) -> Path:
    """The file that is meant, where it is a link the one that it leads to. A device is never replaced."""
    try:
        target = Path(path).resolve()
        if Path(path).is_absolute() and target.parent.is_dir() and (target.is_file() or not target.exists()):
            return target
    except (OSError, RuntimeError, ValueError):  # links in a circle, a zero byte, a name that is too long
        pass
    raise InvalidRequest(f"path: {path!r} is to be an absolute path of a file in a folder that is there")


@contextmanager
def visible(host: Host, name: str) -> Iterator[Path]:
    """The container's root for as long as the block lasts. Of one that does not run, it is mounted for that time.

    The lock is held for one that does not run, so that nobody starts or removes it meanwhile. Of one that runs it is not: whether
    it is still there is asked at the end, for what is being removed is no longer whole.
    """
    with locked(host, name) as container, ExitStack() as views:
        if container.status not in LIVE:
            try:
                yield host.storage.mount(container.id)
            finally:
                host.storage.unmount(container.id)
            return
        root = views.enter_context(host.storage.seen(container.id))
        kept = views.pop_all()
    with kept:
        yield root
    with locked(host, container.id):
        pass


def cancelled(cancel: Cancel, what: str) -> Callable[[], None]:
    """A check that raises Cancelled once the caller has left."""

    def check() -> None:
        if cancel.is_set():
            raise Cancelled(f"the caller left during {what}")

    return check


def write_tree(root: Path, file: BinaryIO, check: Callable[[], None], owners: Owners | None = None) -> None:
    """The whole tree as a tar."""
    writer = Writer(root, file, check, holes=True, owners=owners)
    try:
        writer.whole()
        writer.finish()
    finally:
        writer.close()
