"""Mounts: what is mounted where (/proc/self/mountinfo), and the two calls that change it. proc_pid_mountinfo(5)

    36 35 98:0 /sub /mnt/a\\040b rw,noatime shared:1 - overlay overlay rw,lowerdir=/l,upperdir=/u
    id up dev  root place       options  tags       - type    source  options of the file system

Space, tab, newline and backslash are written as octal escapes in paths.
"""

import errno
import os
import re
import time
from dataclasses import dataclass
from pathlib import Path

from podlink.engine import trace
from podlink.engine.linux import portable, syscalls
from podlink.engine.linux.threads import in_a_thread

MOUNTINFO = Path("/proc/self/mountinfo")
ESCAPE = re.compile(rb"\\([0-7]{3})")
SPECIAL = re.compile(rb"[ \t\n\\]")
PATIENCE = (0.0, 0.01, 0.05, 0.2)
"""Seconds to wait before each attempt to unmount: a process that has just ended holds its root for a moment longer."""


@dataclass(frozen=True, slots=True)
class Mounted:
    """One line. options: those of the file system, as it shows them (for an overlay: lowerdir=…,upperdir=…)."""

    place: Path
    fstype: str
    source: str
    options: str


def parse(content: bytes) -> list[Mounted]:
    """All mounts, in the order in which they were made. A line that is not understood is an error: it would hide a mount."""
    return [_line(line) for line in content.split(b"\n") if line]


def _line(line: bytes) -> Mounted:
    before, _, after = line.partition(b" - ")
    fstype, source, options = after.split(b" ", 2)
    return Mounted(Path(_text(before.split(b" ")[4])), _text(fstype), _text(source), _text(options))


def _text(field: bytes) -> str:
    plain = ESCAPE.sub(lambda found: bytes([int(found[1], 8) & 0xFF]), field)
    return plain.decode("utf-8", "surrogateescape")


def mounted_at(path: Path) -> Mounted | None:
    """The topmost mount whose place is exactly this one."""
    if not is_mounted(path):
        return None
    place = path.parent.resolve() / path.name  # never the last component: an unreachable mount would block
    written = SPECIAL.sub(lambda found: b"\\%03o" % ord(found[0]), bytes(place))
    lines = [line for line in MOUNTINFO.read_bytes().split(b"\n") if b" " + written + b" " in line]  # of many, few are read
    found = [each for each in map(_line, lines) if each.place == place]
    return found[-1] if found else None


def mounted_below(path: Path) -> list[Path]:
    """Where something is mounted inside this directory; what was mounted last comes first."""
    if not portable.LINUX:
        return []
    place = path.resolve()
    return [each.place for each in reversed(parse(MOUNTINFO.read_bytes())) if place in each.place.parents]


def is_mounted(path: Path) -> bool:
    """Whether something is mounted exactly here: the step from the parent to here leads into another mount.

    The list of all mounts is not read for that: it grows with each container that runs.
    """
    try:
        return _mount_of(path, os.O_NOFOLLOW) != _mount_of(path.parent)
    except (FileNotFoundError, NotADirectoryError):
        return False


def _mount_of(path: Path, flags: int = 0) -> bytes:
    """The ID of the mount that holds the path: `mnt_id` of proc_pid_fdinfo(5)."""
    descriptor = os.open(path, os.O_PATH | os.O_CLOEXEC | flags)
    try:
        lines = Path(f"/proc/self/fdinfo/{descriptor}").read_bytes().splitlines()
    finally:
        os.close(descriptor)
    return next(line for line in lines if line.startswith(b"mnt_id:"))


def escaped(path: Path) -> str:
    """As overlayfs wants a path among its options: the characters that would end it, behind a backslash."""
    return "".join("\\" + character if character in "\\,:" else character for character in str(path))


def mount(fstype: str, source: str, target: Path, options: str) -> None:
    """mount -t FSTYPE SOURCE TARGET -o OPTIONS"""
    syscalls.mount(source, target, fstype, 0, options)
    trace.ran("mount", "-t", fstype, source, "-o", options, target)


def bind(source: Path, target: Path) -> None:
    """mount --bind SOURCE TARGET"""
    syscalls.mount(str(source), target, "none", syscalls.MS_BIND)
    trace.ran("mount", "--bind", source, target)


def mount_from(
    directory: Path, fstype: str, source: str, target: Path, options: str, owner: tuple[int, int] | None = None
) -> None:
    """The same, with `directory` as the working directory, from which relative paths in the options start.

    A working directory is the whole process's. So this is done in a thread that first takes one of its own (CLONE_FS).
    owner: as whom (user, group) overlayfs is to make what it makes for itself. On an idmapped mount, root of the host is nobody
    and may make nothing (EOVERFLOW).
    """

    def apart() -> None:
        syscalls.unshare(syscalls.CLONE_FS)
        os.chdir(directory)
        if owner:
            _become(*owner)
        syscalls.mount(source, target, fstype, 0, options)

    in_a_thread(apart, "podlink-mount")
    trace.ran("cd", directory, "&&", "mount", "-t", fstype, source, "-o", options, target)


def _become(uid: int, gid: int) -> None:
    """Let this thread make files as somebody else, with all the rights that it had: setfsuid(2) takes some away."""
    permitted = re.search(r"^CapPrm:\s*([0-9a-f]+)$", Path("/proc/thread-self/status").read_text(), re.MULTILINE)
    syscalls.setfsgid(gid)
    syscalls.setfsuid(uid)
    if permitted:
        syscalls.capset(int(permitted[1], 16))


def mount_idmapped(source: Path, target: Path, userns: int, described: str) -> None:
    """Show a directory a second time, its files owned by whom the user namespace maps their owners to: mount_setattr(2).

    The disk keeps what it has. described: the mappings, as `X-mount.idmap` of mount(8) has them.
    """
    tree = syscalls.open_tree(source)
    try:
        syscalls.mount_setattr(tree, syscalls.MOUNT_ATTR_IDMAP, userns)
        syscalls.move_mount(tree, target)
    finally:
        os.close(tree)
    trace.ran("mount", "--bind", "-o", f"X-mount.idmap={described}", source, target)


def unmount(target: Path) -> None:
    """Take away all that is mounted here. What isn't is no error.

    A mount that somebody holds on to (a shell that stands in it) is taken out of the tree all the same, and goes for good when he
    leaves it: MNT_DETACH, after a short patience.
    """
    while is_mounted(target):
        for pause in PATIENCE:
            time.sleep(pause)
            if _unmounted(target, syscalls.UMOUNT_NOFOLLOW):
                trace.ran("umount", target)
                break
        else:
            syscalls.umount2(target, syscalls.UMOUNT_NOFOLLOW | syscalls.MNT_DETACH)
            trace.ran("umount", "--lazy", target)


def _unmounted(target: Path, flags: int) -> bool:
    try:
        syscalls.umount2(target, flags)
    except OSError as error:
        if error.errno == errno.EINVAL:  # another process was first
            return True
        if error.errno != errno.EBUSY:
            raise
        return False
    return True
