"""What a container's own files say of users, groups and hosts: passwd(5), group(5), hosts(5). What is no row says nothing."""

from podlink.engine.runtime.emulator.tree import Tree


def user_name(tree: Tree, uid: int) -> str | None:
    return next((row[0] for row in users(tree) if row[2] == str(uid)), None)


def group_name(tree: Tree, gid: int) -> str | None:
    return next((row[0] for row in groups(tree) if row[2] == str(gid)), None)


def home(tree: Tree, uid: int) -> str:
    """What runc has HOME be where nobody else says it."""
    return next((row[5] for row in users(tree) if row[2] == str(uid)), "/")


def home_of(tree: Tree, name: str) -> str | None:
    return next((row[5] for row in users(tree) if row[0] == name), None)


def users(tree: Tree) -> list[list[str]]:
    """Name, password, UID, GID, comment, home, shell."""
    return _rows(tree, "/etc/passwd", 7)


def groups(tree: Tree) -> list[list[str]]:
    """Name, password, GID, members."""
    return _rows(tree, "/etc/group", 4)


def addresses_of(tree: Tree, host: str) -> list[str]:
    """Its IPv4 addresses in /etc/hosts: hosts(5)."""
    rows = (line.partition("#")[0].split() for line in _text(tree, "/etc/hosts").splitlines())
    return list(dict.fromkeys(row[0] for row in rows if host in row[1:] and ":" not in row[0]))


def _rows(tree: Tree, path: str, columns: int) -> list[list[str]]:
    rows = [line.split(":") for line in _text(tree, path).splitlines()]
    return [row for row in rows if len(row) == columns and row[2].isdecimal()]


def _text(tree: Tree, path: str) -> str:
    try:
        return tree.content(path).decode(errors="replace")
    except OSError:
        return ""
