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
import re
import stat
from collections import UserDict
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module

from podlink.engine.errors import InvalidRequest
from podlink.engine.runtime.emulator.process import Process, Program
from podlink.engine.runtime.emulator.tree import Tree, refusal

KEY = re.compile(r"[^\s\0]*[^\s\0/]")
IMAGE_ID = re.compile(r"(sha256:)?[0-9a-f]{64}")
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


class Late:
    """A program that is imported when it is first wanted. module, function: where it is."""

    def __init__(self, module: str, function: str) -> None:
        self._module, self._function = module, function

    def load(self) -> Program:
        program: Program = getattr(import_module(self._module), self._function)
        return program

    def __call__(self, process: Process) -> int | None:
        return self.load()(process)


class Programs(UserDict[str, Program]):
    """Which function stands for which program. A key is one of

    /usr/sbin/nginx        the file of this path, whether or not an image has it
    nginx                  every file of this name, and the shell's own command of this name
    web:1, an image's ID   whatever the containers of this image are told to run
    """

    find_image: Callable[[str], str] = staticmethod(lambda name: "")
    """The ID of the image that a key means now; empty: there is none."""
    has_paths = has_images = False
    """Whether there ever was a path, or an image, among the keys; mostly there is none, and nothing is looked up."""

    def __setitem__(self, key: str, program: Program) -> None:
        """Raises InvalidRequest for what is no key, or no function."""
        if not isinstance(key, str) or not (KEY.fullmatch(key) and (key[0] != "/" or posixpath.normpath(key) == key)):
            raise InvalidRequest(
                f"programs: {key!r} is neither the absolute path of a program nor its name, nor an image as NAME:TAG or ID"
            )
        if not callable(program):
            raise InvalidRequest(f"programs: {key!r} is to be a function that takes a Process, not {program!r}")
        super().__setitem__(key, program)
        self.has_paths = self.has_paths or key.startswith("/")
        self.has_images = self.has_images or _is_image(key)

    def names(self) -> list[str]:
        """The keys that are names of programs."""
        return [key for key in self if "/" not in key and not _is_image(key)]

    def of_image(self, image: str) -> Program | None:
        """What the containers of this image run, if that was put here. image: its ID."""
        if not self.has_images:
            return None
        return next((self[key] for key in self if _is_image(key) and self.find_image(key) == image), None)


def _is_image(key: str) -> bool:
    return not key.startswith("/") and ("/" in key or ":" in key or IMAGE_ID.fullmatch(key) is not None)


def find(programs: Programs, tree: Tree, directory: str, name: str, path: str) -> str:
    """The absolute path that a command's name means, as runc finds it. Raises Missing.

    Where a program was put at a path, it is found there, as an executable file would be.
    """
    if "/" not in name:
        for folder in path.split(":") if path else ():
            candidate = f"{folder or '.'}/{name}"
            if name and (_given(programs, tree, directory, candidate) or executable(tree, directory, candidate)):
                return posixpath.join(directory, candidate)
        raise Missing(f'exec: "{name}": executable file not found in $PATH')
    if _given(programs, tree, directory, name):
        return posixpath.join(directory, name)
    try:
        if not tree.way(name, directory).mode:
            raise refusal(errno.ENOENT, name)
    except OSError as error:
        reason = os.strerror(error.errno or errno.ENOENT).lower()
        raise Missing(f'exec: "{name}": stat {name}: {reason}') from None
    if not executable(tree, directory, name):
        raise Missing(f'exec: "{name}": permission denied')
    return posixpath.join(directory, name)


def _given(programs: Programs, tree: Tree, directory: str, path: str) -> Program | None:
    """The program that was put at this path, or at the one that its links lead to."""
    if not programs.has_paths:
        return None
    if given := programs.get(posixpath.normpath(posixpath.join("/", directory, path))):
        return given
    try:
        return programs.get(tree.real(path, directory))
    except OSError:
        return None


def executable(tree: Tree, directory: str, path: str) -> bool:
    """Whether it is a file with a bit to execute it."""
    try:
        mode = tree.way(path, directory).mode
    except OSError:
        return False
    return stat.S_ISREG(mode) and bool(mode & 0o111)


def load(programs: Programs, tree: Tree, path: str, argv: list[str], depth: int = 0) -> Loaded:
    """What the file at the absolute path means. programs: by absolute path, or by base name.

    Raises OSError as execve(2): ENOENT for a missing interpreter, ENOEXEC for what nobody can run.
    """
    if given := _given(programs, tree, "/", path):
        return Loaded(given, argv)
    head = tree.content(path, SHEBANG_LENGTH)
    if head.startswith(b"#!"):
        return _script(programs, tree, path, argv, head, depth)
    for name in (posixpath.basename(path), posixpath.basename(tree.real(path))):
        if program := programs.get(name):
            if isinstance(program, Late):
                program.load()  # by who starts it: the process would come late to its first rest
            return Loaded(program, argv)
    raise refusal(errno.ENOEXEC, path)


def _script(programs: Programs, tree: Tree, path: str, argv: list[str], head: bytes, depth: int) -> Loaded:
    """`#!INTERPRETER [ARGUMENT]`: the interpreter is run with the script's path in place of argv[0]."""
    words = head[2:].partition(b"\n")[0].decode(errors="surrogateescape").strip().split(None, 1)
    if not words:
        raise refusal(errno.ENOEXEC, path)
    if depth >= DEEPEST:
        raise refusal(errno.ELOOP, path)
    given = _given(programs, tree, "/", words[0])
    if not given and not tree.host(words[0]).exists():
        raise refusal(errno.ENOENT, path)
    if not given and not executable(tree, "/", words[0]):
        raise refusal(errno.EACCES, path)
    interpreter = posixpath.join("/", words[0])
    return load(programs, tree, interpreter, [*words, path, *argv[1:]], depth + 1)


def broken(path: str, error: OSError) -> Program:
    """The container that runc started and the kernel could not: its one line, and the end."""

    def fail(process: Process) -> int:
        process.write(2, f"exec {path}: {os.strerror(error.errno or errno.ENOEXEC).lower()}\n")
        return 1

    return fail
