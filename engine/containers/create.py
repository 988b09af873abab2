"""CreateContainer: a record, a directory and a writable layer; nothing runs yet."""

import platform
import shutil
from collections.abc import Iterator
from contextlib import ExitStack

from podlink.engine.containers.fill import make_volumes
from podlink.engine.containers.found import find_named
from podlink.engine.containers.request import CreateRequest, refuse_unbuilt, spread
from podlink.engine.containers.settle import settle
from podlink.engine.errors import ErrorOccurred, ImageNotFound, InvalidRequest, NameInUse, NotHonoured
from podlink.engine.host import Host
from podlink.engine.ids import new_id, new_name
from podlink.engine.images.lookup import find_image
from podlink.engine.oci.image.config import ImageConfig
from podlink.engine.oci.spec.capabilities import resolve
from podlink.engine.oci.spec.values import ContainerConfig
from podlink.engine.state.containers import Container
from podlink.engine.state.images import Image

NAME_ATTEMPTS = 32


def create(host: Host, request: CreateRequest) -> str:
    """Create a container of an image that is there, and return its ID.

    Raises ImageNotFound; NotHonoured or InvalidRequest, naming the field; NameInUse, naming the holder.
    """
    refuse_unbuilt(request)
    _refuse_terminals(host, request)
    request = spread(request)
    image = _image_of(host, request)
    container = new_id(host.chooser)
    settings = ImageConfig.parse(image.config).runtime()
    config = settle(request, settings, container, platform.node(), find_named(host, request, settings, container))
    resolve(config.cap_add, config.cap_drop, config.privileged, host.facts.capabilities)
    layers = tuple(layer.chain for layer in image.layers)
    with host.state.locks.hold(container), ExitStack() as undo:
        directory = host.directory(container)
        undo.callback(shutil.rmtree, directory, ignore_errors=True)
        directory.mkdir(parents=True)
        make_volumes(host, container, config, undo)
        undo.callback(host.storage.delete, container)
        host.storage.create(container, layers, config.id_maps())
        _record(host, request, image, container, config)
        undo.pop_all()
    return container


def _refuse_terminals(host: Host, request: CreateRequest) -> None:
    for field in ("tty", "interactive"):
        if getattr(request, field) and not host.runtime.attaches:
            raise NotHonoured(field, f"{host.runtime.name} has no terminals and no stdin; choose runc, or leave it out")


def _image_of(host: Host, request: CreateRequest) -> Image:
    """The image that is asked for; `image_id`, where it is given, must be its ID."""
    image = find_image(host, request.image or request.image_id)
    if request.image_id:
        try:
            agrees = find_image(host, request.image_id).id == image.id
        except ImageNotFound:
            agrees = False
        if not agrees:
            raise InvalidRequest(f"image_id: {request.image_id} is not the ID of image {request.image!r}, which is {image.id}")
    return image


def _record(host: Host, request: CreateRequest, image: Image, container: str, config: ContainerConfig) -> None:
    """Write the container's row: the moment from which it exists."""
    for name in _names(host, request.name):
        row = Container(
            id=container,
            name=name,
            image=image.id,
            image_name=request.image or request.image_id,
            layers=tuple(layer.chain for layer in image.layers),
            created_at=host.now(),
            config=config,
            root_size=image.size,
        )
        try:
            return host.state.containers.add(row)
        except NameInUse:
            if request.name:
                raise
    raise ErrorOccurred(f"no free name was found in {NAME_ATTEMPTS} attempts; name the container")


def _names(host: Host, asked: str) -> Iterator[str]:
    """The name that was asked for, or one invented name after another."""
    if asked:
        yield asked
        return
    for attempt in range(NAME_ATTEMPTS):
        yield new_name(host.chooser) + (str(attempt) if attempt > 1 else "")
