"""Places inside that are somebody's already, /proc, /dev and /sys the kernel's, and what may be mounted there all the same.

    /proc                the host's own (/proc:/proc), nothing else: a program that reads /proc has to find it
    /proc/cpuinfo …      a file in place of one of those that tell of the machine (lxcfs shows a container its share that way)
    /dev                 a directory with device nodes (/dev:/dev): the runtime needs /dev/null
    /sys …               a directory in place of one that the kernel has there, a file in place of a file
    /run/.containerenv   is the engine's, and a file

A runtime finds these out one by one at the start, in words of its own (runc 1.1: rootfs_linux.go, checkProcMount). What is known
before is refused by its field when the container is created.
"""

from collections.abc import Iterable
from pathlib import Path

from podlink.engine.errors import InvalidRequest
from podlink.engine.linux import portable
from podlink.engine.oci.spec.mounts import MARK
from podlink.engine.oci.spec.values import Tmpfs, Volume

TOLD = frozenset(f"/proc/{name}" for name in "cpuinfo diskstats loadavg meminfo slabinfo stat swaps uptime".split())
"""The files of /proc that may be others."""
NULL = "/dev/null"
CGROUPS = "/sys/fs/cgroup"
NO_FILE, NO_DIRECTORY = "is no directory, and {source} is one", "is a directory, and {source} is none"


def refuse_reserved(volumes: Iterable[Volume], tmpfs: Iterable[Tmpfs], origin: str = "") -> None:
    """Raise InvalidRequest, naming the field. origin: who asks where it is no field."""
    for volume in volumes:
        source = Path(volume.source)
        kind = "directory" if volume.seed or source.is_dir() else "file" if source.is_file() else "node"
        if why := _against(volume.destination, kind, source):
            shown = "a volume" if volume.seed else source
            raise InvalidRequest(f"{origin or 'volumes'}: {volume.destination} {why.format(source=shown)}")
    for each in tmpfs:
        if why := _against_tmpfs(each.destination):
            raise InvalidRequest(f"{origin or 'tmpfs'}: {each.destination} {why}")


def _against(place: str, kind: str, source: Path) -> str:
    """kind: of the source, `directory`, `file` or `node`."""
    if place == "/proc":
        return (
            "" if source == Path("/proc") else "is where the kernel tells of processes; nothing but the host's own can be there"
        )
    if place.startswith("/proc/"):
        others = f"is the kernel's; what can be others there are the files {', '.join(sorted(TOLD))}"
        return (NO_FILE if kind != "file" else "") if place in TOLD else others
    if place == "/dev":
        return "" if (source / "null").is_char_device() else "is to have device nodes, and {source} has no null; try /dev:/dev"
    if place in (NULL, MARK):
        return NO_FILE if kind == "directory" else ""
    return _against_sys(place, kind) if place == "/sys" or place.startswith("/sys/") else ""


def _against_sys(place: str, kind: str) -> str:
    """What is there is the same as on the host: the kernel makes it, and nobody else may."""
    if portable.LINUX and not Path(place).exists():
        return "is not there: the kernel makes what is in /sys"
    if place == "/sys" or Path(place).is_dir():
        return "" if kind == "directory" else NO_DIRECTORY
    return "" if kind == "file" else NO_FILE


def _against_tmpfs(place: str) -> str:
    top = "/" + place.split("/")[1]
    if top in ("/proc", "/sys") and place != CGROUPS:
        return f"is the kernel's: a tmpfs begins as a copy of what is there, and {top} can't be copied"
    if place == "/dev":
        return "is a tmpfs already"
    return "is no directory" if place in (NULL, MARK) else ""
