"""The tables of images, in SQLite."""

import json
import sqlite3
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from sqlalchemy import BindParameter, bindparam, delete, exists, func, select
from sqlalchemy.dialects.sqlite import insert

from podlink.engine.errors import ImageNotFound
from podlink.engine.state.containers import AFTER_HEX
from podlink.engine.state.db import Database, concluding
from podlink.engine.state.events import append
from podlink.engine.state.rules import PREFIX, in_use
from podlink.engine.state.schema import containers, image_digests, image_layers, image_names, images, layers
from podlink.engine.state.spelled import Spelled, spelled
from podlink.engine.state.values import Event, Image, Layer

_images, _names, _digests, _links, _layers = images.c, image_names.c, image_digests.c, image_layers.c, layers.c

_all = select(images).order_by(_images.created_at.desc(), _images.id)
_given = func.json_each(bindparam("ids")).table_valued("value")
_among = select(_given.c.value)
_which: BindParameter[str] = bindparam("which")
_add_digest = insert(image_digests)
_columns = tuple(column.name for column in images.columns)

ALL = spelled(_all)
BY_ID = spelled(_all.where(_images.id == _which))
BY_PREFIX = spelled(_all.where(_images.id >= _which, _images.id < bindparam("end")))
BY_DIGEST = spelled(_all.where(_images.digest == _which))
BY_NAME = spelled(_all.where(_images.id == select(_names.image).where(_names.name == _which).scalar_subquery()))
BY_REPO_DIGEST = spelled(_all.where(_images.id == select(_digests.image).where(_digests.name == _which).scalar_subquery()))
DIGESTS_OF = spelled(select(_digests.image, _digests.name).where(_digests.image.in_(_among)).order_by(_digests.number))
NAMES_OF = spelled(select(_names.image, _names.name).where(_names.image.in_(_among)).order_by(_names.number))
LAYERS_OF = spelled(
    select(_links.image, layers)
    .join_from(image_layers, layers, _links.layer == _layers.chain)
    .where(_links.image.in_(_among))
    .order_by(_links.image, _links.position)
)
LAYER = spelled(select(layers).where(_layers.chain == _which))
ALL_LAYERS = spelled(select(layers).order_by(_layers.chain))
HOLDER = spelled(select(_names.image).where(_names.name == _which))
USERS = spelled(select(containers.c.name, containers.c.id).where(containers.c.image == _which).order_by(containers.c.name))

ADD_IMAGE = spelled(insert(images).on_conflict_do_nothing().returning(_images.id))
ADD_LAYER = spelled(insert(layers).on_conflict_do_nothing())
ADD_LINK = spelled(insert(image_layers))
ADD_NAME = spelled(insert(image_names), "name", "image")
ADD_DIGEST = spelled(
    _add_digest.on_conflict_do_update(index_elements=[_digests.name], set_={"image": _add_digest.excluded.image}), "name", "image"
)
REMOVE_NAME = spelled(delete(image_names).where(_names.name == _which).returning(_names.image))
REMOVE_IMAGE = spelled(delete(images).where(_images.id == _which))
REMOVE_LAYERS = spelled(
    delete(layers).where(_layers.chain.in_(_among), ~exists().where(_links.layer == _layers.chain)).returning(_layers.chain)
)


class Images:
    def __init__(self, database: Database, now: Callable[[], int] = time.time_ns) -> None:
        self._database = database
        self._now = now

    def add(self, image: Image, names: Sequence[str] = (), action: str = "import") -> None:
        given = (*image.names, *names)
        with self._database.growing() as connection:
            if ADD_IMAGE(connection, **_image_row(image)):
                for layer in image.layers:
                    ADD_LAYER(connection, **_layer_row(layer))
                for position, layer in enumerate(image.layers):
                    ADD_LINK(connection, image=image.id, position=position, layer=layer.chain)
                self._tell(connection, action, image.id, given[0] if given else "")
            for name in given:
                self._give(connection, image.id, name)
            self._note(connection, image.id, image.digests)

    def get(self, id: str) -> Image:
        if not (found := self._select(BY_ID, which=id)):
            raise ImageNotFound(id)
        return found[0]

    def by_name(self, full_name: str) -> Image | None:
        found = self._select(BY_NAME, which=full_name)
        return found[0] if found else None

    def by_prefix(self, prefix: str) -> list[Image]:
        return self._select(BY_PREFIX, which=prefix, end=prefix + AFTER_HEX) if PREFIX.fullmatch(prefix) else []

    def by_digest(self, digest: str) -> list[Image]:
        return self._select(BY_DIGEST, which=digest)

    def by_repo_digest(self, name: str) -> Image | None:
        found = self._select(BY_REPO_DIGEST, which=name)
        return found[0] if found else None

    def all(self) -> list[Image]:
        return self._select(ALL)

    def tag(self, id: str, name: str) -> None:
        with self._database.growing() as connection:
            if not BY_ID(connection, which=id):
                raise ImageNotFound(id)
            self._give(connection, id, name)

    def note(self, id: str, digests: Sequence[str]) -> None:
        with self._database.growing() as connection:
            if not BY_ID(connection, which=id):
                raise ImageNotFound(id)
            self._note(connection, id, digests)

    @concluding
    def untag(self, name: str) -> str:
        with self._database.writing() as connection:
            holder = REMOVE_NAME.one(connection, which=name)
            if holder is None:
                raise ImageNotFound(name)
            self._tell(connection, "untag", holder[0], name)
        return str(holder[0])

    @concluding
    def remove(self, id: str) -> list[Layer]:
        with self._database.writing() as connection:
            if users := USERS(connection, which=id):
                raise in_use(id, [(name, container) for name, container in users])
            if not (found := _whole(connection, BY_ID(connection, which=id))):
                raise ImageNotFound(id)
            REMOVE_IMAGE(connection, which=id)  # its names and its links to layers go with it
            chains = [layer.chain for layer in found[0].layers]
            gone = {chain for (chain,) in REMOVE_LAYERS(connection, ids=json.dumps(chains))}
            self._tell(connection, "remove", id, found[0].names[0] if found[0].names else "")
        return [layer for layer in reversed(found[0].layers) if layer.chain in gone]

    def layer(self, chain: str) -> Layer | None:
        with self._database.reading() as connection:
            row = LAYER.one(connection, which=chain)
        return _layer(row) if row else None

    def all_layers(self) -> list[Layer]:
        with self._database.reading() as connection:
            return [_layer(row) for row in ALL_LAYERS(connection)]

    def _select(self, statement: Spelled, **values: str) -> list[Image]:
        with self._database.reading() as connection:
            return _whole(connection, statement(connection, **values))

    def _give(self, connection: sqlite3.Connection, id: str, name: str) -> None:
        """Move the name to the image, at the end of those that it has. A name that it has already stays in its place."""
        holder = HOLDER.one(connection, which=name)
        if holder == (id,):
            return
        if holder:
            REMOVE_NAME(connection, which=name)
            self._tell(connection, "untag", holder[0], name)
        ADD_NAME(connection, name=name, image=id)
        self._tell(connection, "tag", id, name)

    def _note(self, connection: sqlite3.Connection, id: str, digests: Sequence[str]) -> None:
        for name in digests:
            ADD_DIGEST(connection, name=name, image=id)

    def _tell(self, connection: sqlite3.Connection, action: str, id: str, name: str) -> None:
        append(connection, Event(at=self._now(), type="image", action=action, id=id, name=name))


def _whole(connection: sqlite3.Connection, rows: Sequence[Any]) -> list[Image]:
    """The images of these rows, with their names, digests and layers: four statements, however many images."""
    if not rows:
        return []
    found = {row[0]: dict(zip(_columns, row, strict=True)) for row in rows}
    ids = json.dumps(list(found))
    names, digests = _grouped(NAMES_OF(connection, ids=ids)), _grouped(DIGESTS_OF(connection, ids=ids))
    stacks: dict[str, list[Layer]] = defaultdict(list)
    for image, *layer in LAYERS_OF(connection, ids=ids):
        stacks[image].append(_layer(layer))
    return [
        Image(**values, names=tuple(names[id]), digests=tuple(digests[id]), layers=tuple(stacks[id]))
        for id, values in found.items()
    ]


def _grouped(rows: Iterable[Any]) -> dict[str, list[str]]:
    """The names of each image."""
    found: dict[str, list[str]] = defaultdict(list)
    for image, name in rows:
        found[image].append(name)
    return found


def _layer(row: Sequence[Any]) -> Layer:
    chain, diff_id, blob, media_type, size, blob_size, parent = row
    return Layer(
        chain=chain, diff_id=diff_id, blob=blob, media_type=media_type, size=size, blob_size=blob_size, parent=parent or ""
    )


def _layer_row(layer: Layer) -> dict[str, Any]:
    row = {name: getattr(layer, name) for name in Layer.__slots__}
    return row | {"parent": layer.parent or None}


def _image_row(image: Image) -> dict[str, Any]:
    return {name: getattr(image, name) for name in ("id", "digest", "created_at", "size", "config", "manifest")}
