"""A container's root file system as it looks from inside: `/` is the container's root, and nothing leads out of it.

Paths are walked a component at a time, as the kernel does it (path_resolution(7)): a link is followed from the container's
root where it is absolute, and `..` stops there. What comes out is a path of the host without links or `..` below the root.
"""

import errno
import os
import posixpath
import shutil
from dataclasses import dataclass
from pathlib import Path

MOST_LINKS = 40


def refusal(number: int, path: str) -> OSError:
    """The error of a system call, by its number in errno(3)."""
    return OSError(number, os.strerror(number), path)


@dataclass(frozen=True, slots=True)
class Mount:
    """A directory or file of the host at a place inside, by the components of its path. readonly: as with MS_RDONLY."""

    at: tuple[str, ...]
    source: Path
    readonly: bool


class Tree:
    """root: of the container, on the host. readonly: whether it can't be written to. scratch: a folder that goes with it."""

    def __init__(self, root: Path, readonly: bool = False, scratch: Path | None = None) -> None:
        self.root = root
        self._scratch = scratch
        self.mounts = [Mount((), root, readonly)]

    def mount(self, path: str, source: Path, readonly: bool) -> None:
        """Have the source at a path that is there. What was mounted later hides what was there before."""
        self.mounts.append(Mount(tuple(_components(self.real(path))), source, readonly))

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
            here = self._host([*done, name])
            if here.is_symlink() and (todo or follow):
                links += 1
                if links > MOST_LINKS:
                    raise refusal(errno.ELOOP, path)
                target = os.readlink(here)
                done = [] if target.startswith("/") else done
                todo.extend(reversed(_components(target)))
                continue
            if todo:
                self._require_directory(here, path)
            done.append(name)
        if path.endswith(("/", "/.")) and done:
            self._require_directory(self._host(done), path)
        return "/" + "/".join(done)

    def host(self, path: str, directory: str = "/", *, follow: bool = True) -> Path:
        """Where on the host the path leads."""
        return self._host(_components(self.real(path, directory, follow=follow)))

    def writable(self, path: str, directory: str = "/", *, follow: bool = True) -> Path:
        """The same, for one who wants to change what is there. Raises OSError (EROFS) on a read-only root."""
        inside = _components(self.real(path, directory, follow=follow))
        if self._mount(inside).readonly:
            raise refusal(errno.EROFS, path)
        return self._host(inside)

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
                here.mkdir(mode=0o755)
            elif not here.is_dir():
                raise refusal(errno.ENOTDIR, path)

    def _host(self, components: list[str]) -> Path:
        mount = self._mount(components)
        return mount.source.joinpath(*components[len(mount.at) :])

    def _mount(self, components: list[str]) -> Mount:
        """The one that a path lies in: the deepest, and of several at one place the last."""
        covering = (mount for mount in self.mounts if tuple(components[: len(mount.at)]) == mount.at)
        return max(reversed(list(covering)), key=lambda mount: len(mount.at))

    def _require_directory(self, here: Path, path: str) -> None:
        if not here.exists():
            raise refusal(errno.ENOENT, path)
        if not here.is_dir():
            raise refusal(errno.ENOTDIR, path)


def _components(path: str) -> list[str]:
    return [name for name in path.split("/") if name not in ("", ".")]
