"""GetInfo and GetVersion: what this engine is and where it runs."""

import os
import platform
import sys
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

import podlink
from podlink.engine.host import Host
from podlink.engine.images.registries.files import load
from podlink.engine.linux import proc

ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64", "armv7l": "arm", "i686": "386", "ppc64le": "ppc64le", "s390x": "s390x"}
"""`uname -m` to the names that images and Go use (OCI image-spec, "platform")."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Version:
    """built: seconds since the epoch at which this podlink was installed."""

    version: str
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


def architecture() -> str:
    """This machine's architecture as images name it."""
    machine = platform.machine()
    return ARCHITECTURES.get(machine, machine)


def version() -> Version:
    """What is running. Where podlink is not installed (run from a checkout), its own file tells its age."""
    return Version(
        version=podlink.__version__,
        python=f"{platform.python_implementation()} {platform.python_version()}",
        built=_built(),
        os_arch=f"{sys.platform}/{architecture()}",
    )


def _built() -> int:
    try:
        files = metadata.distribution("podlink").files or []
        record = next(file for file in files if file.name == "METADATA")
        return int(Path(str(record.locate())).stat().st_mtime)
    except (metadata.PackageNotFoundError, StopIteration, OSError):
        return int(Path(podlink.__file__).stat().st_mtime)


def info(host: Host) -> Info:
    """The host and the store, as they are now."""
    memory, registries = proc.memory(), load()
    return Info(
        memory_free=memory.free,
        memory_total=memory.total,
        swap_free=memory.swap_free,
        swap_total=memory.swap_total,
        architecture=architecture(),
        cpus=os.cpu_count() or 1,
        hostname=platform.node(),
        kernel=platform.release(),
        system=sys.platform,
        uptime=proc.uptime(),
        containers=len(host.state.containers.all()),
        images=len(host.state.images.all()),
        driver=host.storage.name,
        driver_status=host.storage.status(),
        root=host.config.root,
        runroot=host.config.runroot,
        runtime=host.runtime.version(),
        version=version(),
        registries=registries.search,
        insecure_registries=tuple(registries.insecure()),
    )
