"""Commit: what a container has become, as an image on top of its own."""

import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from typing import BinaryIO

from podlink.engine.cancel import NEVER, Cancel
from podlink.engine.containers.changes import above, changes_of
from podlink.engine.containers.export import cancelled
from podlink.engine.containers.lifecycle import committing, locked, process_of
from podlink.engine.errors import InvalidRequest, InvalidState, RuntimeFailed, StorageFailed
from podlink.engine.host import Host
from podlink.engine.images.lookup import find_image
from podlink.engine.images.stack import keep, stack
from podlink.engine.images.tag import new_tag
from podlink.engine.oci.digest import Digest
from podlink.engine.oci.image import media_types
from podlink.engine.oci.image.changes import apply_changes
from podlink.engine.oci.image.config import Execution, History, ImageConfig
from podlink.engine.oci.layer.whiteouts import PREFIX
from podlink.engine.oci.layer.writer import Writer
from podlink.engine.oci.reference import localized
from podlink.engine.oci.spec.values import ContainerConfig
from podlink.engine.state.values import Container, Image, Status
from podlink.engine.storage.changes import Kind, linked
from podlink.engine.storage.durable import refusals

EVERYBODYS = ("TERM=", "HOSTNAME=", "container=")
"""Variables that each container is given, and that are nobody's wish for the next one."""


def commit(
    host: Host,
    name: str,
    image_name: str = "",
    changes: Sequence[str] = (),
    author: str = "",
    message: str = "",
    pause: bool = True,
    cancel: Cancel = NEVER,
) -> str:
    """Make an image of the container and return its ID. pause: stand still meanwhile, if it runs.

    What lies in volumes is not the container's and stays out. Raises ContainerNotFound; InvalidRequest for a name or change
    that is none; StorageFailed; Cancelled.
    """
    names = [localized(new_tag(image_name))] if image_name else []
    try:
        with refusals(str(host.config.root)), tempfile.TemporaryFile(dir=host.config.root) as file:
            with locked(host, name) as container:
                base = find_image(host, container.image)
                execution = apply_changes(_execution(container.config, ImageConfig.parse(base.config).execution), changes)
                with _still(host, container, pause):
                    layered = _write_layer(host, container, file, cancelled(cancel, f"the commit of container {container.name}"))

            def describe(diff_id: Digest | None) -> ImageConfig:
                return _described(host, base, execution, container, diff_id, author, message)

            if not layered:
                return keep(host, base.layers, describe(None), names, "commit")
            file.seek(0)
            with open(file.fileno(), "rb", closefd=False) as stream:
                return stack(host, base.layers, stream, media_types.LAYER_TAR, describe, names, "commit")
    except StorageFailed as trouble:
        raise type(trouble)(f"commit of container {name}: {trouble.reason}") from trouble


@contextmanager
def _still(host: Host, container: Container, pause: bool) -> Iterator[None]:
    """Freeze the container for as long as the block lasts, if it runs and that is wanted.

    A mark in its directory tells of it: should we die meanwhile, the next engine thaws it.
    """
    if not pause or container.status is not Status.RUNNING:
        yield
        return
    mark = committing(host, container.id)
    mark.touch()
    try:
        with suppress(InvalidState):  # one that is just ending writes nothing more
            host.runtime.pause(container.id)
        yield
    finally:
        _resume(host, container)
        mark.unlink(missing_ok=True)


def _resume(host: Host, container: Container) -> None:
    try:
        host.runtime.resume(container.id)
    except RuntimeFailed:
        if host.runtime.alive(process_of(container)):  # one that was killed meanwhile has nothing left to thaw
            raise


def _write_layer(host: Host, container: Container, file: BinaryIO, check: Callable[[], None]) -> bool:
    """What differs from the image, as a layer; whether anything does. It is hashed, stored and unpacked from this file later."""
    found = changes_of(host, container)
    kept = {change.path for change in found if change.kind is not Kind.DELETED}
    _refuse_reserved(container, kept)
    tree = host.storage.written(container.id)
    names = linked(tree, kept) - kept if kept else set()
    paths = kept.union(names, *(above(path) for path in names))
    writer = Writer(tree, file, check, owners=host.storage.owners(container.id))
    try:
        writer.some(sorted(paths, key=lambda path: path.split("/")))
        for change in found:
            if change.kind is Kind.DELETED:
                writer.whiteout(change.path)
        writer.finish()
    finally:
        writer.close()
    return bool(found)


def _refuse_reserved(container: Container, paths: Iterable[str]) -> None:
    """A file of such a name would be taken for a mark, and delete another one (layer.md, "Whiteouts")."""
    for path in sorted(paths):
        if f"/{PREFIX.decode()}" in path:
            reason = "names that begin with .wh. mark deletions in an image; rename it, or export the container"
            raise InvalidRequest(f"commit of container {container.name}: {path}: {reason}")


def _described(
    host: Host, base: Image, execution: Execution, container: Container, diff_id: Digest | None, author: str, message: str
) -> ImageConfig:
    """The base's configuration with one step more."""
    now, before = host.clock.now(), ImageConfig.parse(base.config)
    words = " ".join(container.config.args)
    step = History(created=now, created_by=words, author=author, comment=message, empty_layer=diff_id is None)
    return replace(
        before,
        created=now,
        author=author or before.author,
        execution=execution,
        diff_ids=(*before.diff_ids, *([diff_id] if diff_id else ())),
        history=(*before.history, step),
    )


def _execution(config: ContainerConfig, image: Execution) -> Execution:
    """What a container of the new image starts from: as this one was started."""
    return replace(
        image,
        user=config.user,
        env=tuple(entry for entry in config.env if entry in image.env or not entry.startswith(EVERYBODYS)),
        entrypoint=config.entrypoint,
        cmd=config.command,
        working_dir=config.cwd if config.cwd != "/" else image.working_dir,
        labels=dict(config.labels),
    )
