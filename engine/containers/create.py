"""CreateContainer: a record, a directory and a writable layer; nothing runs yet."""

import shutil
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from functools import lru_cache
from typing import Any

from podlink.engine.containers.fill import make_volumes
from podlink.engine.containers.found import find_named
from podlink.engine.containers.request import CreateRequest, refuse_unbuilt, spread
from podlink.engine.containers.settle import settle
from podlink.engine.errors import ErrorOccurred, ImageNotFound, InvalidRequest, NameInUse
from podlink.engine.host import Host
from podlink.engine.ids import new_id, new_name
from podlink.engine.images.lookup import find_image
from podlink.engine.oci.image.config import ImageConfig
from podlink.engine.oci.spec.capabilities import resolve
from podlink.engine.oci.spec.values import ContainerConfig
from podlink.engine.state.values import Container, Image

NAME_ATTEMPTS = 32


def create(host: Host, request: CreateRequest) -> str:
    """Create a container of an image that is there, and return its ID.

    Raises ImageNotFound; NotHonoured or InvalidRequest, naming the field; NameInUse, naming the holder.
    """
    refuse_unbuilt(request)
    request = spread(request)
    image = _image_of(host, request)
    container = new_id(host.chooser)
    settings = _settings(image.config)
    config = settle(request, settings, container, host.machine.hostname(), find_named(host, request, settings, container))
    resolve(config.cap_add, config.cap_drop, config.privileged, host.facts.capabilities)
    layers = tuple(layer.chain for layer in image.layers)
    with host.state.locks.hold(container), ExitStack() as undo:
        directory = host.directory(container)
        undo.callback(host.state.locks.forget, container)
        undo.callback(shutil.rmtree, directory, ignore_errors=True)
        directory.mkdir(parents=True)
        make_volumes(host, container, config, undo)
        undo.callback(host.storage.delete, container)
        host.storage.create(container, layers, config.id_maps())
        _record(host, request, image, container, config)
        undo.pop_all()
    return container


@lru_cache(maxsize=128)
def _settings(config: bytes) -> Mapping[str, Any]:
    """What the image configuration says of its containers; nobody changes it."""
    return ImageConfig.parse(config).runtime()


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
            created_at=host.clock.now(),
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
