"""Which program an argv means, in three steps that a real start takes too.

    runc      looks the name up along the container's PATH, and refuses what is not there   `find`
    kernel    reads the file: a script names its interpreter                                `load`
    userland  stands in for the binary, by the name that it was called by

A file that nobody here can stand in for is what a broken binary is to the kernel: the container starts, runc's line goes
to its stderr, and it exits with 1.
"""

import errno
import os
import posixpath
from collections.abc import Mapping
from dataclasses import dataclass

from podlink.engine.runtime.emulator.process import Process, Program
from podlink.engine.runtime.emulator.tree import Tree, refusal

SHEBANG_LENGTH = 256
"""The kernel reads no more of a script's first line: execve(2)."""
DEEPEST = 5
"""Interpreters of interpreters, beyond which the kernel says ELOOP."""


class Missing(Exception):
    """The message is runc's, from `exec:` on."""


@dataclass(frozen=True, slots=True)
class Loaded:
    """What execve(2) would run. argv: with the interpreter of a script in front."""

    program: Program
    argv: list[str]


def find(tree: Tree, directory: str, name: str, path: str) -> str:
    """The absolute path that a command's name means, as runc finds it. Raises Missing."""
    if "/" not in name:
        for folder in path.split(":") if path else ():
            candidate = posixpath.join(folder or ".", name)
            if name and executable(tree, directory, candidate):
                return posixpath.join(directory, candidate)
        raise Missing(f'exec: "{name}": executable file not found in $PATH')
    try:
        host = tree.host(name, directory)
        host.stat()
    except OSError as error:
        reason = os.strerror(error.errno or errno.ENOENT).lower()
        raise Missing(f'exec: "{name}": stat {name}: {reason}') from None
    if not executable(tree, directory, name):
        raise Missing(f'exec: "{name}": permission denied')
    return posixpath.join(directory, name)


def executable(tree: Tree, directory: str, path: str) -> bool:
    """Whether it is a file with a bit to execute it."""
    try:
        host = tree.host(path, directory)
        return host.is_file() and bool(host.stat().st_mode & 0o111)
    except OSError:
        return False


def load(programs: Mapping[str, Program], tree: Tree, path: str, argv: list[str], depth: int = 0) -> Loaded:
    """What the file at the absolute path means. programs: by absolute path, or by base name.

    Raises OSError as execve(2): ENOENT for a missing interpreter, ENOEXEC for what nobody can run.
    """
    if path in programs:
        return Loaded(programs[path], argv)
    with tree.host(path).open("rb") as file:
        head = file.read(SHEBANG_LENGTH)
    if head.startswith(b"#!"):
        return _script(programs, tree, path, argv, head, depth)
    real = tree.real(path)
    for name in (posixpath.basename(path), real, posixpath.basename(real)):
        if name in programs:
            return Loaded(programs[name], argv)
    raise refusal(errno.ENOEXEC, path)


def _script(programs: Mapping[str, Program], tree: Tree, path: str, argv: list[str], head: bytes, depth: int) -> Loaded:
    """`#!INTERPRETER [ARGUMENT]`: the interpreter is run with the script's path in place of argv[0]."""
    words = head[2:].partition(b"\n")[0].decode(errors="surrogateescape").strip().split(None, 1)
    if not words:
        raise refusal(errno.ENOEXEC, path)
    if depth >= DEEPEST:
        raise refusal(errno.ELOOP, path)
    if not tree.host(words[0]).exists():
        raise refusal(errno.ENOENT, path)
    if not executable(tree, "/", words[0]):
        raise refusal(errno.EACCES, path)
    interpreter = posixpath.join("/", words[0])
    return load(programs, tree, interpreter, [*words, path, *argv[1:]], depth + 1)


def broken(path: str, error: OSError) -> Program:
    """The container that runc started and the kernel could not: its one line, and the end."""

    def fail(process: Process) -> int:
        process.write(2, f"exec {path}: {os.strerror(error.errno or errno.ENOEXEC).lower()}\n")
        return 1

    return fail
