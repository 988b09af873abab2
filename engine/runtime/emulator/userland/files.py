"""Commands over files and directories: cp ln ls mkdir mv pwd rm rmdir touch. Each change is one system call: made or not made."""

import errno
import os
import posixpath
import shutil
import stat
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from podlink.engine.runtime.emulator.process import Process
from podlink.engine.runtime.emulator.tree import refusal
from podlink.engine.runtime.emulator.userland.command import Options, complain, options, reason, refused
from podlink.engine.runtime.emulator.users import group_name, user_name


def place(process: Process, path: str, *, follow: bool = True) -> Path:
    """Where a path leads, for one who looks."""
    return process.tree.host(path, process.directory, follow=follow)


def target(process: Process, path: str, *, follow: bool = False) -> Path:
    """Where a path leads, for one who changes what is there."""
    return process.tree.writable(path, process.directory, follow=follow)


def pwd(process: Process) -> int:
    process.write(1, process.directory + "\n")
    return 0


def each(process: Process, paths: list[str], act: Callable[[str], None], words: str) -> int:
    """Do it with every path as one system call; 1 where one was refused. words: how the refusal is told, with `{}`."""
    status = 0
    for path in paths:
        try:
            process.call(partial(act, path))
        except OSError as error:
            status = refused(process, words.format(path), error)
    return status


def mkdir(process: Process) -> int:
    """mkdir [-p] [-m MODE] DIRECTORY…"""
    found, paths = options(process, "pv", "m")
    mode = int(found["m"], 8) if found.get("m", "0").isdecimal() and "m" in found else 0o777 & ~process.run.umask

    def make(path: str) -> None:
        if "p" in found:
            make_folders(process, path, mode)
        else:
            target(process, path, follow=True).mkdir(mode=mode)

    return each(process, paths, make, "can't create directory '{}'")


def make_folders(process: Process, path: str, mode: int) -> None:
    """A directory, and those that it lies in, where they are not there."""
    done = ""
    for name in posixpath.join(process.directory, path).split("/"):
        done += f"/{name}"
        here = target(process, done, follow=True)
        if not here.is_dir():
            here.mkdir(mode=mode)


def rmdir(process: Process) -> int:
    _, paths = options(process, "p")
    return each(process, paths, lambda path: target(process, path).rmdir(), "'{}'")


def rm(process: Process) -> int:
    """rm [-rRfi] FILE…"""
    found, paths = options(process, "rRfiv")
    status = 0
    for path in paths:
        try:
            process.call(partial(_remove, process, path, found))
        except FileNotFoundError as error:
            status = status if "f" in found else refused(process, f"can't remove '{path}'", error)
        except IsADirectoryError:
            status = complain(process, f"'{path}' is a directory")
        except OSError as error:
            status = refused(process, f"can't remove '{path}'", error)
    return status


def _remove(process: Process, path: str, found: Options) -> None:
    host = target(process, path)
    if not (host.is_dir() and not host.is_symlink()):
        host.unlink()
    elif not {"r", "R"} & set(found):
        raise refusal(errno.EISDIR, path)
    elif host == process.tree.root:
        raise refusal(errno.EBUSY, path)
    else:
        shutil.rmtree(host)


def touch(process: Process) -> int:
    """touch [-c] FILE…"""
    found, paths = options(process, "cam", "drt")
    now = process.run.clock.now()

    def stamp(path: str) -> None:
        host = target(process, path, follow=True)
        if not host.exists():
            if "c" in found:
                return
            os.close(os.open(host, os.O_CREAT | os.O_WRONLY | os.O_CLOEXEC, 0o666 & ~process.run.umask))
        os.utime(host, ns=(now, now))

    return each(process, paths, stamp, "{}")


def ln(process: Process) -> int:
    """ln [-sfn] SOURCE… DESTINATION"""
    found, paths = options(process, "sfnT")
    return _pairs(process, paths, lambda source, goal: _link(process, source, goal, found), "{}")


def _link(process: Process, source: str, goal: str, found: Options) -> None:
    host = target(process, goal)
    if "f" in found:
        host.unlink(missing_ok=True)
    if "s" in found:
        host.symlink_to(source)
    else:
        host.hardlink_to(place(process, source, follow=False))


def mv(process: Process) -> int:
    """mv [-fn] SOURCE… DESTINATION"""
    found, paths = options(process, "finT")
    return _pairs(process, paths, lambda source, goal: _move(process, source, goal, found), "can't rename '{}'")


def _move(process: Process, source: str, goal: str, found: Options) -> None:
    origin, host = target(process, source), target(process, goal)
    origin.lstat()
    if not ("n" in found and host.exists()):
        shutil.move(origin, host) if host.is_symlink() or not host.is_dir() else origin.replace(host)


def cp(process: Process) -> int:
    """cp [-rRafpd] SOURCE… DESTINATION"""
    found, paths = options(process, "rRafpdPLHinT")
    return _pairs(process, paths, lambda source, goal: _copy(process, source, goal, found), "can't stat '{}'")


def _copy(process: Process, source: str, goal: str, found: Options) -> None:
    deep, exact = bool({"r", "R", "a"} & set(found)), bool({"p", "a"} & set(found))
    origin = place(process, source, follow=not deep)
    host = target(process, goal, follow=True)
    if "n" in found and host.exists():
        return
    if origin.is_symlink():
        host.unlink(missing_ok=True)
        host.symlink_to(origin.readlink())
    elif not origin.is_dir():
        (shutil.copy2 if exact else shutil.copy)(origin, host)
    elif not deep:
        raise _Omitted(errno.EISDIR, source)
    elif host.is_relative_to(origin):
        raise refusal(errno.EINVAL, source)
    else:
        shutil.copytree(origin, host, symlinks=True, dirs_exist_ok=True)


class _Omitted(OSError):
    """A directory that was to be copied without `-r`."""


def _pairs(process: Process, paths: list[str], act: Callable[[str, str], None], words: str) -> int:
    """Each source with its destination: the last path itself, or its own name below that where it is a directory."""
    if len(paths) < 2:
        process.write(2, f"Usage: {process.argv[0]} SOURCE... DEST\n")
        return 1
    *sources, last = paths
    try:
        into = process.call(lambda: place(process, last).is_dir())
    except OSError:
        into = False
    if len(sources) > 1 and not into:
        return complain(process, f"target '{last}' is not a directory")
    status = 0
    for source in sources:
        goal = posixpath.join(last, posixpath.basename(source.rstrip("/"))) if into else last
        try:
            process.call(partial(act, source, goal))
        except _Omitted:
            status = complain(process, f"omitting directory '{source}'")
        except FileNotFoundError as error:
            status = refused(process, words.format(source), error)
        except OSError as error:
            status = complain(process, f"can't create '{goal}': {reason(error)}")
    return status


def ls(process: Process) -> int:
    """ls [-1aAldR] [FILE]…: one name a line, as when nobody sits at it."""
    found, paths = options(process, "1aAldRFhprtSnCixsHLv")
    status = 0
    files: list[str] = []
    folders: list[str] = []
    for path in paths or ["."]:
        try:
            is_folder = process.call(partial(_is_folder, process, path, found))
        except OSError as error:
            status = refused(process, path, error)
            continue
        (folders if is_folder else files).append(path)
    _list(process, sorted(files), "", found)
    several = len(files) + len(folders) > 1 or len(paths) > 1 or "R" in found
    for number, path in enumerate(sorted(folders)):
        status = _list_folder(process, path, found, several, bool(files) or number > 0) or status
    return status


def _is_folder(process: Process, path: str, found: Options) -> bool:
    host = place(process, path, follow=False)
    if host.is_symlink() and "l" not in found:
        host = place(process, path)
    return stat.S_ISDIR(host.lstat().st_mode) and "d" not in found


def _list_folder(process: Process, path: str, found: Options, titled: bool, spaced: bool) -> int:
    try:
        names = process.call(lambda: [entry.name for entry in place(process, path).iterdir()])
    except OSError as error:
        return refused(process, f"can't open '{path}'", error)
    names = sorted(name for name in names if not name.startswith(".") or {"a", "A"} & set(found))
    names = [".", "..", *names] if "a" in found else names
    if titled:
        process.write(1, ("\n" if spaced else "") + f"{path}:\n")
    if "l" in found:
        process.write(1, "total 0\n")
    _list(process, names, path, found)
    if "R" in found:
        for name in names:
            inner = posixpath.join(path, name)
            if name not in (".", "..") and process.call(partial(_is_real_folder, process, inner)):
                _list_folder(process, inner, found, True, True)
    return 0


def _is_real_folder(process: Process, path: str) -> bool:
    host = place(process, path, follow=False)
    return host.is_dir() and not host.is_symlink()


def _list(process: Process, names: list[str], folder: str, found: Options) -> None:
    """The names, sorted as asked, each on its line."""

    def status_of(name: str) -> os.stat_result:
        return process.call(lambda: place(process, posixpath.join(folder, name), follow=False).lstat())

    if "t" in found:
        names = sorted(names, key=lambda name: -status_of(name).st_mtime_ns)
    if "S" in found:
        names = sorted(names, key=lambda name: -status_of(name).st_size)
    names = names[::-1] if "r" in found else names
    for name in names:
        if "l" not in found:
            mark = "/" if {"F", "p"} & set(found) and stat.S_ISDIR(status_of(name).st_mode) else ""
            process.write(1, f"{name}{mark}\n")
            continue
        link = ""
        host = place(process, posixpath.join(folder, name), follow=False)
        if stat.S_ISLNK((status := process.call(host.lstat)).st_mode):
            link = f" -> {host.readlink()}"
        process.write(1, _row(process, host, status, found) + name + link + "\n")


def _row(process: Process, host: Path, status: os.stat_result, found: Options) -> str:
    """What `ls -l` tells before the name."""
    uid, gid = process.tree.owners.of(host, status)
    user = str(uid) if "n" in found else user_name(process.tree, uid) or str(uid)
    group = str(gid) if "n" in found else group_name(process.tree, gid) or str(gid)
    moment = time.strftime("%b %e %H:%M", time.gmtime(status.st_mtime))
    return f"{stat.filemode(status.st_mode)} {status.st_nlink:4} {user:8} {group:8} {status.st_size:9} {moment} "
