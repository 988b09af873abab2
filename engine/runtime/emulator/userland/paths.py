"""Commands over the names of files: basename dirname readlink realpath which; and timeout, which ends a command."""

import posixpath

from podlink.engine.runtime.emulator import programs, signals
from podlink.engine.runtime.emulator.process import Process
from podlink.engine.runtime.emulator.userland.command import complain, options, refused
from podlink.engine.runtime.emulator.userland.system import become


def basename(process: Process) -> int:
    """basename FILE [SUFFIX]"""
    words = process.argv[1:]
    if not words:
        process.write(2, "Usage: basename FILE [SUFFIX]\n")
        return 1
    name = posixpath.basename(words[0].rstrip("/")) or "/"
    if words[1:] and name != words[1]:
        name = name.removesuffix(words[1])
    process.write(1, f"{name}\n")
    return 0


def dirname(process: Process) -> int:
    words = process.argv[1:]
    if len(words) != 1:
        process.write(2, "Usage: dirname FILENAME\n")
        return 1
    folder = posixpath.dirname(words[0].rstrip("/"))
    process.write(1, f"{folder.rstrip('/') or ('/' if words[0].startswith('/') else '.')}\n")
    return 0


def readlink(process: Process) -> int:
    """readlink [-f] FILE…; 1 for what is no link."""
    found, paths = options(process, "fnv")
    status = 0
    for path in paths:
        try:
            if "f" in found:
                target = process.call(lambda path=path: _target(process, path))  # type: ignore[misc]
            else:
                link = process.tree.host(path, process.directory, follow=False)
                target = process.call(lambda link=link: str(link.readlink()))  # type: ignore[misc]
        except OSError:
            status = 1
        else:
            process.write(1, target + ("" if "n" in found else "\n"))
    return status


def _target(process: Process, path: str) -> str:
    """The same, but where the path is a link what it leads to need not be there."""
    is_link = process.tree.host(path, process.directory, follow=False).is_symlink()
    return process.tree.real(path, process.directory) if is_link else _real(process, path)


def _real(process: Process, path: str) -> str:
    """The path without links of what is there: realpath(3)."""
    found = process.tree.real(path, process.directory)
    process.tree.host(found).lstat()
    return found


def realpath(process: Process) -> int:
    status = 0
    for path in options(process, "")[1] or ["."]:
        try:
            process.write(1, process.call(lambda path=path: _real(process, path)) + "\n")  # type: ignore[misc]
        except OSError as error:
            status = refused(process, path, error)
    return status


def which(process: Process) -> int:
    status = 0
    for word in process.argv[1:]:
        try:
            found = programs.find(process.run.programs, process.tree, process.directory, word, process.env.get("PATH", ""))
        except programs.Missing:
            status = 1
        else:
            process.write(1, f"{found}\n")
    return status


def timeout(process: Process) -> int:
    """timeout [-s SIGNAL] SECONDS COMMAND [ARGUMENT]…: becomes the command, which a child has an eye on."""
    words, number = process.argv[1:], signals.TERM
    if words[:1] == ["-s"] and len(words) > 1:
        if (asked := signals.number_of(words[1])) is None:
            return complain(process, f"unknown signal '{words[1]}'")
        words, number = words[2:], asked
    if len(words) < 2:
        process.write(2, "Usage: timeout [-s SIG] [-k KILL_SECS] SECS PROG ARGS\n")
        return 1
    if not words[0].replace(".", "", 1).isdigit():
        return complain(process, f"invalid number '{words[0]}'")
    deadline = process.run.clock.monotonic() + float(words[0])

    def watch(child: Process) -> None:
        if child.block(lambda: process.ending, deadline) is None:
            child.kill(process.pid, number)

    process.fork(watch, files={})
    return become(process, words[1:], process.env)
