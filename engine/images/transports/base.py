"""The contract of the transports: what an image is read from and written to, and how people name it.

    docker://NAME      a registry; so is a NAME without a transport
    docker-archive:FILE[:NAME[:TAG]]
    oci-archive:FILE[:TAG]
    oci:DIR[:TAG]
    dir:DIR

An image is, in every place, a manifest that names blobs by digest. So a place is either a `Source`, which hands out manifests and
blobs, or a `Destination`, which takes them. Neither knows what an image is, nor the store: bytes and descriptors cross this line.

                     manifest()          put_manifest() last
    Source ─────────▶ blob() ─▶ pipeline ─▶ put_blob() ─────────▶ Destination

Neither of them is trusted: whoever reads a blob counts its bytes and hashes them, and whoever reads a manifest bounds it.
The words are those of containers-transports(5).
"""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Literal, Protocol

from podlink.engine.errors import InvalidRequest
from podlink.engine.oci.digest import Digest
from podlink.engine.oci.image.manifest import Descriptor
from podlink.engine.oci.readable import Readable, Rereadable

REGISTRY = "docker"
TRANSPORTS = ("docker-archive", "oci-archive", "oci", "dir")
"""Transports whose names are a path, and all but `dir` perhaps a name within it."""
FOREIGN = ("docker-daemon", "containers-storage", "ostree", "sif", "tarball", "atomic")
"""Transports of other programs; an image name that looks like one of these was meant as one."""
WANTED = "docker://NAME, docker-archive:FILE, oci-archive:FILE, oci:DIR or dir:DIR"


@dataclass(frozen=True, slots=True)
class RawManifest:
    """A manifest or index as its source gave it: what is signed by the digest are these very bytes.

    media_type: as the source tells it; the document's own `mediaType` where the source tells none.
    """

    content: bytes
    media_type: str
    digest: Digest


class Source(Protocol):
    """A place that one image is read from. Safe to call from several threads."""

    @property
    def name(self) -> str:
        """What to call the place in a message: `docker://127.0.0.1:5000/alpine:latest`."""
        ...

    @property
    def names(self) -> tuple[str, ...]:
        """The full names that the image is kept under once it is here; empty where the place has none for it."""
        ...

    @property
    def repository(self) -> str:
        """The repository of a registry (`docker.io/library/alpine`) where its digests lead to it; empty for other places."""
        ...

    def manifest(self, digest: Digest | None = None) -> RawManifest:
        """The manifest or index that the place's name stands for, or the one with this digest. At most 4 MiB.

        Raises ImageNotFound where the place has none, RegistryFailed or InvalidArchive where it can't be had.
        """
        ...

    def blob(self, descriptor: Descriptor, offset: int = 0) -> AbstractContextManager[Readable]:
        """The bytes of a blob from this offset on, unchecked. A place may give fewer than the descriptor says, or others."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Form:
    """What a place wants an image to look like.

    layers: as they are kept; with none of them plain; all of them plain. oci: whether it takes the OCI's manifests only.
    foreign: whether it does without the layers that say themselves where they are.
    """

    layers: Literal["kept", "compressed", "plain"] = "kept"
    oci: bool = False
    foreign: bool = False


class Destination(Protocol):
    """A place that one image is written to: blobs first, the manifest last. Blobs may be put from several threads."""

    @property
    def name(self) -> str:
        """What to call the place in a message."""
        ...

    @property
    def form(self) -> Form: ...

    def has(self, descriptor: Descriptor) -> bool:
        """Whether the blob is there already."""
        ...

    def mount(self, descriptor: Descriptor, repository: str) -> bool:
        """Have the blob from another repository of the same place (`127.0.0.1:5000/team/app`); false where that can't be."""
        ...

    def put_blob(self, descriptor: Descriptor, content: Rereadable) -> None:
        """Write a blob. The place keeps it only if it has the size and the digest of the descriptor."""
        ...

    def put_manifest(self, content: bytes, media_type: str, digest: Digest | None = None) -> None:
        """Write a manifest under the place's own name; under this digest alone where one is given (the parts of an index)."""
        ...


@dataclass(frozen=True, slots=True)
class Candidate:
    """One of the images that a name may mean, to be tried in turn. name: what to call it in a message.

    open: the source; nothing is asked of it before its first method is called.
    """

    name: str
    open: Callable[[], AbstractContextManager[Source]]


@dataclass(frozen=True, slots=True)
class Place:
    """A parsed name of a place. path: of the file or folder; empty for a registry. name: the image's name there, or its tag."""

    transport: str
    path: str = ""
    name: str = ""

    def __str__(self) -> str:
        if self.transport == REGISTRY:
            return f"{REGISTRY}://{self.name}"
        return f"{self.transport}:{self.path}" + (f":{self.name}" if self.name else "")


def parse_place(text: str) -> Place:
    """Read `oci:DIR:TAG` and the like. What names no transport is an image's name, and stands for a registry.

    The name itself is not looked at here. Raises InvalidRequest for an empty path or name, and for a transport that is not ours.
    """
    front, colon, rest = text.partition(":")
    if colon and front == REGISTRY and not rest.startswith("//"):
        raise InvalidRequest(f"{text[:200]!r}: a registry's image is named docker://NAME")
    if colon and front.lower() in ("http", "https") and rest.startswith("//"):
        raise InvalidRequest(f"{text[:200]!r}: an image is named without {front}://; give {REGISTRY}:{rest[:150]}")
    if colon and front in FOREIGN:
        raise InvalidRequest(f"{text[:200]!r}: the transport {front} is not supported; give {WANTED}")
    if not colon or front not in (REGISTRY, *TRANSPORTS):
        return Place(REGISTRY, "", _wanted(text, text))
    if front == REGISTRY:
        return Place(REGISTRY, "", _wanted(rest[2:], text))
    path, _, name = (rest, "", "") if front == "dir" else rest.partition(":")
    return Place(front, _wanted(path, text), name)


def _wanted(part: str, text: str) -> str:
    if not part or "\0" in part:
        raise InvalidRequest(f"{text[:200]!r} names no image; give {WANTED}")
    return part
