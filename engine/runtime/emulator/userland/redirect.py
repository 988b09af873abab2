"""Redirections: a command's descriptors as it asks for them, for as long as it runs. POSIX, XCU 2.7."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from podlink.engine.runtime.emulator.process import Process
from podlink.engine.runtime.emulator.userland import expansion
from podlink.engine.runtime.emulator.userland.children import DESCRIPTORS
from podlink.engine.runtime.emulator.userland.control import ShellFault
from podlink.engine.runtime.emulator.userland.syntax import Document, Redirection

if TYPE_CHECKING:
    from podlink.engine.runtime.emulator.userland.shell import Shell

MODES = {
    "<": os.O_RDONLY,
    ">": os.O_WRONLY | os.O_CREAT | os.O_TRUNC,
    ">|": os.O_WRONLY | os.O_CREAT | os.O_TRUNC,
    ">>": os.O_WRONLY | os.O_CREAT | os.O_APPEND,
    "<>": os.O_RDWR | os.O_CREAT,
}


@contextmanager
def redirected(shell: "Shell", redirections: tuple[Redirection, ...], *, keep: bool = False) -> Iterator[bool]:
    """Descriptors as they are asked for, and (unless they are kept) put back after. False: one was refused."""
    saved: dict[int, int | None] = {}
    try:
        try:
            for redirection in redirections:
                _redirect(shell, redirection, saved if not keep else {})
            done = True
        except ShellFault as fault:
            shell.complain(str(fault))
            shell.status, done = 1, False
        yield done
    finally:
        for descriptor, copy in saved.items():
            _restore(shell, descriptor, copy)


def _redirect(shell: "Shell", redirection: Redirection, saved: dict[int, int | None]) -> None:
    channel = _target(shell, redirection)
    number = redirection.descriptor
    if number not in saved:
        saved[number] = _save(shell, number) if number in shell.process.files else None
    if channel is None:
        shell.process.close(number)
    elif channel != number:
        shell.process.install(shell.process.channel(channel).acquire(), number)
    if channel is not None and redirection.operator not in ("<&", ">&") and channel != number:
        shell.process.close(channel)


def _save(shell: "Shell", number: int) -> int:
    """A copy of a descriptor, out of a script's reach."""
    free = next(each for each in range(len(DESCRIPTORS), 1 << 16) if each not in shell.process.files)
    return shell.process.install(shell.process.channel(number).acquire(), free)


def _restore(shell: "Shell", descriptor: int, copy: int | None) -> None:
    if copy is None:
        shell.process.close(descriptor)
        return
    shell.process.install(shell.process.channel(copy).acquire(), descriptor)
    shell.process.close(copy)


def _target(shell: "Shell", redirection: Redirection) -> int | None:
    """A descriptor with what is asked for: a new one, or for `>&` the one that is named; None: to be closed."""
    if isinstance(redirection.target, Document):
        return _document(shell, expansion.text(shell, redirection.target.word))
    text = expansion.text(shell, redirection.target)
    if redirection.operator in ("<&", ">&"):
        return _duplicate(shell, text)
    flags = MODES[redirection.operator]
    try:
        return shell.process.open(text, flags)
    except OSError as error:
        raise ShellFault(_refused(text, flags, error)) from None


def _duplicate(shell: "Shell", text: str) -> int | None:
    if text == "-":
        return None
    if not text.isdecimal() or int(text) not in shell.process.files or int(text) not in DESCRIPTORS:
        raise ShellFault(f"{text}: Bad file descriptor" if text.isdecimal() else "bad fd number", 2)
    return int(text)


def _document(shell: "Shell", text: str) -> int:
    """A pipe that a child fills: the text may be longer than a pipe is deep."""
    reader, writer = shell.process.pipe()

    def fill(process: Process) -> int:
        process.write(1, text)
        return 0

    shell.jobs.append(shell.process.fork(fill, files={1: writer}))
    shell.process.close(writer)
    return reader


def _refused(path: str, flags: int, error: OSError) -> str:
    """busybox's words."""
    if flags & os.O_CREAT:
        missing = isinstance(error, FileNotFoundError)
        return f"can't create {path}: {'nonexistent directory' if missing else os.strerror(error.errno or 0)}"
    missing = isinstance(error, FileNotFoundError)
    return f"can't open {path}: {'no such file' if missing else os.strerror(error.errno or 0)}"
