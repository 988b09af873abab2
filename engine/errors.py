"""Every error that a caller may see.

    EngineError
    ├── ContainerNotFound(name)
    ├── ImageNotFound(name)
    ├── ErrorOccurred(reason)
    │   ├── InvalidRequest      a value that makes no sense; names its field
    │   ├── NotHonoured         a field that this engine, or this host, can't honour; names it
    │   ├── InvalidState        a verb that the container's state forbids
    │   ├── ContainerInUse      a container whose namespaces others are to join
    │   ├── NameInUse           a name that another container has
    │   ├── AmbiguousName       an ID prefix that fits several; names them
    │   ├── ImageInUse          an image that containers still need
    │   ├── InvalidArchive      a tar, layer or image that is not one, or that means harm
    │   ├── RuntimeFailed       the OCI runtime refused; carries its own reason
    │   ├── NetworkFailed       a network that can't be built, has no address left, or a port that is taken
    │   ├── StorageFailed       the disk or the storage driver refused
    │   │   └── StorageFull     no space is left on the disk of the root
    │   ├── RegistryFailed      a registry, or the way to it: refused, unreachable, or not one
    │   └── Cancelled           the caller left before the answer was there
    └── EngineUnavailable(reason)   the engine itself can't be had: no runc, no root, state unreadable

A direct subclass of the root is an error of the interface and its fields are the parameters on the wire; the
subclasses of ErrorOccurred are for those who call the engine from Python, and are ErrorOccurred on the wire.
Messages are lower case, name the object, say what was found and what to do, and have no period.
"""

from dataclasses import asdict, dataclass


@dataclass(eq=False)
class EngineError(Exception):
    """The root of the tree."""

    def __str__(self) -> str:
        return ": ".join(str(value) for value in asdict(self).values())


@dataclass(eq=False)
class ContainerNotFound(EngineError):
    """No container has this name, ID or ID prefix."""

    name: str


@dataclass(eq=False)
class ImageNotFound(EngineError):
    """No image has this name, ID or ID prefix."""

    name: str


@dataclass(eq=False)
class ErrorOccurred(EngineError):
    """What was asked could not be done, and the host is as it was before."""

    reason: str


@dataclass(eq=False)
class EngineUnavailable(EngineError):
    """The engine can't work here. On the wire it is RuntimeError, a name that Python has taken."""

    reason: str


class InvalidRequest(ErrorOccurred):
    """A value that makes no sense, whatever the state of the host."""


class NotHonoured(ErrorOccurred):
    """A field that was asked for and can't be honoured. It is refused, never ignored."""

    def __init__(self, field: str, why: str) -> None:
        super().__init__(f"{field}: {why}")
        self.field = field


class InvalidState(ErrorOccurred):
    """A verb that the container's state forbids."""


class ContainerInUse(ErrorOccurred):
    """A container that can't be removed because others are to join its namespaces: without it they could never start."""


class NameInUse(ErrorOccurred):
    """The name of another container."""


class AmbiguousName(ErrorOccurred):
    """An ID prefix that fits more than one container or image."""


class ImageInUse(ErrorOccurred):
    """An image that can't be removed because containers need it."""


class InvalidArchive(ErrorOccurred):
    """A tar, a layer or an image that is malformed, too large, or that means harm."""


class RuntimeFailed(ErrorOccurred):
    """The OCI runtime refused; the reason is its own."""


class StorageFailed(ErrorOccurred):
    """The storage driver or the disk under it refused."""


class StorageFull(StorageFailed):
    """No space is left on the disk of the root. What ends or removes something works all the same."""


class NetworkFailed(ErrorOccurred):
    """The kernel or a tool refused to build a network, or there is no address or port to give. Says what to change."""


class RegistryFailed(ErrorOccurred):
    """A registry refused, can't be reached, or answers what no registry may. Names the registry."""


class Cancelled(ErrorOccurred):
    """The caller left before the answer was there."""
