"""Commands over archives: gunzip gzip tar zcat. What they read and write is what the real ones do."""

import gzip as codec
import io
import os
import posixpath
import re
import tarfile
import zlib
from collections.abc import Iterator
from functools import partial

from podlink.engine.runtime.emulator import users
from podlink.engine.runtime.emulator.process import Exited, Process
from podlink.engine.runtime.emulator.userland.command import Options, complain, options, refused
from podlink.engine.runtime.emulator.userland.files import place, target

SUFFIX = ".gz"


def gzip(process: Process) -> int:
    """gzip [-cdfk] [-1…9] [FILE]…"""
    found, paths = options(process, "cdfkqtv123456789n")
    return _each(process, paths, found, "d" in found)


def gunzip(process: Process) -> int:
    """gunzip [-cfk] [FILE]…"""
    found, paths = options(process, "cfkqtv")
    return _each(process, paths, found, True)


def zcat(process: Process) -> int:
    found, paths = options(process, "f")
    return _each(process, paths, {**found, "c": ""}, True)


def _each(process: Process, paths: list[str], found: Options, unpack: bool) -> int:
    status = 0
    for path in paths or ["-"]:
        try:
            data = _whole(process, path)
        except OSError as error:
            status = refused(process, path, error)
            continue
        if path != "-" and "c" not in found and unpack and not path.endswith(SUFFIX):
            status = complain(process, f"{path}: unknown suffix - ignored")
            continue
        try:
            made = codec.decompress(data) if unpack else codec.compress(data, mtime=0)
        except (OSError, EOFError, zlib.error):
            status = complain(process, "invalid magic" if data[:2] != b"\x1f\x8b" else "corrupted data")
            continue
        if path == "-" or "c" in found:
            process.write(1, made)
        else:
            status = _replace(process, path, path.removesuffix(SUFFIX) if unpack else path + SUFFIX, made, found) or status
    return status


def _whole(process: Process, path: str) -> bytes:
    descriptor = 0 if path == "-" else process.open(path)
    try:
        return b"".join(iter(partial(process.read, descriptor), b""))
    finally:
        if descriptor:
            process.close(descriptor)


def _replace(process: Process, path: str, other: str, data: bytes, found: Options) -> int:
    """The one becomes the other. One that is there already is left alone."""
    try:
        descriptor = process.open(other, os.O_WRONLY | os.O_CREAT | (os.O_TRUNC if "f" in found else os.O_EXCL))
    except OSError as error:
        return refused(process, f"can't open '{other}'", error)
    process.write(descriptor, data)
    process.close(descriptor)
    if "k" not in found:
        process.call(lambda: target(process, path).unlink())
    return 0


def tar(process: Process) -> int:
    """tar c|x|t[zvO]f FILE [-C FOLDER] [--strip-components N] [--exclude PATTERN] [PATH]…; `-` is the standard stream."""
    found, words = _tar_options(process)
    asked = [letter for letter in "cxt" if letter in found]
    if len(asked) != 1:
        process.write(2, "Usage: tar c|x|t [-zvO] [-f TARFILE] [-C DIR] [FILE]...\n")
        return 1
    before, archive = (
        process.directory,
        posixpath.join(process.directory, found.get("f", "-")) if found.get("f", "-") != "-" else "-",
    )
    if "C" in found:
        try:
            process.directory = process.call(lambda: process.tree.real(found["C"], process.directory))
        except OSError as error:
            return refused(process, f"can't change directory to '{found['C']}'", error)
    try:
        return _pack(process, archive, words, found) if asked == ["c"] else _unpack(process, archive, words, found)
    finally:
        process.directory = before


def _tar_options(process: Process) -> tuple[Options, list[str]]:
    """With the letters of old, which have no minus in front, and the few long ones that people use."""
    words = process.argv[1:]
    if words and not words[0].startswith("-"):
        words[0] = f"-{words[0]}"
    for number, word in enumerate(words):
        words[number] = re.sub(r"^--strip-components(=?)", r"-S", re.sub(r"^--exclude=", "-X", word))
    words = [{"--exclude": "-X", "--gzip": "-z", "--file": "-f"}.get(word, word) for word in words]
    before, process.argv = process.argv, [process.argv[0], *words]
    try:
        return options(process, "cxtzvOphom", "fCSX", repeated="X")
    finally:
        process.argv = before


def _pack(process: Process, archive: str, paths: list[str], found: Options) -> int:
    status, buffer = 0, io.BytesIO()
    if not paths:
        return complain(process, "empty archive")
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.GNU_FORMAT) as made:
        for path in paths:
            try:
                for each in _below(process, path.rstrip("/") or "/"):
                    process.call(partial(_add, process, made, each))
                    if "v" in found:
                        process.write(2 if archive == "-" else 1, each.lstrip("/") + "\n")
            except OSError as error:
                status = refused(process, path, error)
    data = codec.compress(buffer.getvalue(), mtime=0) if "z" in found else buffer.getvalue()
    descriptor = 1
    if archive != "-":
        try:
            descriptor = process.open(archive, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        except OSError as error:
            return refused(process, f"can't open '{found['f']}'", error)
    process.write(descriptor, data)
    if archive != "-":
        process.close(descriptor)
    return complain(process, "error exit delayed from previous errors") if status else 0


def _below(process: Process, path: str) -> Iterator[str]:
    host = process.call(lambda: place(process, path, follow=False))
    process.call(host.lstat)
    yield path
    if process.call(lambda: host.is_dir() and not host.is_symlink()):
        for name in process.call(lambda: sorted(each.name for each in host.iterdir())):
            yield from _below(process, f"{path.rstrip('/')}/{name}")


def _add(process: Process, made: tarfile.TarFile, path: str) -> None:
    host = place(process, path, follow=False)
    entry = made.gettarinfo(host, path.lstrip("/") or ".")
    if entry is None:
        return
    entry.uid, entry.gid = process.tree.owners.of(host, host.lstat())
    entry.uname, entry.gname = users.user_name(process.tree, entry.uid) or "", users.group_name(process.tree, entry.gid) or ""
    if entry.isreg():
        with host.open("rb") as file:
            made.addfile(entry, file)
    else:
        made.addfile(entry)


def _unpack(process: Process, archive: str, paths: list[str], found: Options) -> int:
    """What is named, and what is below it; all where nothing is."""
    try:
        data = _whole(process, archive)
    except OSError as error:
        return refused(process, f"can't open '{found['f']}'", error)
    missing = {path.rstrip("/") for path in paths}
    wanted = set(missing)
    try:
        with tarfile.open(fileobj=io.BytesIO(data)) as opened:
            for entry in opened:
                names = [entry.name, *(str(each) for each in _parents(entry.name))]
                if wanted and not wanted & set(names):
                    continue
                missing -= set(names)
                _one(process, opened, entry, found)
    except (tarfile.TarError, EOFError, zlib.error):
        return complain(process, "short read" if not data else "invalid tar magic")
    for path in sorted(missing):
        complain(process, f"{path}: not found in archive")
    return int(bool(missing))


def _parents(name: str) -> Iterator[str]:
    while name := posixpath.dirname(name):
        yield name
        if name == "/":
            return


def _one(process: Process, opened: tarfile.TarFile, entry: tarfile.TarInfo, found: Options) -> None:
    """Tell of an entry, show what it holds, or make it. Nothing gets out of the folder that it is unpacked in."""
    shown = entry.name + ("/" if entry.isdir() else "")
    if "t" in found:
        process.write(1, f"{_row(entry)} {shown}\n" if "v" in found else f"{shown}\n")
        return
    if "O" in found:
        if file := opened.extractfile(entry) if entry.isreg() else None:
            process.write(1, file.read())
        return
    kept = [part for part in entry.name.split("/") if part not in ("", ".")][int(found.get("S", "0") or "0") :]
    if ".." in kept:
        raise Exited(complain(process, f"name with '..' encountered: '{entry.name}'"))
    if "v" in found:
        process.write(1, f"{shown}\n")
    if kept:
        try:
            process.call(lambda: _make(process, opened, entry, kept))
        except OSError as error:
            raise Exited(refused(process, f"can't create '{'/'.join(kept)}'", error)) from None


def _row(entry: tarfile.TarInfo) -> str:
    kind = {tarfile.DIRTYPE: "d", tarfile.SYMTYPE: "l"}.get(entry.type, "-")
    bits = "".join(letter if entry.mode >> 8 - place & 1 else "-" for place, letter in enumerate("rwxrwxrwx"))
    return f"{kind}{bits} {entry.uname or entry.uid}/{entry.gname or entry.gid} {entry.size:9}"


def _make(process: Process, opened: tarfile.TarFile, entry: tarfile.TarInfo, kept: list[str]) -> None:
    for depth in range(1, len(kept)):
        folder = target(process, "/".join(kept[:depth]), follow=True)
        folder.mkdir(exist_ok=True)
    host = target(process, "/".join(kept))
    if entry.isdir():
        if not host.is_dir():
            host.mkdir()
        host.chmod(entry.mode & 0o7777)
        return
    if host.is_symlink() or host.exists():
        host.unlink()
    if entry.issym():
        host.symlink_to(entry.linkname)
    elif entry.islnk():
        host.hardlink_to(place(process, entry.linkname, follow=False))
    elif file := opened.extractfile(entry):
        host.write_bytes(file.read())
        host.chmod(entry.mode & 0o7777)
        os.utime(host, (entry.mtime, entry.mtime))
    process.tree.owners.give(host, entry.uid, entry.gid) if process.run.uid == 0 else None
