"""A container's root file system as it looks from inside: `/` is the container's root, and nothing leads out of it.

Paths are walked a component at a time, as the kernel does it (path_resolution(7)): a link is followed from the container's
root where it is absolute, and `..` stops there. What comes out is a path of the host without links or `..` below the root.

Most of what a container sees it never writes to, so it is shown what others see too, and gets its own with the first write.
Where paths lead in what is nobody's to write to, is found once for all who see it (`Ways`).
"""

import errno
import os
import posixpath
import shutil
import stat
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from io import FileIO
from pathlib import Path
from typing import Any

from podlink.engine.runtime.emulator.owners import Owners

MOST_LINKS = 40
MOST_WAYS = 4096
"""How many paths of one root file system are remembered."""


Place = tuple[str, ...]
"""The components of an absolute path inside."""


def refusal(number: int, path: str) -> OSError:
    """The error of a system call, by its number in errno(3)."""
    return OSError(number, os.strerror(number), path)


@dataclass(eq=False, slots=True)
class Mount:
    """A directory or file of the host at a place inside. readonly: as with MS_RDONLY.

    claim: what it shows is not to be written to; this makes a copy that is, and answers where. None: it is as it stands.
    """

    at: Place
    source: str
    readonly: bool
    claim: Callable[[], Path] | None = None

    def own(self) -> None:
        """Have what can be written to."""
        if self.claim:
            self.source, self.claim = str(self.claim()), None


@dataclass(frozen=True, slots=True)
class Way:
    """Where a path leads, or in `refused` the number of the error that it ends with, as in errno(3).

    inside: every link resolved. mode: of what is there, as lstat(2) has it; 0 is nothing. passed: all that was looked at.
    """

    inside: Place
    mode: int
    passed: frozenset[Place]
    refused: int = 0


class Ways:
    """In a root file system that nobody writes to: each is walked once. Several trees and their threads may share them."""

    def __init__(self, root: Path) -> None:
        self._tree = Tree(root)
        self._found: dict[tuple[str, str, bool], Way] = {}
        self.layouts: dict[Any, Sequence[Place]] = {}
        """Where mounts lie, by what `mounts.py` knows them by."""

    def find(self, path: str, directory: str, follow: bool) -> Way:
        way = self._found.get((path, directory, follow))
        if way is None:
            way = self._tree.walk(path, directory, follow)
            if len(self._found) < MOST_WAYS:
                self._found[path, directory, follow] = way
        return way


class Tree:
    """root: of the container, on the host. readonly: whether it can't be written to. claim: as a mount's.

    ways: those of the root, for as long as it is not claimed.
    """

    def __init__(
        self, root: Path, readonly: bool = False, claim: Callable[[], Path] | None = None, ways: Ways | None = None
    ) -> None:
        self._root = Mount((), str(root), readonly, claim)
        self._mounts = {self._root.at: self._root}
        self._known = ways
        self._scratch: Path | None = None
        self.owners = Owners()
        self.is_prepared = False
        """Whether the runtime made anything in it."""

    @property
    def root(self) -> Path:
        return Path(self._root.source)

    @property
    def ways(self) -> Ways | None:
        """What is known of the root; None: it is the container's own."""
        return self._known if self._root.claim else None

    def mount(self, at: Place, source: str | Path, readonly: bool, claim: Callable[[], Path] | None = None) -> None:
        """Have the source at a place that is there. What was mounted later hides what was there before."""
        self._mounts[at] = Mount(at, str(source), readonly, claim)

    def folder(self) -> Path:
        """A new folder that goes with the tree."""
        if self._scratch is None:
            self._scratch = Path(tempfile.mkdtemp(prefix="podlink-"))
        return Path(tempfile.mkdtemp(dir=self._scratch))

    def way(self, path: str, directory: str = "/", *, follow: bool = True) -> Way:
        """Where the path leads; the last component need not exist.

        directory: where a relative path starts. follow: whether a link at the end is followed. Raises OSError as
        stat(2) would for what is missing or no directory on the way.
        """
        if ways := self.ways:
            way = ways.find(path, directory, follow)
            if not way.passed.isdisjoint(self._mounts):  # it leads over a mount, of which the root knows nothing
                way = self.walk(path, directory, follow)
        else:
            way = self.walk(path, directory, follow)
        if way.refused:
            raise refusal(way.refused, path)
        return way

    def walk(self, path: str, directory: str, follow: bool) -> Way:
        """The way, walked now."""
        passed: set[Place] = set()
        try:
            inside = self._walked(path, directory, follow, passed)
        except OSError as error:
            return Way((), 0, frozenset(passed), error.errno or errno.EIO)
        return Way(inside, self._mode(inside), frozenset(passed))

    def _walked(self, path: str, directory: str, follow: bool, passed: set[Place]) -> Place:
        if not path:
            raise refusal(errno.ENOENT, path)
        start = [] if path.startswith("/") else _components(directory)
        todo = [*start, *_components(path)][::-1]
        done: Place = ()
        links = 0
        while todo:
            name = todo.pop()
            if name == "..":
                done = done[:-1]
                continue
            here = (*done, name)
            passed.add(here)
            mode = self._mode(here)
            if stat.S_ISLNK(mode) and (todo or follow):
                links += 1
                if links > MOST_LINKS:
                    raise refusal(errno.ELOOP, path)
                target = os.readlink(self._place(here))
                done = () if target.startswith("/") else done
                todo.extend(reversed(_components(target)))
                continue
            if todo:
                _require_directory(mode, path)
            done = here
        if path.endswith(("/", "/.")) and done:
            _require_directory(self._mode(done), path)
        return done

    def real(self, path: str, directory: str = "/", *, follow: bool = True) -> str:
        """The absolute path inside with every link resolved. Raises OSError as `way`."""
        return "/" + "/".join(self.way(path, directory, follow=follow).inside)

    def host(self, path: str, directory: str = "/", *, follow: bool = True) -> Path:
        """Where on the host the path leads."""
        return Path(self._place(self.way(path, directory, follow=follow).inside))

    def content(self, path: str, size: int = -1) -> bytes:
        """What the file has in it, so many bytes at most. Raises OSError."""
        with FileIO(self._place(self.way(path).inside)) as file:
            return file.read(size)

    def writable(self, path: str, directory: str = "/", *, follow: bool = True) -> Path:
        """The same, for one who wants to change what is there. Raises OSError (EROFS) on a read-only root."""
        inside = self.way(path, directory, follow=follow).inside
        mount = self._mount(inside)
        if mount.readonly:
            raise refusal(errno.EROFS, path)
        mount.own()
        return Path(self._place(inside))

    def close(self) -> None:
        """Nobody sees it any more. Again is no error."""
        if self._scratch:
            shutil.rmtree(self._scratch, ignore_errors=True)

    def make_directories(self, path: str) -> None:
        """mkdir -p, before anybody runs and whether or not the root is read-only for the container."""
        done = ""
        for name in _components(posixpath.normpath(path)):
            done += "/" + name
            mode = self.way(done).mode
            if not mode:
                self.prepared(done).mkdir(mode=0o755)
            elif not stat.S_ISDIR(mode):
                raise refusal(errno.ENOTDIR, path)

    def prepared(self, path: str) -> Path:
        """Where on the host the path leads, for the runtime, which may write where the container may not."""
        self.is_prepared = True
        inside = self.way(path).inside
        self._mount(inside).own()
        return Path(self._place(inside))

    def _place(self, inside: Place) -> str:
        mount = self._mount(inside)
        return "/".join((mount.source, *inside[len(mount.at) :]))

    def _mount(self, inside: Place) -> Mount:
        """The one that a path lies in: the deepest, and of several at one place the last."""
        for depth in range(len(inside), 0, -1):
            if found := self._mounts.get(inside[:depth]):
                return found
        return self._root

    def _mode(self, inside: Place) -> int:
        """Of what is there, itself and not what a link leads to; 0: nothing is."""
        try:
            return os.lstat(self._place(inside)).st_mode
        except (FileNotFoundError, NotADirectoryError):
            return 0


def _require_directory(mode: int, path: str) -> None:
    if not mode:
        raise refusal(errno.ENOENT, path)
    if not stat.S_ISDIR(mode):
        raise refusal(errno.ENOTDIR, path)


def _components(path: str) -> list[str]:
    return [name for name in path.split("/") if name not in ("", ".")]
