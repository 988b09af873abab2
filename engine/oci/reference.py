"""Names of images (OCI distribution-spec, "Pulling manifests"; the grammar is that of the registries in use).

    docker.io/library/alpine:3.18@sha256:9f86…
    ───┬───── ──────┬─────── ─┬── ─────┬─────
    registry      path       tag     digest

    reference = [registry "/"] path [":" tag] ["@" digest]
    registry  = (host name | IPv4 | "[" IPv6 "]") [":" port]
    path      = component {"/" component}       lower case; components joined by "/", words in them by . _ __ or hyphens
    tag       = word character, then at most 127 of word characters, dots, hyphens

What stands before the first slash is a registry by custom only if it holds a dot or a colon, or if it is `localhost`.
So `example.org/alpine` and `localhost/alpine` name registries and `library/alpine` does not.

Images are stored under *full* names, with registry and tag, and people use shorter ones. `normalize` makes a name full;
`candidates` lists, for a look-up, the stored names that a short one may mean.
"""

import ipaddress
import re
from dataclasses import dataclass, replace

from podlink.engine.errors import InvalidRequest
from podlink.engine.oci.digest import ENCODED, Digest

DEFAULT_REGISTRY = "docker.io"
LOCAL_REGISTRY = "localhost"
OFFICIAL = "library/"
"""On docker.io a path of one component lives under this one."""
ALIASES = {"index.docker.io": DEFAULT_REGISTRY}
DEFAULT_TAG = "latest"
NAME_MAX = 255
"""Characters of a registry, and of a path; the `library/` that is put before official names does not count."""
TAG_MAX = 128

COMPONENT = re.compile(r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*")
HOST = re.compile(
    r"(?:[a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9-]*[a-zA-Z0-9])(?:\.(?:[a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9-]*[a-zA-Z0-9]))*"
)
REGISTRY = re.compile(r"(?P<host>\[[^]]*\]|[^:\[\]]*)(?::(?P<port>.*))?")
TAG = re.compile(r"[a-zA-Z0-9_][a-zA-Z0-9_.-]*")


@dataclass(frozen=True, slots=True)
class Reference:
    """A parsed name. registry, tag: empty where the name has none. Holding one means that it is well formed."""

    path: str
    registry: str = ""
    tag: str = ""
    digest: Digest | None = None

    def __post_init__(self) -> None:
        if self.registry:
            _check_registry(self.registry)
        _check_path(self.path)
        if not self.registry and _starts_with_registry(self.path):
            raise InvalidRequest(f"image name {self.path!r}: its first component would be read as a registry")
        if self.tag:
            _check_tag(self.tag)

    @property
    def repository(self) -> str:
        """Registry and path: the name without tag and digest."""
        return f"{self.registry}/{self.path}" if self.registry else self.path

    def __str__(self) -> str:
        return self.repository + (f":{self.tag}" if self.tag else "") + (f"@{self.digest}" if self.digest else "")


def parse(text: str) -> Reference:
    """Read a name, full or short; `str` gives it back letter for letter. Raises InvalidRequest, saying what is wrong with it."""
    if not text:
        raise InvalidRequest("image name: it is empty")
    if ENCODED.fullmatch(text):
        raise InvalidRequest(f"image name {text!r}: 64 hex digits are an image ID and can't be a name")
    rest, at, digest = text.partition("@")
    first, slash, behind = rest.partition("/")
    registry, remainder = (first, behind) if slash and is_registry(first) else ("", rest)
    path, colon, tag = remainder.partition(":")
    if slash and not remainder:
        raise InvalidRequest(f"image name {text[:NAME_MAX]!r}: nothing follows the registry")
    if colon and not tag:
        raise InvalidRequest(f"image name {text[:NAME_MAX]!r}: no tag follows the colon")
    return Reference(path, registry, tag, Digest.parse(digest) if at else None)


def is_repository(path: str) -> bool:
    """Whether a repository may be called so within its registry (distribution-spec, "Pulling manifests", `<name>`)."""
    return len(path) <= NAME_MAX and all(COMPONENT.fullmatch(component) for component in path.split("/"))


def is_registry(component: str) -> bool:
    """Whether what stands before a name's first slash is a registry rather than the path's first component."""
    return component == LOCAL_REGISTRY or "." in component or ":" in component


def normalize(text: str) -> str:
    """The full name that a short one stands for where nothing else is said: `alpine` is `docker.io/library/alpine:latest`.

    A name with a digest needs no tag and gets none.
    """
    return str(_tagged(_official(_qualified(parse(text), DEFAULT_REGISTRY))))


def tagged(text: str) -> str:
    """The name as it was given, with the tag `latest` where it has none. No registry is added."""
    return str(_tagged(parse(text)))


def localized(text: str) -> str:
    """The full name of an image that is made here: `alpine3` is `localhost/alpine3:latest`."""
    return str(_tagged(_qualified(parse(text), LOCAL_REGISTRY)))


def repository(text: str) -> str:
    """A name without its tag and digest."""
    return parse(text).repository


def candidates(text: str) -> list[str]:
    """The stored names that a name in a look-up may mean, the likeliest first.

    As it stands; then, if it has no registry, among the images made here (`localhost/`); then on docker.io.
    """
    given = parse(text)
    readings = [given] if given.registry else [given, _qualified(given, LOCAL_REGISTRY), _qualified(given, DEFAULT_REGISTRY)]
    return list(dict.fromkeys(str(_tagged(_official(reading))) for reading in readings))


def familiar(text: str) -> str:
    """The shortest name that a look-up takes for this one first, if no image made here has it: `alpine` for docker.io's."""
    given = parse(text)
    path = given.path.removeprefix(OFFICIAL) if "/" not in given.path.removeprefix(OFFICIAL) else given.path
    tag = "" if given.tag == DEFAULT_TAG and not given.digest else given.tag
    if given.registry == DEFAULT_REGISTRY and not _starts_with_registry(path):
        looks_like_an_id = ENCODED.fullmatch(path) and not given.digest
        return str(Reference(path, "", given.tag if looks_like_an_id else tag, given.digest))
    return str(replace(given, tag=tag))


def _starts_with_registry(path: str) -> bool:
    first, slash, _ = path.partition("/")
    return bool(slash) and is_registry(first)


def _qualified(reference: Reference, registry: str) -> Reference:
    return reference if reference.registry else replace(reference, registry=registry)


def _official(reference: Reference) -> Reference:
    """On docker.io a bare name lives under `library/`, and the registry's other names are spelled out."""
    registry = ALIASES.get(reference.registry, reference.registry)
    bare = registry == DEFAULT_REGISTRY and "/" not in reference.path
    return replace(reference, registry=registry, path=OFFICIAL + reference.path if bare else reference.path)


def _tagged(reference: Reference) -> Reference:
    return reference if reference.tag or reference.digest else replace(reference, tag=DEFAULT_TAG)


def _check_registry(registry: str) -> None:
    _check_length("registry", registry, NAME_MAX)
    found = REGISTRY.fullmatch(registry)
    if not found or not (_is_ipv6(found["host"]) or (HOST.fullmatch(found["host"]) and is_registry(registry))):
        raise InvalidRequest(f"image name: {registry!r} is not a registry: a host name or an address, and perhaps a port")
    port = found["port"]
    if port is not None and not (port.isascii() and port.isdecimal() and len(port) <= 5 and 1 <= int(port) <= 65535):
        raise InvalidRequest(f"image name: registry {registry!r} has a port that is not a number from 1 to 65535")


def _is_ipv6(host: str) -> bool:
    """An IPv6 address in brackets; one with a zone (`%eth0`) is of use on one machine only, and no part of a name."""
    try:
        return host[:1] + host[-1:] == "[]" and not ipaddress.IPv6Address(host[1:-1]).scope_id
    except ValueError:
        return False


def _check_path(path: str) -> None:
    _check_length("name", path.removeprefix(OFFICIAL), NAME_MAX)
    if path != path.lower():
        raise InvalidRequest(f"image name {path!r}: capital letters are not allowed before the tag")
    for component in path.split("/"):
        if not COMPONENT.fullmatch(component):
            raise InvalidRequest(
                f"image name {path!r}: component {component!r} is not lower-case letters and digits, "
                "joined by one dot, one or two underscores, or hyphens"
            )


def _check_tag(tag: str) -> None:
    _check_length("tag", tag, TAG_MAX)
    if not TAG.fullmatch(tag):
        raise InvalidRequest(
            f"image tag {tag!r}: it is not letters, digits, underscores, dots and hyphens, starting with no dot or hyphen"
        )


def _check_length(part: str, text: str, limit: int) -> None:
    if len(text) > limit:
        raise InvalidRequest(f"image {part} {text[:40] + '…'!r}: {len(text)} characters; {limit} are allowed")
