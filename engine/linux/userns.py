"""User namespaces: the IDs of a container and those of the host. user_namespaces(7)

    inside    0 ─────────── 999   1000 ──────── 65535         $ cat /proc/PID/uid_map
              │                   │                                    0     100000      65536
    outside   100000 ── 100999    101000 ────── 165535        inside ──┘    outside ──┘     └── how many

A namespace is there for as long as somebody is in it, or holds a descriptor of it. To have one without a container, a child
process enters it and waits: between fork(2) and its end it makes system calls and nothing else, since the process that it is a
copy of may have threads.
"""

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from podlink.engine.linux import mounts, syscalls

Map = Sequence[tuple[int, int, int]]
"""Ranges: the first ID inside, the first outside, how many."""
MOST_RANGES = 340
"""Lines that the kernel takes."""
HIGHEST = 2**32 - 2
"""(uid_t) -1 is nobody: no range may reach it."""


def text(ranges: Map) -> str:
    """As /proc/PID/uid_map takes it."""
    return "".join(f"{inside} {outside} {size}\n" for inside, outside, size in ranges)


def parse(lines: str) -> list[tuple[int, int, int]]:
    """The inverse."""
    return [(int(inside), int(outside), int(size)) for inside, outside, size in map(str.split, lines.splitlines())]


@contextmanager
def new(uids: Map, gids: Map) -> Iterator[int]:
    """The descriptor of a new user namespace with these mappings, for as long as the block lasts. Raises OSError."""
    with _child(lambda: syscalls.unshare(syscalls.CLONE_NEWUSER)) as pid:
        Path(f"/proc/{pid}/uid_map").write_text(text(uids))
        Path(f"/proc/{pid}/gid_map").write_text(text(gids))
        descriptor = os.open(f"/proc/{pid}/ns/user", os.O_RDONLY | os.O_CLOEXEC)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def maps_of(namespace: Path) -> tuple[list[tuple[int, int, int]], list[tuple[int, int, int]]]:
    """The mappings, of users and of groups, of the user namespace that this file stands for. Raises OSError where it is none."""
    if namespace.stat().st_ino == Path("/proc/self/ns/user").stat().st_ino:  # ours: nobody may enter the one where he is
        return parse(Path("/proc/self/uid_map").read_text()), parse(Path("/proc/self/gid_map").read_text())
    descriptor = os.open(namespace, os.O_RDONLY | os.O_CLOEXEC)
    try:
        with _child(lambda: syscalls.setns(descriptor, syscalls.CLONE_NEWUSER)) as pid:
            return parse(Path(f"/proc/{pid}/uid_map").read_text()), parse(Path(f"/proc/{pid}/gid_map").read_text())
    finally:
        os.close(descriptor)


def pin(uids: Map, gids: Map, place: Path) -> None:
    """A new user namespace with these mappings, mounted at `place` so that it lives without a process. Raises OSError."""
    place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    place.touch(mode=0o600)
    with new(uids, gids) as descriptor:
        mounts.bind(Path(f"/proc/self/fd/{descriptor}"), place)


def pin_network(user: Path, place: Path) -> None:
    """A new network namespace that belongs to the user namespace at `user`, mounted at `place`. Raises OSError.

    Who has all rights in that one has them over this network: may show it in /sys, and set its settings.
    """
    descriptor = os.open(user, os.O_RDONLY | os.O_CLOEXEC)

    def enter() -> None:
        syscalls.setns(descriptor, syscalls.CLONE_NEWUSER)
        syscalls.unshare(syscalls.CLONE_NEWNET)

    try:
        with _child(enter) as pid:
            mounts.bind(Path(f"/proc/{pid}/ns/net"), place)
    finally:
        os.close(descriptor)


@contextmanager
def _child(enter: Callable[[], None]) -> Iterator[int]:
    """The PID of a child that has entered a namespace and stays in it until the block ends."""
    _ = syscalls.libc.unshare, syscalls.libc.setns  # found now: another thread may hold the loader's lock at the fork
    told, tell = os.pipe2(os.O_CLOEXEC)
    stay, leave = os.pipe2(os.O_CLOEXEC)
    pid = os.fork()
    if pid == 0:
        _wait_inside(enter, tell, stay, leave)
    os.close(tell)
    os.close(stay)
    try:
        if number := int.from_bytes(os.read(told, 4), "little"):
            raise OSError(number, f"a user namespace: {os.strerror(number)}")
        yield pid
    finally:
        with suppress(BrokenPipeError):
            os.write(leave, b".")  # closing it is not enough: a child that another thread forked meanwhile holds it too
        os.close(told)
        os.close(leave)
        with suppress(ChildProcessError):  # whoever ignores SIGCHLD has nobody to wait for
            os.waitpid(pid, 0)


def _wait_inside(enter: Callable[[], None], tell: int, stay: int, leave: int) -> None:
    """The child's whole life. Never returns: whatever goes wrong, a copy of the engine must not go on."""
    try:
        os.close(leave)
        number = 0
        try:
            enter()
        except OSError as error:
            number = error.errno or 0
        os.write(tell, number.to_bytes(4, "little"))
        os.read(stay, 1)
    finally:
        os._exit(0)
