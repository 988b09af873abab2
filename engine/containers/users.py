"""Whom init runs as: `name`, `uid`, `name:group`, `uid:gid`, looked up in the image's own /etc/passwd and /etc/group.

The files are the image's and hostile: they are read without leaving the root file system, and bounded. passwd(5), group(5).
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from podlink.engine.errors import InvalidRequest
from podlink.engine.host import Host
from podlink.engine.linux.safepath import read_inside
from podlink.engine.oci.spec.values import IDMaps, User
from podlink.engine.runtime.base import Accounts

Reader = Callable[[str], bytes | None]
"""A file of the container, by its path; None where there is none."""
LIMIT = 4 * 2**20
HIGHEST_ID = 2**32 - 2
"""(uid_t) -1 means "no change" to the kernel; see setresuid(2)."""


def in_tree(rootfs: Path) -> Reader:
    """Of a root file system that is mounted."""
    return partial(read_inside, rootfs, limit=LIMIT)


def in_storage(host: Host, container: str) -> Reader:
    """Of a container, mounted or not."""
    return partial(host.storage.read, container, limit=LIMIT)


def resolve_user(read: Reader, text: str, more: Sequence[str] = ()) -> User:
    """The numbers behind `text`, and behind `more` groups. Raises InvalidRequest, naming what the image does not know."""
    passwd, groups = list(_rows(read, "/etc/passwd", 7)), list(_rows(read, "/etc/group", 4))
    user = find_user(text, passwd, groups)
    added = {_group(name, groups, "group_add") for name in more}
    return replace(user, additional_gids=tuple(sorted({*user.additional_gids, *added})))


def resolve_groups(read: Reader, names: Sequence[str]) -> list[int]:
    """The numbers of these groups, in their order. Raises InvalidRequest as `resolve_user`."""
    groups = list(_rows(read, "/etc/group", 4))
    return [_group(name, groups, "group_add") for name in names]


def accounts(read: Reader) -> Accounts:
    """The names that the image has for IDs."""
    users = [row for row in _rows(read, "/etc/passwd", 7) if _is_name(row[0]) and _are_ids(row[2], row[3])]
    groups = [row for row in _rows(read, "/etc/group", 4) if _is_name(row[0]) and _are_ids(row[2])]
    return Accounts(
        users=tuple((row[0], int(row[2]), int(row[3])) for row in users), groups=tuple((row[0], int(row[2])) for row in groups)
    )


def _is_name(text: str) -> bool:
    """What another program may be given as a name: one word that can be printed."""
    return text.isprintable() and text.isascii() and not set(text) & set(" ,")


def _are_ids(*texts: str) -> bool:
    return all(text.isascii() and text.isdecimal() and len(text) <= 10 and int(text) <= HIGHEST_ID for text in texts)


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
    if not _are_ids(text):
        raise InvalidRequest(f"{field}: {text!r} is not an ID from 0 to {HIGHEST_ID}")
    return int(text)


def _rows(read: Reader, path: str, columns: int) -> Iterator[list[str]]:
    """The rows of a file of colon-separated columns; what does not have them all is passed over, as getpwent(3) does."""
    for line in (read(path) or b"").decode(errors="replace").splitlines():
        row = line.strip().split(":")
        if len(row) == columns and row[0] and not row[0].startswith("#") and row[2].isdecimal():
            yield row
