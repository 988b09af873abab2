"""From the words that name a place to what can be read or written there: the one table of the transports."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from podlink.engine.cancel import NEVER, Cancel
from podlink.engine.config import Limits
from podlink.engine.errors import InvalidRequest, NotHonoured
from podlink.engine.images.registries.surroundings import Surroundings
from podlink.engine.images.transports import registry
from podlink.engine.images.transports.base import REGISTRY, Candidate, Destination, Place, Source, parse_place
from podlink.engine.images.transports.directory import VERSION, DirectoryDestination, DirectorySource
from podlink.engine.images.transports.docker_archive import DockerArchiveDestination, DockerArchiveSource
from podlink.engine.images.transports.drafts import FolderDraft, folder, new_archive
from podlink.engine.images.transports.files import Folder, TarFile
from podlink.engine.images.transports.oci_layout import OciDestination, OciSource, known_entries, require_tag
from podlink.engine.oci import reference
from podlink.engine.storage.delivery import new_folder
from podlink.engine.storage.durable import refusals


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """On what terms an image is read. scratch: where a compressed archive is unpacked for a while. tls_verify: of a registry.

    surroundings: where registries are configured.
    """

    scratch: Path
    limits: Limits
    tls_verify: bool = True
    surroundings: Surroundings = field(default_factory=Surroundings)


def candidates(text: str, terms: Terms, cancel: Cancel) -> list[Candidate]:
    """The images that a name may mean, to be tried in turn. Raises InvalidRequest."""
    place = parse_place(text)
    if place.transport == REGISTRY:
        return registry.candidates(place.name, cancel, terms.surroundings, tls_verify=terms.tls_verify)
    return [Candidate(str(place), partial(_source, place, terms))]


@contextmanager
def _source(place: Place, terms: Terms) -> Iterator[Source]:
    with ExitStack() as stack:
        yield SOURCES[place.transport](place, terms, stack)


def _tar(place: Place, terms: Terms, stack: ExitStack) -> TarFile:
    return TarFile(Path(place.path), terms.scratch, stack, terms.limits)


SOURCES: dict[str, Callable[[Place, Terms, ExitStack], Source]] = {
    "oci": lambda place, terms, stack: OciSource(str(place), Folder(Path(place.path)), place.name),
    "oci-archive": lambda place, terms, stack: OciSource(str(place), _tar(place, terms, stack), place.name),
    "docker-archive": lambda place, terms, stack: DockerArchiveSource(str(place), _tar(place, terms, stack), place.name),
    "dir": lambda place, terms, stack: DirectorySource(str(place), Folder(Path(place.path))),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Wishes:
    """How an image is to be written. tls_verify: of a registry. compress: layers that the place would take plain.

    names: what a docker-archive calls the image, beside the name in its place; each made full.
    surroundings: where registries are configured.
    """

    tls_verify: bool = True
    surroundings: Surroundings = field(default_factory=Surroundings)
    compress: bool = False
    names: Sequence[str] = ()


def destination(place: Place, wishes: Wishes, cancel: Cancel = NEVER) -> AbstractContextManager[Destination]:
    """A place to write one image to. It is there, whole, once the block has ended; an exception leaves the place as it was.

    Raises InvalidRequest for what can be no such place, NotHonoured for a wish that it can't grant, StorageFailed,
    RegistryFailed.
    """
    if wishes.names and place.transport != "docker-archive":
        raise NotHonoured("tags", f"{place} holds an image under one name; only a docker-archive has several")
    if place.transport == REGISTRY:
        return registry.destination(place.name, tls_verify=wishes.tls_verify, cancel=cancel, surroundings=wishes.surroundings)
    return DESTINATIONS[place.transport](place, wishes)


@contextmanager
def _oci(place: Place, wishes: Wishes) -> Iterator[Destination]:
    require_tag(place.name, str(place))
    known = known_entries(Path(place.path), str(place))
    with folder(Path(place.path)) as draft:
        layout = OciDestination(str(place), draft, place.name, known)
        layout.begin()
        yield layout


@contextmanager
def _oci_archive(place: Place, wishes: Wishes) -> Iterator[Destination]:
    require_tag(place.name, str(place))
    with new_archive(Path(place.path)) as draft:
        yield OciDestination(str(place), draft, place.name, [])


@contextmanager
def _docker_archive(place: Place, wishes: Wishes) -> Iterator[Destination]:
    """One that is there may hold other images, and is not replaced."""
    path = Path(place.path)
    if path.is_file() and path.stat().st_size:
        raise InvalidRequest(f"{place}: the file is there already; remove it, or give another name")
    names = [reference.normalize(name) for name in (*filter(None, [place.name]), *wishes.names)]
    if any("@" in name for name in names):
        raise InvalidRequest(f"{place}: a name with a digest can't be given to an image; give a tag")
    with new_archive(path) as draft:
        yield DockerArchiveDestination(str(place), draft, list(dict.fromkeys(names)), wishes.compress)


@contextmanager
def _directory(place: Place, wishes: Wishes) -> Iterator[Destination]:
    """An image that is there is replaced, whole. Anything else is left alone."""
    path = Path(place.path)
    taken = any(path.iterdir()) and not (path / VERSION).is_file() if path.is_dir() else path.exists()
    if taken:
        raise InvalidRequest(f"{place}: it is there already and holds no image; give a new folder, or an empty one")
    if not path.parent.is_dir():
        raise InvalidRequest(f"{place}: it is to be a folder in one that is there")
    with refusals(str(path)), new_folder(path) as draft:
        yield DirectoryDestination(str(place), FolderDraft(draft), wishes.compress)


DESTINATIONS: dict[str, Callable[[Place, Wishes], AbstractContextManager[Destination]]] = {
    "oci": _oci,
    "oci-archive": _oci_archive,
    "docker-archive": _docker_archive,
    "dir": _directory,
}
