"""GetInfo and GetVersion: what this engine is and where it runs."""

import platform
import sys
from dataclasses import dataclass
from pathlib import Path

import podlink
from podlink.engine.errors import StorageFailed
from podlink.engine.host import Host
from podlink.engine.images.registries.files import load
from podlink.engine.images.registries.surroundings import around
from podlink.engine.oci.image.platforms import architecture_of
from podlink.engine.system.commit import commit


@dataclass(frozen=True, slots=True, kw_only=True)
class Version:
    """built: seconds since the epoch at which this podlink was installed. commit: what it was made from; empty where unknown."""

    version: str
    commit: str
    python: str
    built: int
    os_arch: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Info:
    """Sizes in bytes, uptime in seconds."""

    memory_free: int
    memory_total: int
    swap_free: int
    swap_total: int
    architecture: str
    cpus: int
    hostname: str
    kernel: str
    system: str
    uptime: float
    containers: int
    images: int
    driver: str
    driver_status: dict[str, str]
    root: Path
    runroot: Path
    runtime: str
    version: Version
    registries: tuple[str, ...]
    insecure_registries: tuple[str, ...]


def version() -> Version:
    """What is running. Where podlink is not installed (run from a checkout), its own file tells its age."""
    return Version(
        version=podlink.__version__,
        commit=commit(Path(podlink.__file__).resolve().parent),
        python=f"{platform.python_implementation()} {platform.python_version()}",
        built=_built(),
        os_arch=f"{sys.platform}/{architecture_of(platform.machine())}",
    )


def _built() -> int:
    from importlib import metadata  # loads a parser of e-mails

    try:
        files = metadata.distribution("podlink").files or []
        record = next(file for file in files if file.name == "METADATA")
        return int(Path(str(record.locate())).stat().st_mtime)
    except (metadata.PackageNotFoundError, StopIteration, OSError):
        return int(Path(podlink.__file__).stat().st_mtime)


def _driver_status(host: Host) -> dict[str, str]:
    """What the storage driver found out by trying; on a full disk it can't try."""
    try:
        return host.storage.status()
    except StorageFailed as trouble:
        return dict.fromkeys(("backing_filesystem", "native_overlay_diff", "supports_d_type"), f"unknown: {trouble.reason}")


def info(host: Host) -> Info:
    """The host and the store, as they are now."""
    machine, memory, registries = host.machine, host.machine.memory(), load(around(host))
    return Info(
        memory_free=memory.free,
        memory_total=memory.total,
        swap_free=memory.swap_free,
        swap_total=memory.swap_total,
        architecture=architecture_of(host.facts.architecture),
        cpus=machine.cpus(),
        hostname=machine.hostname(),
        kernel=machine.kernel(),
        system=machine.system(),
        uptime=machine.uptime(),
        containers=len(host.state.containers.all()),
        images=len(host.state.images.all()),
        driver=host.storage.name,
        driver_status=_driver_status(host),
        root=host.config.root,
        runroot=host.config.runroot,
        runtime=host.runtime.version(),
        version=version(),
        registries=registries.search,
        insecure_registries=tuple(registries.insecure()),
    )
