"""Commands that say what a file is for whom: chgrp chmod chown. Each change is one system call: made or not made."""

import errno
import re
import stat
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from podlink.engine.runtime.emulator import users
from podlink.engine.runtime.emulator.process import Exited, Process
from podlink.engine.runtime.emulator.tree import refusal
from podlink.engine.runtime.emulator.userland.command import Options, complain, options, refused
from podlink.engine.runtime.emulator.userland.files import place, target

Change = Callable[[Path], None]
"""Of what is at a place of the host that may be written to."""
WHO = {"u": 0o4700, "g": 0o2070, "o": 0o1007, "a": 0o7777}
WHAT = {"r": 0o444, "w": 0o222, "x": 0o111, "s": 0o6000, "t": 0o1000}
CLAUSE = r"[ugoa]*[-+=](?:[rwxXst]*|[ugo])"
COPIED = ("u", "g", "o")
KEPT = -1


def chmod(process: Process) -> int:
    """chmod [-R] MODE FILE…: octal, or `u+x,go-w`. A mode may begin with a minus, so options stand in front."""
    words, found = process.argv[1:], Options()
    while words and re.fullmatch(r"-[Rcvf]+", words[0]):
        found |= dict.fromkeys(words.pop(0)[1:], "")
    if len(words) < 2:
        process.write(2, "Usage: chmod [-Rcvf] MODE[,MODE]... FILE...\n")
        return 1
    mode, *paths = words
    if not re.fullmatch(rf"[0-7]{{1,4}}|{CLAUSE}(,{CLAUSE})*", mode):
        return complain(process, f"invalid mode '{mode}'")
    umask = process.run.umask

    def change(host: Path) -> None:
        if not host.is_symlink():
            host.chmod(mode_of(mode, host.stat().st_mode, umask))

    return _each(process, paths, "R" in found, change, follow=True)


def mode_of(text: str, before: int, umask: int) -> int:
    """The new mode. Where nobody is named, everybody is, but for what the umask holds back."""
    if text.isdecimal():
        return int(text, 8)
    mode = before & 0o7777
    for clause in text.split(","):
        found = re.fullmatch(r"([ugoa]*)([-+=])(.*)", clause)
        if not found:
            raise refusal(errno.EINVAL, text)
        runs = stat.S_ISDIR(before) or bool(before & 0o111)
        letters = _letters(found[3], before) if found[3] in COPIED else found[3].replace("X", "x" if runs else "")
        named = found[1] and "a" not in found[1]
        mask = sum({WHO[letter] for letter in found[1]}) & 0o7777 if named else WHO["a"] if found[1] else WHO["a"] & ~umask
        bits = sum({WHAT[letter] for letter in letters}) & mask
        mode = {"+": mode | bits, "-": mode & ~bits, "=": mode & ~mask | bits}[found[2]]
    return mode


def _letters(who: str, mode: int) -> str:
    """What somebody else may: `g=u`."""
    return "".join(letter for letter in "rwx" if mode & WHAT[letter] & WHO[who])


def chown(process: Process) -> int:
    """chown [-R] [-h] OWNER[:GROUP] FILE…: by name or number; `:GROUP` the group alone, `OWNER:` with the owner's own group."""
    found, words = options(process, "RhLHPcvf")
    if len(words) < 2:
        process.write(2, "Usage: chown [-Rh]... USER[:[GRP]] FILE...\n")
        return 1
    name, colon, group = words[0].partition(":")
    uid, own = _user(process, name) if name else (KEPT, KEPT)
    gid = _group(process, group, words[0]) if group else own if colon else KEPT
    return _give(process, words[1:], found, uid, gid)


def chgrp(process: Process) -> int:
    """chgrp [-R] [-h] GROUP FILE…"""
    found, words = options(process, "RhLHPcvf")
    if len(words) < 2:
        process.write(2, "Usage: chgrp [-Rh]... GROUP FILE...\n")
        return 1
    return _give(process, words[1:], found, KEPT, _group(process, words[0]))


def _user(process: Process, name: str) -> tuple[int, int]:
    """The numbers of a user and of their own group."""
    rows = process.call(lambda: users.users(process.tree))
    row = next((row for row in rows if row[0] == name), None)
    if row is not None:
        return int(row[2]), int(row[3])
    if not name.isdecimal():
        raise Exited(complain(process, f"unknown user {name}"))
    return int(name), next((int(row[3]) for row in rows if row[2] == name), KEPT)


def _group(process: Process, name: str, both: str = "") -> int:
    """The number of a group. both: what the user was named with, who is then told of too."""
    rows = process.call(lambda: users.groups(process.tree))
    row = next((row for row in rows if row[0] == name), None)
    if row is None and not name.isdecimal():
        raise Exited(complain(process, f"unknown user/group {both}" if both else f"unknown group {name}"))
    return int(row[2] if row else name)


def _give(process: Process, paths: list[str], found: Options, uid: int, gid: int) -> int:
    owners = process.tree.owners
    return _each(process, paths, "R" in found, lambda host: owners.give(host, uid, gid), follow="h" not in found)


def _each(process: Process, paths: list[str], deep: bool, change: Change, *, follow: bool) -> int:
    """Change them all, and (deep) what is below them; 1 where one was refused."""
    status = 0
    for path in paths:
        for each in _below(process, path) if deep else [path]:
            try:
                process.call(partial(_apply, process, each, change, follow and not deep))
            except OSError as error:
                status = refused(process, each, error)
    return status


def _apply(process: Process, path: str, change: Change, follow: bool) -> None:
    place(process, path, follow=follow).lstat()  # what is not there is refused as such, on a read-only root too
    change(target(process, path, follow=follow))


def _below(process: Process, path: str) -> Iterator[str]:
    """It, and if it is a folder all that is in it."""

    def names() -> list[str]:
        host = place(process, path, follow=False)
        return sorted(each.name for each in host.iterdir()) if host.is_dir() and not host.is_symlink() else []

    yield path
    try:
        inner = process.call(names)
    except OSError:
        return
    for name in inner:
        yield from _below(process, f"{path.rstrip('/')}/{name}")
