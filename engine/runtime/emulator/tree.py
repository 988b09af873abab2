"""A container's root file system as it looks from inside: `/` is the container's root, and nothing leads out of it.

Paths are walked a component at a time, as the kernel does it (path_resolution(7)): a link is followed from the container's
root where it is absolute, and `..` stops there. What comes out is a path of the host without links or `..` below the root.
"""

import errno
import os
import posixpath
from pathlib import Path

MOST_LINKS = 40


def refusal(number: int, path: str) -> OSError:
    """The error of a system call, by its number in errno(3)."""
    return OSError(number, os.strerror(number), path)


class Tree:
    """readonly: whether writing is refused, as on a mount with MS_RDONLY."""

    def __init__(self, root: Path, readonly: bool = False) -> None:
        self.root = root
        self.readonly = readonly

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
        found = self.host(path, directory, follow=follow)
        if self.readonly:
            raise refusal(errno.EROFS, path)
        return found

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
        return self.root.joinpath(*components)

    def _require_directory(self, here: Path, path: str) -> None:
        if not here.exists():
            raise refusal(errno.ENOENT, path)
        if not here.is_dir():
            raise refusal(errno.ENOTDIR, path)


def _components(path: str) -> list[str]:
    return [name for name in path.split("/") if name not in ("", ".")]
