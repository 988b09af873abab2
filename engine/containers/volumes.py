"""What a container sees of the host's files: `volumes`, `tmpfs`, `devices`, and the volumes that its image declares.

    volumes   /srv/data:/data:ro          a directory or file of the host
              data:/data                  a named volume: ROOT/volumes/data/_data, made when first named, kept when containers go
              /data                       an anonymous volume, gone with its container
    tmpfs     /run:size=64m,mode=755
    devices   /dev/fuse[:/dev/x][:rwm]    a node, or a directory of nodes

A volume of ours is filled, at the first start, with what the image has at its place; a directory of the host never.
"""

import os
import posixpath
import re
import stat
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from podlink.engine.errors import InvalidRequest, NotHonoured
from podlink.engine.ids import NAME
from podlink.engine.oci.spec.values import Device, HostFacts, Tmpfs, Volume

DATA = "_data"
"""The directory of a volume that holds its files."""
PROPAGATION = frozenset("shared rshared slave rslave private rprivate unbindable runbindable".split())
BIND = frozenset({"bind", "rbind"})
SWITCHES = ({"ro", "rw"}, {"exec", "noexec"}, {"dev", "nodev"}, {"suid", "nosuid"}, PROPAGATION, BIND)
"""Of each set at most one may be said."""
USUAL = ("rw", "rbind", "rprivate")
"""Writable, with the mounts below it, and passing none on."""
RELABEL = {"z", "Z"}
TMPFS = frozenset("ro rw exec noexec dev nodev suid nosuid sync async atime noatime relatime strictatime diratime".split())
TMPFS_VALUES = re.compile(
    r"(size|nr_blocks|nr_inodes)=\d{1,40}[kKmMgG]?|size=\d{1,4}%|mode=0?[0-7]{3,4}|(uid|gid)=\d{1,40}", re.ASCII
)
UNITS = {"": 1, "k": 2**10, "m": 2**20, "g": 2**30}
SIGNED, IDS = 2**63, 2**32 - 1
"""Of what is that large the kernel takes the remainder, and 0 bytes are without a limit; the last ID is nobody's."""


def parse_volumes(asked: Iterable[str], facts: HostFacts, named: Path, own: Path) -> list[Volume]:
    """named: where named volumes are; own: where this container's anonymous ones will be.

    Raises InvalidRequest, naming the field, for what makes no sense and for a source that is not there.
    """
    return [_volume(text, facts, named, own) for text in asked]


def shared_memory(path: str) -> Volume:
    """A directory of the host in the place of /dev/shm (`shm_dir`). Raises InvalidRequest where it is none."""
    if not path.startswith("/") or not Path(path).is_dir():
        raise InvalidRequest(f"shm_dir: {path!r} is not the absolute path of a directory that is there")
    return Volume(source=posixpath.normpath(path), destination="/dev/shm", options=USUAL)


def image_volumes(paths: Iterable[str], kind: str, own: Path, taken: Iterable[str]) -> tuple[list[Volume], list[Tmpfs]]:
    """For the places that the image declares as volumes and that nothing else takes. kind: `bind`, `tmpfs` or `ignore`."""
    if kind not in ("", "bind", "tmpfs", "ignore"):
        raise InvalidRequest(f"image_volume_type: {kind!r} is none of bind, tmpfs and ignore")
    if kind == "ignore":
        return [], []
    free = [place for path in paths if (place := posixpath.normpath("/" + path.lstrip("/"))) not in {*taken, "/"}]
    if wrong := next((place for place in free if "\0" in place), ""):
        raise InvalidRequest(f"image: it declares a volume at {wrong[:200]!r}, which is no path; give image_volume_type ignore")
    if kind == "tmpfs":
        return [], [Tmpfs(destination=place, options=("rw", "nosuid", "nodev", "tmpcopyup")) for place in free]
    return [_anonymous(place, (), own) for place in free], []


def parse_tmpfs(asked: Iterable[str]) -> list[Tmpfs]:
    """Raises InvalidRequest for an option that tmpfs(5) does not have."""
    return [_tmpfs(text) for text in asked]


def refuse_clashes(volumes: Sequence[Volume], tmpfs: Sequence[Tmpfs]) -> None:
    """Raise InvalidRequest where two want the same place."""
    seen: set[str] = set()
    for place in (*(each.destination for each in volumes), *(each.destination for each in tmpfs)):
        if place in seen:
            raise InvalidRequest(f"volumes: {place} is asked for twice, by volumes or tmpfs; drop one")
        seen.add(place)


def declared(image: Mapping[str, Any], more: Iterable[str]) -> list[str]:
    """The places that the image declares as volumes (its `Volumes`), and those that a client found there for itself."""
    return list(dict.fromkeys([*(image.get("Volumes") or {}), *more]))


def _volume(text: str, facts: HostFacts, named: Path, own: Path) -> Volume:
    parts = text.split(":")
    if len(parts) == 1:
        return _anonymous(_place("volumes", text, parts[0]), (), own)
    if len(parts) > 3:
        raise InvalidRequest(f"volumes: {text!r} is not SOURCE:DESTINATION[:OPTIONS]")
    source, destination = parts[0], _place("volumes", text, parts[1])
    options = _options(text, parts[2].split(",") if len(parts) == 3 and parts[2] else [], facts)
    if source.startswith("/"):
        if not Path(source).exists():
            raise InvalidRequest(f"volumes: {source} is not there; make it first, or give a name instead of a path")
        return Volume(source=posixpath.normpath(source), destination=destination, options=options)
    if not NAME.fullmatch(source):
        raise InvalidRequest(f"volumes: {source!r} is neither an absolute path nor a name ({NAME.pattern})")
    return Volume(source=str(named / source / DATA), destination=destination, options=options, seed=True)


def _anonymous(destination: str, options: tuple[str, ...], own: Path) -> Volume:
    folder = own / (destination.strip("/").replace("/", "-")[:100] or "root") / DATA
    return Volume(source=str(folder), destination=destination, options=options or USUAL, seed=True)


def _place(field: str, text: str, path: str) -> str:
    place = posixpath.normpath(path)
    if not path.startswith("/") or "\0" in path or place.strip("/") == "":
        raise InvalidRequest(f"{field}: the place inside in {text!r} is not an absolute path below /")
    return "/" + place.lstrip("/")


def _options(text: str, said: list[str], facts: HostFacts) -> tuple[str, ...]:
    """With what is usual where nothing is said."""
    for option in said:
        if option in RELABEL:
            if not facts.selinux:
                raise NotHonoured("volumes", f"the option {option} in {text!r} relabels for SELinux, which this host lacks")
            raise NotHonoured("volumes", f"the option {option} in {text!r}: relabel {text.split(':')[0]} yourself: chcon(1)")
        if not any(option in switch for switch in SWITCHES):
            raise InvalidRequest(f"volumes: {option!r} in {text!r} is not an option of a volume")
    for switch in SWITCHES:
        if len(both := [option for option in said if option in switch]) > 1:
            raise InvalidRequest(f"volumes: {' and '.join(both)} in {text!r} exclude each other")
    return (
        *said,
        *(word for word, switch in zip(USUAL, ({"ro", "rw"}, BIND, PROPAGATION), strict=True) if not switch & set(said)),
    )


def _tmpfs(text: str) -> Tmpfs:
    path, _, rest = text.partition(":")
    said = [option for option in rest.split(",") if option]
    for option in said:
        if option not in TMPFS and not TMPFS_VALUES.fullmatch(option):
            raise InvalidRequest(f"tmpfs: {option!r} in {text!r} is not an option of tmpfs(5)")
        if _is_too_large(option):
            raise InvalidRequest(f"tmpfs: {option!r} in {text!r} is more than there can be")
    defaults = [("nosuid", "suid"), ("nodev", "dev"), ("noexec", "exec")]
    words = [word for word, opposite in defaults if opposite not in said and word not in said]
    return Tmpfs(destination=_place("tmpfs", text, path), options=(*said, *words, "tmpcopyup"))


def _is_too_large(option: str) -> bool:
    """Whether an option of tmpfs has a number that the kernel can't count to."""
    key, _, value = option.lower().partition("=")
    number, unit = value.rstrip("kmg%"), value[-1:].strip("0123456789%")
    match key:
        case "size" | "nr_blocks" | "nr_inodes":
            return int(number) * UNITS[unit] >= SIGNED
        case "uid" | "gid":
            return int(number) >= IDS
    return False


def find_devices(asked: Iterable[str]) -> tuple[Device, ...]:
    """The nodes that are meant. Raises InvalidRequest, naming the field, for what is no device."""
    return tuple(device for text in asked for device in _devices(text))


def _devices(text: str) -> Iterable[Device]:
    source, *rest = text.split(":")
    access = rest.pop() if rest and re.fullmatch(r"[rwm]{1,3}", rest[-1]) else "rwm"
    inside = rest.pop() if rest else source
    if rest or "\0" in text or not source.startswith("/") or not inside.startswith("/"):
        raise InvalidRequest(f"devices: {text!r} is not HOST[:INSIDE][:rwm] with absolute paths")
    if not Path(source).is_dir():
        return [_device(source, posixpath.normpath(inside), access, text)]
    if not Path(os.path.realpath(source)).is_relative_to("/dev"):
        raise InvalidRequest(f"devices: {source} in {text!r} is a directory outside /dev; name its nodes one by one")
    nodes = [path for path in sorted(Path(source).rglob("*")) if path.is_char_device() or path.is_block_device()]
    return [_device(str(path), posixpath.join(inside, path.relative_to(source)), access, text) for path in nodes]


def _device(source: str, inside: str, access: str, text: str) -> Device:
    try:
        status = Path(source).stat()
    except OSError as error:
        raise InvalidRequest(f"devices: {source}: {error.strerror}") from None
    if not (stat.S_ISCHR(status.st_mode) or stat.S_ISBLK(status.st_mode)):
        raise InvalidRequest(f"devices: {source} in {text!r} is not a device node")
    return Device(
        path=inside,
        type="c" if stat.S_ISCHR(status.st_mode) else "b",
        major=os.major(status.st_rdev),
        minor=os.minor(status.st_rdev),
        mode=stat.S_IMODE(status.st_mode),
        uid=status.st_uid,
        gid=status.st_gid,
        access=access,
        source=source if source != inside else "",
    )
