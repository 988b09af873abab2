"""Commands about what a file is beside its content: stat; and mktemp, which makes one of its own."""

import errno
import os
import posixpath
import re
import stat as kinds
from pathlib import Path

from podlink.engine.runtime.emulator.process import Process
from podlink.engine.runtime.emulator.tree import refusal
from podlink.engine.runtime.emulator.userland.command import Options, complain, options, reason, refused
from podlink.engine.runtime.emulator.userland.files import place, target
from podlink.engine.runtime.emulator.users import group_name, user_name

KINDS = {
    kinds.S_IFREG: ("f", "regular file"),
    kinds.S_IFDIR: ("d", "directory"),
    kinds.S_IFLNK: ("l", "symbolic link"),
    kinds.S_IFIFO: ("p", "fifo"),
    kinds.S_IFSOCK: ("s", "socket"),
    kinds.S_IFCHR: ("c", "character special file"),
    kinds.S_IFBLK: ("b", "block special file"),
}
"""The letter of `find -type`, and the words of `stat -c %F`."""
LETTERS = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
BLANKS = "XXXXXX"
"""What a template ends with, and chance fills in."""
ATTEMPTS = 100


def stat(process: Process) -> int:
    """stat -c FORMAT [-L] FILE…, where the format has %n %s %a %A %f %F %Y %u %U %g %G %%."""
    found, paths = options(process, "L", "c")
    if "c" not in found or not paths:
        return complain(process, "a format (-c) and a file are needed")
    status = 0
    for path in paths:
        try:
            host = place(process, path, follow="L" in found)
            entry = process.call(host.lstat)
        except OSError as error:
            status = refused(process, f"can't stat '{path}'", error)
        else:
            process.write(1, _told(process, found["c"], path, host, entry) + "\n")
    return status


def _told(process: Process, text: str, path: str, host: Path, entry: os.stat_result) -> str:
    uid, gid = process.tree.owners.of(host, entry)
    kind = KINDS[kinds.S_IFMT(entry.st_mode)][1]
    known = {
        "n": path,
        "s": str(entry.st_size),
        "a": f"{kinds.S_IMODE(entry.st_mode):o}",
        "A": kinds.filemode(entry.st_mode),
        "f": f"{entry.st_mode:x}",
        "F": "regular empty file" if kind == "regular file" and not entry.st_size else kind,
        "Y": str(int(entry.st_mtime)),
        "u": str(uid),
        "U": user_name(process.tree, uid) or "UNKNOWN",
        "g": str(gid),
        "G": group_name(process.tree, gid) or "UNKNOWN",
        "%": "%",
    }
    return re.sub(r"%([nsaAfFYuUgG%])", lambda found: known[found[1]], text)


def mktemp(process: Process) -> int:
    """mktemp [-dqtu] [-p DIRECTORY] [TEMPLATE]: chance is the emulator's, so that a seed has the same names each time."""
    found, words = options(process, "dqtu", "p")
    template = words[0] if words else f"tmp.{BLANKS}"
    if not words or {"p", "t"} & found.keys():
        folder = process.env.get("TMPDIR") or found.get("p") or "/tmp"
        template = posixpath.join(folder, template)
    try:
        made = process.call(lambda: _make(process, template, found))
    except OSError as error:
        return 1 if "q" in found else complain(process, f"(null): {reason(error)}")
    process.write(1, f"{made}\n")
    return 0


def _make(process: Process, template: str, found: Options) -> str:
    """Something that was not there before, for its owner alone. Raises OSError (EINVAL) for a template without blanks."""
    if not template.endswith(BLANKS):
        raise refusal(errno.EINVAL, template)
    for _ in range(ATTEMPTS):
        chosen = bytes(LETTERS[byte % len(LETTERS)] for byte in process.run.randomness.randbytes(len(BLANKS)))
        path = template.removesuffix(BLANKS) + chosen.decode()
        host = target(process, path)
        if host.exists():
            continue
        if "u" in found:
            return path
        if "d" in found:
            host.mkdir(mode=0o700)
        else:
            os.close(os.open(host, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o600))
        return path
    raise refusal(errno.EEXIST, template)
