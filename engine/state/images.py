"""The tables of images: images, their names, and the layers that they share.

An image's ID is the digest of its configuration, so the same image has one row however it came here. A name belongs to one
image at a time and moves when it is given to another; so does a digest, the `REPOSITORY@DIGEST` under which a registry is known
to have the image: its manifests there may be several. A layer is known by its chain ID and is there as long as an image has it:
`remove` answers the layers that went with the image, and the caller takes them from the disk.

    remove(id) ──▶ [top, …, base]      only those that no other image has, in the order in which they can be deleted
"""

import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, bindparam, delete, exists, select
from sqlalchemy.dialects.sqlite import insert

from podlink.engine.errors import ImageInUse, ImageNotFound
from podlink.engine.state.containers import AFTER_HEX, PREFIX
from podlink.engine.state.db import Database
from podlink.engine.state.events import Event, append
from podlink.engine.state.schema import containers, image_digests, image_layers, image_names, images, layers


@dataclass(frozen=True, slots=True, kw_only=True)
class Layer:
    """One layer. chain: its chain ID and parent: that of the layer below, 64 hex digits each ("" for a base).

    diff_id: digest of the uncompressed tar; blob: digest of what is stored, blob_size bytes of media_type; size: bytes unpacked.
    """

    chain: str
    diff_id: str
    blob: str
    media_type: str
    size: int
    blob_size: int
    parent: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Image:
    """One image. id: 64 hex digits; digest: of the manifest, `sha256:…`; created_at: nanoseconds since the epoch.

    config and manifest: the JSON as it came, byte for byte, since both are known by their hash. size: bytes of its layers.
    layers: base first. names: full names, in the order in which they were given. digests: `REPOSITORY@DIGEST` of registries that
    are known to have it.
    """

    id: str
    digest: str
    created_at: int
    config: bytes
    manifest: bytes
    size: int
    layers: tuple[Layer, ...]
    names: tuple[str, ...] = ()
    digests: tuple[str, ...] = ()


_images, _names, _digests, _links, _layers = images.c, image_names.c, image_digests.c, image_layers.c, layers.c

ALL = select(images).order_by(_images.created_at.desc(), _images.id)
BY_ID = ALL.where(_images.id == bindparam("which"))
BY_PREFIX = ALL.where(_images.id >= bindparam("which"), _images.id < bindparam("end"))
BY_DIGEST = ALL.where(_images.digest == bindparam("which"))
BY_NAME = ALL.where(_images.id == select(_names.image).where(_names.name == bindparam("which")).scalar_subquery())
BY_REPO_DIGEST = ALL.where(_images.id == select(_digests.image).where(_digests.name == bindparam("which")).scalar_subquery())
DIGESTS_OF = (
    select(_digests.image, _digests.name).where(_digests.image.in_(bindparam("ids", expanding=True))).order_by(_digests.number)
)
NAMES_OF = select(_names.image, _names.name).where(_names.image.in_(bindparam("ids", expanding=True))).order_by(_names.number)
LAYERS_OF = (
    select(_links.image, layers)
    .join_from(image_layers, layers, _links.layer == _layers.chain)
    .where(_links.image.in_(bindparam("ids", expanding=True)))
    .order_by(_links.image, _links.position)
)
LAYER = select(layers).where(_layers.chain == bindparam("which"))
ALL_LAYERS = select(layers).order_by(_layers.chain)

ADD_IMAGE = insert(images).on_conflict_do_nothing().returning(_images.id)
ADD_LAYERS = insert(layers).on_conflict_do_nothing()
ADD_LINKS = insert(image_layers)
ADD_NAME = insert(image_names)
ADD_DIGEST = insert(image_digests)
ADD_DIGEST = ADD_DIGEST.on_conflict_do_update(index_elements=[_digests.name], set_={"image": ADD_DIGEST.excluded.image})
HOLDER = select(_names.image).where(_names.name == bindparam("which"))
REMOVE_NAME = delete(image_names).where(_names.name == bindparam("which")).returning(_names.image)
REMOVE_IMAGE = delete(images).where(_images.id == bindparam("which"))
REMOVE_LAYERS = (
    delete(layers)
    .where(_layers.chain.in_(bindparam("chains", expanding=True)), ~exists().where(_links.layer == _layers.chain))
    .returning(_layers.chain)
)
USERS = select(containers.c.name, containers.c.id).where(containers.c.image == bindparam("which")).order_by(containers.c.name)


class Images:
    """The images that are here. Reads take no lock; changes are durable when they return."""

    def __init__(self, database: Database, now: Callable[[], int] = time.time_ns) -> None:
        self._database = database
        self._now = now

    def add(self, image: Image, names: Sequence[str] = (), action: str = "import") -> None:
        """Make it exist and give it these names, taking them from others. One that is here keeps what it has.

        action: how it came, for the event: `import`, `pull`, `commit` or `load`. `image.names` are given first.
        """
        given = (*image.names, *names)
        with self._database.writing() as connection:
            if connection.execute(ADD_IMAGE, _image_row(image)).one_or_none():
                if image.layers:
                    connection.execute(ADD_LAYERS, [_layer_row(layer) for layer in image.layers])
                    links = enumerate(layer.chain for layer in image.layers)
                    connection.execute(ADD_LINKS, [{"image": image.id, "position": at, "layer": chain} for at, chain in links])
                self._tell(connection, action, image.id, given[0] if given else "")
            for name in given:
                self._give(connection, image.id, name)
            self._note(connection, image.id, image.digests)

    def get(self, id: str) -> Image:
        """The image with this full ID. Raises ImageNotFound."""
        if not (found := self._select(BY_ID, which=id)):
            raise ImageNotFound(id)
        return found[0]

    def by_name(self, full_name: str) -> Image | None:
        """The image that has exactly this name."""
        found = self._select(BY_NAME, which=full_name)
        return found[0] if found else None

    def by_prefix(self, prefix: str) -> list[Image]:
        """The images whose ID starts so; none for what is no hex."""
        return self._select(BY_PREFIX, which=prefix, end=prefix + AFTER_HEX) if PREFIX.fullmatch(prefix) else []

    def by_digest(self, digest: str) -> list[Image]:
        """The images whose manifest has this digest."""
        return self._select(BY_DIGEST, which=digest)

    def by_repo_digest(self, name: str) -> Image | None:
        """The image that a registry has under exactly this `REPOSITORY@DIGEST`."""
        found = self._select(BY_REPO_DIGEST, which=name)
        return found[0] if found else None

    def all(self) -> list[Image]:
        """Every image, newest first."""
        return self._select(ALL)

    def tag(self, id: str, name: str) -> None:
        """Give the image one more name, taking it from another that has it. Raises ImageNotFound."""
        with self._database.writing() as connection:
            if connection.execute(BY_ID, {"which": id}).one_or_none() is None:
                raise ImageNotFound(id)
            self._give(connection, id, name)

    def note(self, id: str, digests: Sequence[str]) -> None:
        """Remember under which `REPOSITORY@DIGEST` registries have the image. Raises ImageNotFound."""
        with self._database.writing() as connection:
            if connection.execute(BY_ID, {"which": id}).one_or_none() is None:
                raise ImageNotFound(id)
            self._note(connection, id, digests)

    def untag(self, name: str) -> str:
        """Take the name away, and answer the ID of the image that had it. Raises ImageNotFound."""
        with self._database.writing() as connection:
            holder = connection.execute(REMOVE_NAME, {"which": name}).scalar_one_or_none()
            if holder is None:
                raise ImageNotFound(name)
            self._tell(connection, "untag", holder, name)
        return str(holder)

    def remove(self, id: str) -> list[Layer]:
        """Make it and its names not exist. The answer: the layers that no image has any more, topmost first.

        Raises ImageNotFound, or ImageInUse naming the containers that stand on it.
        """
        with self._database.writing() as connection:
            if users := connection.execute(USERS, {"which": id}).all():
                raise ImageInUse(_in_use(id, users))
            if not (found := _whole(connection, connection.execute(BY_ID, {"which": id}).all())):
                raise ImageNotFound(id)
            connection.execute(REMOVE_IMAGE, {"which": id})  # its names and its links to layers go with it
            chains = [layer.chain for layer in found[0].layers]
            gone = set(connection.execute(REMOVE_LAYERS, {"chains": chains}).scalars()) if chains else set()
            self._tell(connection, "remove", id, found[0].names[0] if found[0].names else "")
        return [layer for layer in reversed(found[0].layers) if layer.chain in gone]

    def layer(self, chain: str) -> Layer | None:
        """The layer with this chain ID, if some image has it."""
        with self._database.reading() as connection:
            row = connection.execute(LAYER, {"which": chain}).one_or_none()
        return _layer(row) if row else None

    def all_layers(self) -> list[Layer]:
        """Every layer that some image has: what is on the disk beside them, and their blobs, is garbage."""
        with self._database.reading() as connection:
            return [_layer(row) for row in connection.execute(ALL_LAYERS).all()]

    def _select(self, statement: Any, **values: str) -> list[Image]:
        with self._database.reading() as connection:
            return _whole(connection, connection.execute(statement, values).all())

    def _give(self, connection: Connection, id: str, name: str) -> None:
        """Move the name to the image, at the end of those that it has. A name that it has already stays in its place."""
        holder = connection.execute(HOLDER, {"which": name}).scalar_one_or_none()
        if holder == id:
            return
        if holder:
            connection.execute(REMOVE_NAME, {"which": name})
            self._tell(connection, "untag", holder, name)
        connection.execute(ADD_NAME, {"name": name, "image": id})
        self._tell(connection, "tag", id, name)

    def _note(self, connection: Connection, id: str, digests: Sequence[str]) -> None:
        if digests:
            connection.execute(ADD_DIGEST, [{"name": name, "image": id} for name in digests])

    def _tell(self, connection: Connection, action: str, id: str, name: str) -> None:
        append(connection, Event(at=self._now(), type="image", action=action, id=id, name=name))


def _whole(connection: Connection, rows: Sequence[Any]) -> list[Image]:
    """The images of these rows, with their names, digests and layers: four statements, however many images."""
    if not rows:
        return []
    ids = {"ids": [row.id for row in rows]}
    names, digests = _grouped(connection.execute(NAMES_OF, ids)), _grouped(connection.execute(DIGESTS_OF, ids))
    stacks: dict[str, list[Layer]] = defaultdict(list)
    for row in connection.execute(LAYERS_OF, ids):
        stacks[row.image].append(_layer(row))
    return [
        Image(**row._mapping, names=tuple(names[row.id]), digests=tuple(digests[row.id]), layers=tuple(stacks[row.id]))
        for row in rows
    ]


def _grouped(rows: Iterable[Any]) -> dict[str, list[str]]:
    """The names of each image."""
    found: dict[str, list[str]] = defaultdict(list)
    for image, name in rows:
        found[image].append(name)
    return found


def _layer(row: Any) -> Layer:
    return Layer(
        chain=row.chain,
        diff_id=row.diff_id,
        blob=row.blob,
        media_type=row.media_type,
        size=row.size,
        blob_size=row.blob_size,
        parent=row.parent or "",
    )


def _layer_row(layer: Layer) -> dict[str, Any]:
    row = {name: getattr(layer, name) for name in Layer.__slots__}
    return row | {"parent": layer.parent or None}


def _image_row(image: Image) -> dict[str, Any]:
    return {name: getattr(image, name) for name in ("id", "digest", "created_at", "size", "config", "manifest")}


def _in_use(id: str, users: Iterable[Any]) -> str:
    names = ", ".join(f"{name} ({container[:12]})" for name, container in users)
    return f"image {id[:12]} is in use by {names}; remove these containers first, or remove the image by force"
