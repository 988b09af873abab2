"""Commit: what a container has become, as an image on top of its own."""

import tempfile
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import replace

from podlink.engine.cancel import NEVER, Cancel
from podlink.engine.containers.changes import changes_of
from podlink.engine.containers.export import cancelled
from podlink.engine.containers.lifecycle import locked
from podlink.engine.errors import StorageFailed
from podlink.engine.host import Host
from podlink.engine.images.lookup import find_image
from podlink.engine.images.stack import assemble, stack
from podlink.engine.images.tag import new_tag
from podlink.engine.oci.digest import Digest
from podlink.engine.oci.image import media_types
from podlink.engine.oci.image.changes import apply_changes
from podlink.engine.oci.image.config import Execution, History, ImageConfig
from podlink.engine.oci.layer.writer import Writer
from podlink.engine.oci.reference import localized
from podlink.engine.oci.spec.values import ContainerConfig
from podlink.engine.state.containers import Container, Status
from podlink.engine.state.images import Image
from podlink.engine.storage.changes import Kind

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
    with locked(host, name) as container, ExitStack() as undo:
        base = find_image(host, container.image)
        execution = apply_changes(_execution(container.config, ImageConfig.parse(base.config).execution), changes)
        if pause and container.status is Status.RUNNING:
            undo.callback(host.runtime.resume, container.id)
            host.runtime.pause(container.id)

        def describe(diff_id: Digest | None) -> ImageConfig:
            return _described(host, base, execution, container, diff_id, author, message)

        try:
            return _grown(host, container, base, describe, names, cancel)
        except OSError as error:
            raise StorageFailed(f"commit of container {name}: {error.strerror or error}") from error


def _grown(
    host: Host,
    container: Container,
    base: Image,
    describe: Callable[[Digest | None], ImageConfig],
    names: Sequence[str],
    cancel: Cancel,
) -> str:
    """The layer is written to a nameless file first: it is hashed, stored and unpacked from there."""
    found = changes_of(host, container)
    if not found:
        image = assemble(describe(None), base.layers)
        host.state.images.add(image, names, "commit")
        return image.id
    with tempfile.TemporaryFile(dir=host.config.root) as file:
        writer = Writer(host.storage.written(container.id), file, cancelled(cancel, f"the commit of container {container.name}"))
        try:
            writer.some(change.path for change in found if change.kind is not Kind.DELETED)
            for change in found:
                if change.kind is Kind.DELETED:
                    writer.whiteout(change.path)
        finally:
            writer.close()
        file.seek(0)
        with open(file.fileno(), "rb", closefd=False) as stream:
            return stack(host, base.layers, stream, media_types.LAYER_TAR, describe, names)


def _described(
    host: Host, base: Image, execution: Execution, container: Container, diff_id: Digest | None, author: str, message: str
) -> ImageConfig:
    """The base's configuration with one step more."""
    now, before = host.now(), ImageConfig.parse(base.config)
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
        env=tuple(entry for entry in config.env if not entry.startswith(EVERYBODYS)),
        entrypoint=config.entrypoint,
        cmd=config.command,
        working_dir=config.cwd if config.cwd != "/" else image.working_dir,
        labels=dict(config.labels),
    )
