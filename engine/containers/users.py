"""Whom init runs as: `name`, `uid`, `name:group`, `uid:gid`, looked up in the image's own /etc/passwd and /etc/group.

The files are the image's and hostile: they are read without leaving the root file system, and bounded. passwd(5), group(5).
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from podlink.engine.errors import InvalidRequest
from podlink.engine.linux.safepath import read_inside
from podlink.engine.oci.spec.values import IDMaps, User

LIMIT = 4 * 2**20
HIGHEST_ID = 2**32 - 2
"""(uid_t) -1 means "no change" to the kernel; see setresuid(2)."""


def resolve_user(rootfs: Path, text: str, more: Sequence[str] = ()) -> User:
    """The numbers behind `text`, and behind `more` groups. Raises InvalidRequest, naming what the image does not know."""
    passwd, groups = list(_rows(rootfs, "/etc/passwd", 7)), list(_rows(rootfs, "/etc/group", 4))
    user = find_user(text, passwd, groups)
    added = {_group(name, groups, "group_add") for name in more}
    return replace(user, additional_gids=tuple(sorted({*user.additional_gids, *added})))


def check_mapped(user: User, maps: IDMaps | None) -> User:
    """The user, who is to be somebody in the container's user namespace. Raises InvalidRequest where an ID is not mapped."""
    if maps:
        kinds = (("uid", maps.uids, (user.uid,)), ("gid", maps.gids, (user.gid, *user.additional_gids)))
        for kind, ranges, numbers in kinds:
            for number in numbers:
                if not any(each.inside <= number < each.inside + each.size for each in ranges):
                    raise InvalidRequest(
                        f"user: {kind} {number} is not mapped to the host; widen {kind}map, or choose another user"
                    )
    return user


def find_user(text: str, passwd: list[list[str]], groups: list[list[str]]) -> User:
    """The rule itself, over the rows of the two files."""
    name, _, group = text.partition(":")
    name = name or "0"
    row = next((row for row in passwd if row[0] == name), None)
    if row is None and name.isdecimal():
        row = next((row for row in passwd if row[2] == name), None)
    if row is None and not name.isdecimal():
        raise InvalidRequest(f"user: the image's /etc/passwd has no user {name!r}")
    uid = _number(row[2] if row else name)
    if group:
        return User(uid=uid, gid=_group(group, groups))
    member = [_number(each[2]) for each in groups if row and row[0] in each[3].split(",")]
    gid = _number(row[3]) if row else 0
    return User(uid=uid, gid=gid, additional_gids=tuple(sorted(set(member) - {gid})))


def _group(name: str, groups: list[list[str]], field: str = "user") -> int:
    row = next((row for row in groups if row[0] == name), None)
    if row is None and not name.isdecimal():
        raise InvalidRequest(f"{field}: the image's /etc/group has no group {name!r}")
    return _number(row[2] if row else name, field)


def _number(text: str, field: str = "user") -> int:
    if not (text.isdecimal() and len(text) <= 10 and int(text) <= HIGHEST_ID):
        raise InvalidRequest(f"{field}: {text!r} is not an ID from 0 to {HIGHEST_ID}")
    return int(text)


def _rows(rootfs: Path, path: str, columns: int) -> Iterator[list[str]]:
    """The rows of a file of colon-separated columns; what does not have them all is passed over, as getpwent(3) does."""
    for line in (read_inside(rootfs, path, LIMIT) or b"").decode(errors="replace").splitlines():
        row = line.strip().split(":")
        if len(row) == columns and row[0] and not row[0].startswith("#") and row[2].isdecimal():
            yield row
