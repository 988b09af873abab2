"""The tables of images, in memory."""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from podlink.engine.errors import ImageNotFound
from podlink.engine.state.memory.store import Memory
from podlink.engine.state.rules import PREFIX, in_use
from podlink.engine.state.values import Event, Image, Layer


class Images:
    def __init__(self, memory: Memory, now: Callable[[], int] = time.time_ns) -> None:
        self._memory = memory
        self._now = now
        self._rows = memory.images
        self._layers = memory.layers
        self._names: dict[str, str] = {}
        """IDs by name."""
        self._digests: dict[str, str] = {}
        """IDs by `REPOSITORY@DIGEST`."""

    def add(self, image: Image, names: Sequence[str] = (), action: str = "import") -> None:
        given = (*image.names, *names)
        self._memory.require_room()
        with self._memory:
            if image.id not in self._rows:
                layers = tuple(self._layers.setdefault(layer.chain, layer) for layer in image.layers)
                self._rows[image.id] = replace(image, layers=layers, names=(), digests=())
                self._tell(action, image.id, given[0] if given else "")
            for name in given:
                self._give(image.id, name)
            self._note(image.id, image.digests)

    def get(self, id: str) -> Image:
        with self._memory:
            return self._row(id)

    def by_name(self, full_name: str) -> Image | None:
        with self._memory:
            return self._rows.get(self._names.get(full_name, ""))

    def by_prefix(self, prefix: str) -> list[Image]:
        return self._such(lambda each: each.id.startswith(prefix)) if PREFIX.fullmatch(prefix) else []

    def by_digest(self, digest: str) -> list[Image]:
        return self._such(lambda each: each.digest == digest)

    def by_repo_digest(self, name: str) -> Image | None:
        with self._memory:
            return self._rows.get(self._digests.get(name, ""))

    def all(self) -> list[Image]:
        return self._such(lambda each: True)

    def tag(self, id: str, name: str) -> None:
        self._memory.require_room()
        with self._memory:
            self._row(id)
            self._give(id, name)

    def note(self, id: str, digests: Sequence[str]) -> None:
        self._memory.require_room()
        with self._memory:
            self._row(id)
            self._note(id, digests)

    def untag(self, name: str) -> str:
        with self._memory:
            if (holder := self._names.get(name)) is None:
                raise ImageNotFound(name)
            self._take(holder, name)
            return holder

    def remove(self, id: str) -> list[Layer]:
        with self._memory:
            if users := sorted((each.name, each.id) for each in self._memory.containers.values() if each.image == id):
                raise in_use(id, users)
            image = self._row(id)
            del self._rows[id]
            self._names = {name: holder for name, holder in self._names.items() if holder != id}
            self._digests = {name: holder for name, holder in self._digests.items() if holder != id}
            kept = {layer.chain for each in self._rows.values() for layer in each.layers}
            gone = [layer for layer in reversed(image.layers) if layer.chain not in kept]
            for layer in gone:
                self._layers.pop(layer.chain, None)
            self._tell("remove", id, image.names[0] if image.names else "")
            return gone

    def layer(self, chain: str) -> Layer | None:
        with self._memory:
            return self._layers.get(chain)

    def all_layers(self) -> list[Layer]:
        with self._memory:
            return [self._layers[chain] for chain in sorted(self._layers)]

    def _row(self, id: str) -> Image:
        if row := self._rows.get(id):
            return row
        raise ImageNotFound(id)

    def _such(self, wanted: Callable[[Image], bool]) -> list[Image]:
        with self._memory:
            rows = list(self._rows.values())
        return sorted(filter(wanted, rows), key=lambda each: (-each.created_at, each.id))

    def _give(self, id: str, name: str) -> None:
        """Move the name to the image, at the end of those that it has. A name that it has already stays in its place."""
        holder = self._names.get(name)
        if holder == id:
            return
        if holder:
            self._take(holder, name)
        self._names[name] = id
        self._rows[id] = replace(self._rows[id], names=(*self._rows[id].names, name))
        self._tell("tag", id, name)

    def _take(self, holder: str, name: str) -> None:
        del self._names[name]
        row = self._rows[holder]
        self._rows[holder] = replace(row, names=tuple(_but(row.names, name)))
        self._tell("untag", holder, name)

    def _note(self, id: str, digests: Sequence[str]) -> None:
        for name in digests:
            if (holder := self._digests.get(name)) == id:
                continue
            if holder:
                row = self._rows[holder]
                self._rows[holder] = replace(row, digests=tuple(_but(row.digests, name)))
            self._digests[name] = id
            self._rows[id] = replace(self._rows[id], digests=(*self._rows[id].digests, name))

    def _tell(self, action: str, id: str, name: str) -> None:
        self._memory.tell(Event(at=self._now(), type="image", action=action, id=id, name=name))


def _but(names: Sequence[str], name: str) -> Iterator[str]:
    return (each for each in names if each != name)
