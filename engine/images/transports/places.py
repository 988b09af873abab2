"""From the words that name a place to what can be read there: the one table of the transports."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path

from podlink.engine.cancel import NEVER, Cancel
from podlink.engine.images.transports import registry
from podlink.engine.images.transports.base import REGISTRY, Candidate, Place, Source, parse_place
from podlink.engine.images.transports.files import Folder, TarFile
from podlink.engine.images.transports.sources import Directory, DockerArchive, OciLayout
from podlink.engine.oci.reference import normalize, parse


def candidates(text: str, cancel: Cancel = NEVER) -> list[Candidate]:
    """The images that a name may mean, to be tried in turn. Raises InvalidRequest."""
    place = parse_place(text)
    if place.transport == REGISTRY:
        return registry.candidates(place.name, cancel)
    return [Candidate("", partial(_opened, place))]


def name_of(candidate: Candidate, source: Source) -> str:
    """The name that the image is kept under; empty for none. An archive may have one for it."""
    given = candidate.name or getattr(source, "given", "")
    if not given or (not candidate.name and "/" not in given and ":" not in given):
        return candidate.name
    return given if parse(given).digest else normalize(given)


@contextmanager
def _opened(place: Place) -> Iterator[Source]:
    with ExitStack() as stack:
        yield OPENERS[place.transport](place, stack)


Opener = Callable[[Place, ExitStack], Source]
OPENERS: dict[str, Opener] = {
    "oci": lambda place, stack: OciLayout(str(place), Folder(Path(place.path)), place.name),
    "oci-archive": lambda place, stack: OciLayout(str(place), TarFile(Path(place.path), stack), place.name),
    "docker-archive": lambda place, stack: DockerArchive(str(place), TarFile(Path(place.path), stack), place.name),
    "dir": lambda place, stack: Directory(str(place), Folder(Path(place.path))),
}
