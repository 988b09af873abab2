"""docker://NAME: an image in a registry, found by what registries.conf says, and an image put there.

    name ──▶ candidates: the full names that it may mean
                 └──▶ locations of each: mirrors, then the registry itself
                          └──▶ the first that has the manifest serves the blobs too

Retries, and downloads that go on after the connection broke, are in `oci.distribution`, so who reads a blob here sees one stream.
"""

from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from functools import partial
from threading import Lock

from podlink.engine.cancel import NEVER, Cancel
from podlink.engine.errors import EngineError, ImageNotFound, InvalidRequest, RegistryFailed
from podlink.engine.images.registries.configuration import Location, Registries, parts
from podlink.engine.images.registries.files import load
from podlink.engine.images.registries.servers import endpoint_for
from podlink.engine.images.registries.surroundings import Surroundings
from podlink.engine.images.transports.base import Candidate, Destination, Form, RawManifest, Source
from podlink.engine.oci import reference
from podlink.engine.oci.digest import Digest
from podlink.engine.oci.distribution.client import Client
from podlink.engine.oci.image.manifest import Descriptor
from podlink.engine.oci.readable import Readable, Rereadable
from podlink.engine.oci.reference import Reference


def candidates(
    name: str, cancel: Cancel = NEVER, surroundings: Surroundings | None = None, *, tls_verify: bool = True
) -> list[Candidate]:
    """The images that a name may mean, to be tried in turn. Nothing is asked of any registry yet.

    tls_verify: false to speak to registries whose certificates can't be verified, or that have none. Raises InvalidRequest for
    what is no name, and for a configuration that can't be understood.
    """
    found = surroundings or Surroundings()
    registries = load(found) if tls_verify else load(found).unverified()
    return [Candidate(full, partial(source, full, registries, cancel, found)) for full in registries.names(name)]


@contextmanager
def source(name: str, registries: Registries, cancel: Cancel, surroundings: Surroundings) -> Iterator[Source]:
    """The image with this full name, wherever it is."""
    with ExitStack() as stack:
        yield RegistrySource(name, registries, cancel, surroundings, stack)


@contextmanager
def destination(
    name: str, *, tls_verify: bool = True, cancel: Cancel = NEVER, surroundings: Surroundings | None = None
) -> Iterator[Destination]:
    """A place for an image under this name, which is made full: `alpine` is docker.io's. Mirrors are for reading only.

    tls_verify: false to speak to a registry whose certificate can't be verified, or that has none. Raises InvalidRequest,
    and RegistryFailed for a registry that is blocked.
    """
    found = surroundings or Surroundings()
    full = reference.parse(reference.normalize(name))
    if full.digest:
        raise InvalidRequest(f"image name {name!r}: an image is pushed under a tag; its digest follows from its content")
    registries = load(found)
    rule = registries.require_allowed(str(full))
    endpoint = endpoint_for(full.repository, rule.insecure or not tls_verify, registries, found)
    with Client(endpoint, cancel=cancel) as client:
        yield RegistryDestination(client, full)


class RegistrySource:
    """An image by its full name. The location that has its manifest is found when it is first asked for."""

    def __init__(self, name: str, registries: Registries, cancel: Cancel, surroundings: Surroundings, stack: ExitStack) -> None:
        """stack: closes the connections."""
        self._full = name
        parsed = reference.parse(name)
        self.names = () if parsed.digest else (name,)
        self.repository = parsed.repository
        self._registries = registries
        self._cancel = cancel
        self._surroundings = surroundings
        self._stack = stack
        self._lock = Lock()
        self._found: tuple[Client, str] | None = None

    @property
    def name(self) -> str:
        return f"docker://{self._full}"

    def manifest(self, digest: Digest | None = None) -> RawManifest:
        with self._lock:
            if self._found is None:
                self._found, first = self._find()
                if digest is None:
                    return first
        client, path = self._found
        wanted = digest or parts(Location(self._full)).digest
        found = client.manifest(path, str(wanted) if wanted else reference.parse(self._full).tag)
        return RawManifest(found.content, found.media_type, found.digest)

    def blob(self, descriptor: Descriptor, offset: int = 0) -> AbstractContextManager[Readable]:
        with self._lock:
            if self._found is None:
                self._found, _ = self._find()
        client, path = self._found
        return client.blob(path, descriptor.digest, descriptor.size, offset)

    def _find(self) -> tuple[tuple[Client, str], RawManifest]:
        """The first location that has the manifest, and that manifest."""
        troubles: list[EngineError] = []
        for location in self._registries.locations(self._full):
            try:
                place = parts(location)
                client = self._client(place, location.insecure)
                found = client.manifest(place.path, str(place.digest) if place.digest else place.tag)
            except (RegistryFailed, ImageNotFound, InvalidRequest) as trouble:
                troubles.append(trouble)
            else:
                return (client, place.path), RawManifest(found.content, found.media_type, found.digest)
        if all(isinstance(trouble, ImageNotFound) for trouble in troubles):
            raise ImageNotFound(self._full)
        if len(troubles) == 1:
            raise troubles[0]
        raise RegistryFailed("; ".join(_told(trouble) for trouble in troubles))

    def _client(self, place: Reference, insecure: bool) -> Client:
        endpoint = endpoint_for(place.repository, insecure, self._registries, self._surroundings)
        return self._stack.enter_context(Client(endpoint, cancel=self._cancel))


class RegistryDestination:
    """A repository and a tag that an image is pushed to."""

    form = Form(layers="compressed", foreign=True)

    def __init__(self, client: Client, full: Reference) -> None:
        self._client = client
        self._full = full

    @property
    def name(self) -> str:
        return f"docker://{self._full}"

    def has(self, descriptor: Descriptor) -> bool:
        return self._client.has_blob(self._full.path, descriptor.digest, writing=True)

    def mount(self, descriptor: Descriptor, repository: str) -> bool:
        other = reference.parse(reference.normalize(repository))
        if other.registry != self._full.registry or other.path == self._full.path:
            return False
        return self._client.mount(self._full.path, descriptor.digest, other.path)

    def put_blob(self, descriptor: Descriptor, content: Rereadable) -> None:
        self._client.upload(self._full.path, descriptor.digest, content)

    def put_manifest(self, content: bytes, media_type: str, digest: Digest | None = None) -> None:
        self._client.put_manifest(self._full.path, str(digest) if digest else self._full.tag, content, media_type)


def _told(trouble: EngineError) -> str:
    return f"{trouble.name} is not there" if isinstance(trouble, ImageNotFound) else str(trouble)
