"""The image configuration (OCI image-spec, config.md): what a container of the image is to be, and how the image came to be.

    {"architecture": "amd64", "os": "linux", "created": "2026-11-23T08:53:50.664805896Z",
     "config":  {"Cmd": ["/bin/sh"], "Env": ["PATH=/bin"], …},           how to run: `Execution`
     "rootfs":  {"type": "layers", "diff_ids": ["sha256:5c14…"]},        the layers, base first, as unpacked tars
     "history": [{"created_by": "…", "comment": "…"}, …]}                an entry a step; those marked empty have no layer

The sha256 of these bytes is the image's ID.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypedDict

from podlink.engine.errors import InvalidArchive, InvalidRequest
from podlink.engine.oci.digest import Digest
from podlink.engine.oci.image import document, times
from podlink.engine.oci.image.document import Document


class Nothing(TypedDict):
    """The value of a key that says all: `{"80/tcp": {}}`."""


class ExecutionFields(TypedDict):
    """The `config` object under the names that the specification gives its fields."""

    User: str
    ExposedPorts: dict[str, Nothing]
    Env: list[str]
    Entrypoint: list[str]
    Cmd: list[str]
    Volumes: dict[str, Nothing]
    WorkingDir: str
    Labels: dict[str, str]
    StopSignal: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Execution:
    """The `config` object: what a container of this image starts from. Empty means that the image does not say.

    exposed_ports: `80` or `80/tcp`; volumes: paths. env: `NAME=value`. stop_signal: as the image spells it.
    """

    user: str = ""
    exposed_ports: tuple[str, ...] = ()
    env: tuple[str, ...] = ()
    entrypoint: tuple[str, ...] = ()
    cmd: tuple[str, ...] = ()
    volumes: tuple[str, ...] = ()
    working_dir: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    stop_signal: str = ""

    @classmethod
    def read(cls, found: Document) -> "Execution":
        return cls(
            user=found.text("User"),
            exposed_ports=found.keys("ExposedPorts"),
            env=found.texts("Env"),
            entrypoint=found.texts("Entrypoint"),
            cmd=found.texts("Cmd"),
            volumes=found.keys("Volumes"),
            working_dir=found.text("WorkingDir"),
            labels=found.mapping("Labels"),
            stop_signal=found.text("StopSignal"),
        )

    def fields(self) -> ExecutionFields:
        """The object, with every one of its fields."""
        return {
            "User": self.user,
            "ExposedPorts": {port: {} for port in self.exposed_ports},
            "Env": list(self.env),
            "Entrypoint": list(self.entrypoint),
            "Cmd": list(self.cmd),
            "Volumes": {path: {} for path in self.volumes},
            "WorkingDir": self.working_dir,
            "Labels": dict(self.labels),
            "StopSignal": self.stop_signal,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """One step of how the image was made. created: nanoseconds since the epoch."""

    created: int = times.UNKNOWN
    created_by: str = ""
    author: str = ""
    comment: str = ""
    empty_layer: bool = False

    @classmethod
    def read(cls, found: Document) -> "History":
        return cls(
            created=_time(found),
            created_by=found.text("created_by"),
            author=found.text("author"),
            comment=found.text("comment"),
            empty_layer=found.flag("empty_layer"),
        )

    def fields(self) -> dict[str, Any]:
        return _without_empty(
            created=_spelled(self.created),
            created_by=self.created_by,
            author=self.author,
            comment=self.comment,
            empty_layer=self.empty_layer,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageConfig:
    """An image configuration, whole. created: nanoseconds since the epoch. variant: of the architecture, as `v7` of ARM's."""

    architecture: str
    variant: str = ""
    os: str
    diff_ids: tuple[Digest, ...]
    created: int = times.UNKNOWN
    author: str = ""
    execution: Execution = field(default_factory=Execution)
    history: tuple[History, ...] = ()

    @classmethod
    def parse(cls, content: bytes) -> "ImageConfig":
        """Read the JSON of a configuration. Raises InvalidArchive, naming the field, for what is not one."""
        found = document.read(content, "image configuration")
        rootfs = found.inner("rootfs")
        if rootfs.text("type") != "layers":
            rootfs.refuse("type", "'layers'", rootfs.text("type"))
        return cls(
            architecture=_required(found, "architecture"),
            variant=found.text("variant"),
            os=_required(found, "os"),
            diff_ids=digests(rootfs, "diff_ids"),
            created=_time(found),
            author=found.text("author"),
            execution=Execution.read(found.inner("config")),
            history=tuple(History.read(entry) for entry in found.inners("history")),
        )

    def serialize(self) -> bytes:
        """The canonical bytes; their digest is the ID of the image."""
        execution = {name: value for name, value in self.execution.fields().items() if value}
        return document.write(
            {"architecture": self.architecture, "os": self.os}
            | {"rootfs": {"type": "layers", "diff_ids": [str(digest) for digest in self.diff_ids]}}
            | _without_empty(variant=self.variant, created=_spelled(self.created), author=self.author, config=execution)
            | _without_empty(history=[entry.fields() for entry in self.history])
        )

    def runtime(self) -> ExecutionFields:
        """The `config` object under the spec's names: what a container of this image starts from."""
        return self.execution.fields()


def digests(found: Document, name: str) -> tuple[Digest, ...]:
    """A list of digests."""
    return tuple(digest(found, f"{name}[{index}]", text) for index, text in enumerate(found.texts(name)))


def digest(found: Document, name: str, text: str) -> Digest:
    """A field that must be a digest."""
    try:
        return Digest.parse(text)
    except InvalidRequest as trouble:
        raise InvalidArchive(f"{found.path}.{name}: {trouble.reason}") from None


def _required(found: Document, name: str) -> str:
    return found.text(name) or found.refuse(name, "a value", "")


def _time(found: Document) -> int:
    text = found.text("created")
    try:
        return times.parse(text) if text else times.UNKNOWN
    except InvalidArchive as trouble:
        raise InvalidArchive(f"{found.path}.created: {trouble.reason}") from None


def _spelled(created: int) -> str:
    return "" if created == times.UNKNOWN else times.rfc3339(created)


def _without_empty(**fields: Any) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value}
