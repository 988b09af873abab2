"""ExportContainer: a container's root file system as a plain tar."""

import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from podlink.engine.cancel import NEVER, Cancel
from podlink.engine.containers.lifecycle import LIVE, locked
from podlink.engine.errors import Cancelled, InvalidRequest, StorageFailed
from podlink.engine.host import Host
from podlink.engine.oci.layer.writer import Writer
from podlink.engine.storage.durable import sync_directory


def export(host: Host, name: str, path: str, cancel: Cancel = NEVER) -> str:
    """Write the tar to this path of the host and return it. A file that is there is replaced once the new one is whole.

    Raises ContainerNotFound; InvalidRequest for a path whose folder is not there; StorageFailed where it can't be written;
    Cancelled.
    """
    target = Path(path)
    if not target.is_absolute() or not target.parent.is_dir() or target.is_dir():
        raise InvalidRequest(f"path: {path!r} is to be an absolute path of a file in a folder that is there")
    with visible(host, name) as root:
        try:
            _write(root, target, cancelled(cancel, f"the export of container {name}"))
        except OSError as error:
            raise StorageFailed(f"export of container {name} to {path}: {error.strerror or error}") from error
    return path


@contextmanager
def visible(host: Host, name: str) -> Iterator[Path]:
    """The container's root for as long as the block lasts. Of one that does not run, it is mounted for that time.

    The lock is held for one that does not run, so that nobody starts or removes it meanwhile.
    """
    with locked(host, name) as container:
        if container.status not in LIVE:
            try:
                yield host.storage.mount(container.id)
            finally:
                host.storage.unmount(container.id)
            return
        root = host.storage.mount(container.id)
    yield root


def cancelled(cancel: Cancel, what: str) -> Callable[[], None]:
    """A check that raises Cancelled once the caller has left."""

    def check() -> None:
        if cancel.is_set():
            raise Cancelled(f"the caller left during {what}")

    return check


def _write(root: Path, target: Path, check: Callable[[], None]) -> None:
    """Beside its place, synced, then renamed: there is never half an archive under the name."""
    number, draft = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
    try:
        with os.fdopen(number, "wb") as file:
            writer = Writer(root, file, check)
            try:
                writer.whole()
            finally:
                writer.close()
            file.flush()
            os.fsync(file.fileno())
            os.fchmod(file.fileno(), 0o644)
        Path(draft).rename(target)
        sync_directory(target.parent)
    except BaseException:
        with suppress(FileNotFoundError):
            Path(draft).unlink()
        raise
