"""install(1): copies with a mode and an owner."""

import posixpath
import shutil
from collections.abc import Callable, Sequence
from functools import partial

from podlink.engine.runtime.emulator.process import Process
from podlink.engine.runtime.emulator.userland import permissions
from podlink.engine.runtime.emulator.userland.command import Options, complain, options, refused
from podlink.engine.runtime.emulator.userland.files import make_folders, place, target

MODE, USUAL = "755", 0o755
"""Of what is installed, and of the directories that it lies in."""


def install(process: Process) -> int:
    """install [-cDp] [-m MODE] [-o OWNER] [-g GROUP] [-t FOLDER] SOURCE… DESTINATION, or install -d DIRECTORY…"""
    found, paths = options(process, "cdDps", "mogt")
    if "d" in found:
        return _each(process, found, [(path, partial(make_folders, process, path, USUAL)) for path in paths])
    into = found.get("t", "")
    if not paths or (len(paths) < 2 and not into):
        process.write(2, "Usage: install [-cdDsp] [-o USER] [-g GRP] [-m MODE] [-t DIR] [SOURCE]... DEST\n")
        return 1
    sources, last = (paths, into) if into else (paths[:-1], paths[-1])
    if "D" in found:
        process.call(lambda: make_folders(process, into or posixpath.dirname(last), USUAL))
    is_folder = bool(into) or _is_folder(process, last)
    if len(sources) > 1 and not is_folder:
        return complain(process, f"target '{last}' is not a directory")
    goals = [posixpath.join(last, posixpath.basename(source)) if is_folder else last for source in sources]
    exact = "p" in found
    copies = [(goal, partial(_copy, process, source, goal, exact)) for source, goal in zip(sources, goals, strict=True)]
    return _each(process, found, copies)


def _is_folder(process: Process, path: str) -> bool:
    try:
        return process.call(lambda: place(process, path).is_dir())
    except OSError:
        return False


def _copy(process: Process, source: str, goal: str, exact: bool) -> None:
    origin = place(process, source)
    (shutil.copy2 if exact else shutil.copy)(origin, target(process, goal, follow=True))


def _each(process: Process, found: Options, made: Sequence[tuple[str, Callable[[], None]]]) -> int:
    """Make each, and give it its mode and its owner; 1 where one was refused."""
    status = 0
    for goal, make in made:
        try:
            process.call(make)
        except OSError as error:
            status = refused(process, f"can't create '{goal}'", error)
            continue
        status = _dress(process, found, goal) or status
    return status


def _dress(process: Process, found: Options, goal: str) -> int:
    before = process.argv
    owner = f"{found.get('o', '')}:{found['g']}" if "g" in found else found.get("o", "")
    try:
        process.argv = [before[0], found.get("m", MODE), goal]
        status = permissions.chmod(process)
        process.argv = [before[0], owner, goal]
        return (permissions.chown(process) if owner else 0) or status
    finally:
        process.argv = before
