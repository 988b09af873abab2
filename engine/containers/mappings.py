"""Whose IDs a container's users have on the host: `userns_mode`, and the fields that say the mapping. user_namespaces(7)

    userns_mode   host              the host's (nothing said means this, where no mapping is given either)
                  private           its own, by one of the three ways below
                  container:NAME    that of another container, and its mapping
                  ns:PATH           one that somebody made, and its mapping

    uidmap, gidmap              0:100000:65536, …         from, to, how many
    subuidname, subgidname      ada                       her ranges in /etc/subuid and /etc/subgid, in a row: subuid(5)
    (subuidmap, subgidmap: the same)
    id_mappings                 one range of each

Where only users or only groups are said, the others are mapped alike. A namespace of another kind belongs to the user namespace
that it was made in, and only who has rights there may mount what shows it: so such a one can be shared together with its user
namespace, not alone.
"""

import pwd
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

from podlink.engine.containers.lifecycle import readable
from podlink.engine.containers.modes import joined, settle_mode
from podlink.engine.containers.request import CreateRequest, IDMap
from podlink.engine.errors import InvalidRequest, NotHonoured
from podlink.engine.host import Host
from podlink.engine.linux import userns
from podlink.engine.oci.spec.values import IDMaps, IDRange

SUBORDINATE = {"uid": Path("/etc/subuid"), "gid": Path("/etc/subgid")}
IDENTITY = (IDRange(0, 0, userns.HIGHEST + 1),)
FIELDS = ("uidmap", "gidmap", "subuidmap", "subgidmap", "subuidname", "subgidname", "id_mappings")
OF_ITS_OWN = ("pid_mode", "ipc_mode", "net_mode")
"""The namespaces of which a part is mounted inside: /proc, /dev/mqueue, /sys."""


def settle_users(host: Host, request: CreateRequest) -> tuple[str, IDMaps | None]:
    """The mode as it is kept, and the mappings; None with the host's users. Refusals name the field."""
    maps = _own(request)
    mode = settle_mode(host, "userns_mode", request.userns_mode or ("private" if maps else "host"))
    if maps and mode != "private":
        raise InvalidRequest(f"userns_mode: with {request.userns_mode} the mapping is somebody else's; drop {_said(request)}")
    if mode == "private" and not maps:
        raise InvalidRequest(
            "userns_mode: a user namespace of its own takes a mapping; say uidmap (0:100000:65536) or subuidname"
        )
    if other := joined(mode):
        maps = readable(host.state.containers.get(other)).config.id_maps()
        mode = mode if maps else "host"
    elif mode.startswith("ns:"):
        maps = _of_namespace(Path(mode.removeprefix("ns:")))
    if maps:
        _refuse_unshareable(request, mode)
        if why := host.storage.maps_owners():
            raise NotHonoured("userns_mode" if request.userns_mode else _said(request), why)
    return mode, maps


def check_joined(mode: str, path: str, maps: IDMaps) -> None:
    """Raise InvalidRequest where the file that `ns:PATH` names stands for another namespace by now, with other mappings."""
    if mode.startswith("ns:") and _of_namespace(Path(path)) != maps:
        raise InvalidRequest(f"userns_mode: {path} has another mapping than when the container was created; create it anew")


def _said(request: CreateRequest) -> str:
    """The first field that says a mapping."""
    zero = CreateRequest()
    return next((name for name in FIELDS if getattr(request, name) != getattr(zero, name)), "userns_mode")


def _own(request: CreateRequest) -> IDMaps | None:
    """What the fields say, of which each kind of ID may be said by one."""
    options = request.id_mappings
    uids = _one_of(request, "uid", request.uidmap, options.uid_map, options.host_uid_mapping)
    gids = _one_of(request, "gid", request.gidmap, options.gid_map, options.host_gid_mapping)
    name = _name(request, "uid") or _name(request, "gid")
    if name and not uids:
        uids = _subordinate("uid", _name(request, "uid") or name)
    if name and not gids:
        gids = _subordinate("gid", _name(request, "gid") or name)
    if not (uids or gids) or (uids or IDENTITY) == IDENTITY == (gids or IDENTITY):
        return None
    return IDMaps(_checked("uidmap", uids or gids), _checked("gidmap", gids or uids))


def _one_of(request: CreateRequest, kind: str, asked: Sequence[str], option: IDMap, of_host: bool) -> tuple[IDRange, ...]:
    ways = {
        f"{kind}map": bool(asked),
        f"sub{kind}name": bool(_name(request, kind)),
        f"id_mappings.{kind}_map": option != IDMap(),
        f"id_mappings.host_{kind}_mapping": of_host,
    }
    said = [way for way, is_said in ways.items() if is_said]
    if len(said) > 1:
        raise InvalidRequest(f"{said[0].split('.')[0]}: the mapping is said twice, by {' and '.join(said)}; drop one")
    if of_host:
        return IDENTITY
    if option != IDMap():
        return (_range(f"id_mappings.{kind}_map", (option.container_id, option.host_id, option.size)),)
    return tuple(_triple(f"{kind}map", text) for entry in asked for text in entry.split(","))


def _triple(field: str, text: str) -> IDRange:
    parts = text.split(":")
    if len(parts) != 3 or not all(part.isdecimal() and len(part) <= 10 for part in parts):
        raise InvalidRequest(f"{field}: {text!r} is not INSIDE:OUTSIDE:SIZE, as in 0:100000:65536")
    return _range(field, (int(parts[0]), int(parts[1]), int(parts[2])))


def _range(field: str, numbers: tuple[int, int, int]) -> IDRange:
    inside, outside, size = numbers
    if size < 1 or min(numbers) < 0 or max(inside, outside) + size > userns.HIGHEST + 1:
        raise InvalidRequest(f"{field}: {inside}:{outside}:{size} is no range of IDs from 0 to {userns.HIGHEST}")
    return IDRange(inside, outside, size)


def _checked(field: str, ranges: tuple[IDRange, ...]) -> tuple[IDRange, ...]:
    """As the kernel wants them: no ID twice, on neither side; and ID 0, for it is root who sets up a container."""
    if len(ranges) > userns.MOST_RANGES:
        raise InvalidRequest(f"{field}: {len(ranges)} ranges are more than the kernel's {userns.MOST_RANGES}")
    for side in ("inside", "outside"):
        ordered = sorted((getattr(each, side), each.size) for each in ranges)
        for (start, size), (following, _) in pairwise(ordered):
            if start + size > following:
                raise InvalidRequest(f"{field}: ID {following} {side} is in two of the ranges")
    if not any(each.inside == 0 for each in ranges):
        raise InvalidRequest(f"{field}: ID 0, the container's root, is in none of the ranges; begin with 0:100000:65536, say")
    return ranges


def _name(request: CreateRequest, kind: str) -> str:
    """Whose subordinate IDs are meant; the two fields for it say the same or one of them nothing."""
    one, other = (f"sub{kind}name", f"sub{kind}map")
    name, old = str(getattr(request, one)), str(getattr(request, other))
    if name and old and name != old:
        raise InvalidRequest(f"{other}: {old!r} differs from {one} {name!r}; leave it out or make them equal")
    return name or old


def _subordinate(kind: str, name: str) -> tuple[IDRange, ...]:
    """The ranges that a user has in subuid(5), laid one after the other from ID 0. A line may name her by number."""
    path, found, inside = SUBORDINATE[kind], list[IDRange](), 0
    for line in path.read_text(errors="replace").splitlines() if path.exists() else ():
        owner, *numbers = line.split(":")
        if owner in _spellings(name) and len(numbers) == 2 and all(number.isdecimal() for number in numbers):
            found.append(_range(str(path), (inside, int(numbers[0]), int(numbers[1]))))
            inside += found[-1].size
    if not found:
        raise InvalidRequest(f"sub{kind}name: {path} has no range for {name!r}; add a line, as in {name}:100000:65536")
    return tuple(found)


def _spellings(name: str) -> set[str]:
    try:
        user = pwd.getpwuid(int(name)) if name.isdecimal() else pwd.getpwnam(name)
    except (KeyError, OverflowError):
        return {name}
    return {name, user.pw_name, str(user.pw_uid)}


def _of_namespace(path: Path) -> IDMaps:
    try:
        uids, gids = userns.maps_of(path)
    except (OSError, ValueError) as error:
        raise InvalidRequest(f"userns_mode: {path} can't be entered as a user namespace: {error}") from None
    return IDMaps(
        _checked("userns_mode", tuple(IDRange(*each) for each in uids)),
        _checked("userns_mode", tuple(IDRange(*each) for each in gids)),
    )


def _refuse_unshareable(request: CreateRequest, mode: str) -> None:
    for field in OF_ITS_OWN:
        text: str = getattr(request, field)
        kind = text.partition(":")[0]
        if kind in ("container", "ns") and mode.partition(":")[0] != kind:
            raise InvalidRequest(f"{field}: {text} belongs to another user namespace; share that too, by userns_mode, or neither")
