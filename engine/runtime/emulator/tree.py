"""A container's root file system as it looks from inside: `/` is the container's root, and nothing leads out of it.

Paths are walked a component at a time, as the kernel does it (path_resolution(7)): a link is followed from the container's
root where it is absolute, and `..` stops there. What comes out is a path of the host without links or `..` below the root.

Most of what a container sees it never writes to, so it is shown what others see too, and gets its own with the first write.
"""

import errno
import os
import posixpath
import shutil
import stat
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

MOST_LINKS = 40


def refusal(number: int, path: str) -> OSError:
    """The error of a system call, by its number in errno(3)."""
    return OSError(number, os.strerror(number), path)


@dataclass(eq=False, slots=True)
class Mount:
    """A directory or file of the host at a place inside, by the components of its path. readonly: as with MS_RDONLY.

    claim: what it shows is not to be written to; this makes a copy that is, and answers where. None: it is as it stands.
    """

    at: tuple[str, ...]
    source: str
    readonly: bool
    claim: Callable[[], Path] | None = None

    def own(self) -> None:
        """Have what can be written to."""
        if self.claim:
            self.source, self.claim = str(self.claim()), None


class Tree:
    """root: of the container, on the host. readonly: whether it can't be written to. claim: as a mount's.

    scratch: where folders that go with the tree come from; made with the first.
    """

    def __init__(self, root: Path, readonly: bool = False, claim: Callable[[], Path] | None = None) -> None:
        self.mounts = [Mount((), str(root), readonly, claim)]
        self._scratch: Path | None = None

    @property
    def root(self) -> Path:
        return Path(self.mounts[0].source)

    def mount(self, path: str, source: Path, readonly: bool, claim: Callable[[], Path] | None = None) -> None:
        """Have the source at a path that is there. What was mounted later hides what was there before."""
        self.mounts.append(Mount(tuple(_components(self.real(path))), str(source), readonly, claim))

    def folder(self) -> Path:
        """A new folder that goes with the tree."""
        if self._scratch is None:
            self._scratch = Path(tempfile.mkdtemp(prefix="podlink-"))
        return Path(tempfile.mkdtemp(dir=self._scratch))

    def real(self, path: str, directory: str = "/", *, follow: bool = True) -> str:
        """The absolute path inside with every link resolved; the last component need not exist.

        directory: where a relative path starts. follow: whether a link at the end is followed. Raises OSError as
        stat(2) would for what is missing or no directory on the way.
        """
        if not path:
            raise refusal(errno.ENOENT, path)
        start = [] if path.startswith("/") else _components(directory)
        todo = [*start, *_components(path)][::-1]
        done: list[str] = []
        links = 0
        while todo:
            name = todo.pop()
            if name == "..":
                done = done[:-1]
                continue
            here = self._place([*done, name])
            mode = _mode(here)
            if stat.S_ISLNK(mode) and (todo or follow):
                links += 1
                if links > MOST_LINKS:
                    raise refusal(errno.ELOOP, path)
                target = os.readlink(here)
                done = [] if target.startswith("/") else done
                todo.extend(reversed(_components(target)))
                continue
            if todo:
                _require_directory(mode, path)
            done.append(name)
        if path.endswith(("/", "/.")) and done:
            _require_directory(_mode(self._place(done)), path)
        return "/" + "/".join(done)

    def host(self, path: str, directory: str = "/", *, follow: bool = True) -> Path:
        """Where on the host the path leads."""
        return Path(self._place(_components(self.real(path, directory, follow=follow))))

    def writable(self, path: str, directory: str = "/", *, follow: bool = True) -> Path:
        """The same, for one who wants to change what is there. Raises OSError (EROFS) on a read-only root."""
        inside = _components(self.real(path, directory, follow=follow))
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
            here = self.host(done)
            if not here.exists():
                self.prepared(done).mkdir(mode=0o755)
            elif not here.is_dir():
                raise refusal(errno.ENOTDIR, path)

    def prepared(self, path: str) -> Path:
        """Where on the host the path leads, for the runtime, which may write where the container may not."""
        inside = _components(self.real(path))
        self._mount(inside).own()
        return Path(self._place(inside))

    def _place(self, components: list[str]) -> str:
        mount = self._mount(components)
        return "/".join((mount.source, *components[len(mount.at) :]))

    def _mount(self, components: list[str]) -> Mount:
        """The one that a path lies in: the deepest, and of several at one place the last."""
        found = self.mounts[0]
        for mount in self.mounts:
            if len(mount.at) >= len(found.at) and tuple(components[: len(mount.at)]) == mount.at:
                found = mount
        return found


def _mode(place: str) -> int:
    """Of what is there, itself and not what a link leads to; 0: nothing is."""
    try:
        return os.lstat(place).st_mode
    except (FileNotFoundError, NotADirectoryError):
        return 0


def _require_directory(mode: int, path: str) -> None:
    if not mode:
        raise refusal(errno.ENOENT, path)
    if not stat.S_ISDIR(mode):
        raise refusal(errno.ENOTDIR, path)


def _components(path: str) -> list[str]:
    return [name for name in path.split("/") if name not in ("", ".")]
