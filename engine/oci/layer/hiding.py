"""The two ways to carry out a whiteout. Neither touches what the layer itself brings, before the whiteout or after it."""

import os
import stat
from contextlib import suppress
from typing import Protocol

from podlink.engine.errors import InvalidArchive
from podlink.engine.oci.layer.place import FOLDER, Directory
from podlink.engine.oci.layer.whiteouts import Whiteouts

OPAQUE = "trusted.overlay.opaque"
WHITEOUT = os.makedev(0, 0)


class Hiding(Protocol):
    """What becomes of the layers below."""

    def brought(self, directory: Directory, name: bytes) -> None:
        """The layer has brought this: it is never hidden."""
        ...

    def has_brought(self, directory: Directory, name: bytes) -> bool:
        """Whether what is there is the layer's own."""
        ...

    def hide(self, directory: Directory, name: bytes) -> None:
        """What the layers below have under this name is gone."""
        ...

    def hide_all(self, directory: Directory) -> None:
        """What the layers below have in this directory is gone."""
        ...


def hiding_for(whiteouts: Whiteouts) -> Hiding:
    return Noted() if whiteouts is Whiteouts.OVERLAY else CarriedOut()


def is_whiteout(status: os.stat_result) -> bool:
    """Whether it is what overlayfs takes for a deletion."""
    return stat.S_ISCHR(status.st_mode) and status.st_rdev == WHITEOUT


class Noted:
    """For overlayfs, which hides at each look what is noted here once. The layers below are out of reach."""

    def brought(self, directory: Directory, name: bytes) -> None:
        """Nothing to remember: what is in the directory at all was brought by the layer."""

    def has_brought(self, directory: Directory, name: bytes) -> bool:
        return True

    def hide(self, directory: Directory, name: bytes) -> None:
        try:
            os.mknod(name, stat.S_IFCHR, WHITEOUT, dir_fd=directory.descriptor)
        except FileExistsError:  # the layer brings the name anew: a directory must not be merged with the one below
            with suppress(NotADirectoryError):
                descriptor = os.open(name, FOLDER | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=directory.descriptor)
                try:
                    self.hide_all(Directory.of(descriptor))
                finally:
                    os.close(descriptor)

    def hide_all(self, directory: Directory) -> None:
        os.setxattr(directory.descriptor, OPAQUE, b"y")


class CarriedOut:
    """For a copy of the layers below: what is hidden is removed. Remembers what the layer brings, some 100 bytes an entry."""

    def __init__(self) -> None:
        self._brought: set[tuple[int, bytes]] = set()

    def brought(self, directory: Directory, name: bytes) -> None:
        self._brought.add((directory.inode, name))

    def has_brought(self, directory: Directory, name: bytes) -> bool:
        return (directory.inode, name) in self._brought

    def hide(self, directory: Directory, name: bytes) -> None:
        try:
            self._clear(directory.descriptor, directory.inode, name)
        except RecursionError:
            raise InvalidArchive("a whiteout hides a tree that is too deep to be looked through") from None

    def hide_all(self, directory: Directory) -> None:
        for name in os.listdir(directory.descriptor):
            self.hide(directory, os.fsencode(name))

    def _clear(self, parent: int, inode: int, name: bytes) -> None:
        """Remove what is there, save what the layer has brought, and the directories that lead to that."""
        with suppress(FileNotFoundError):
            status = os.stat(name, dir_fd=parent, follow_symlinks=False)
            brought = (inode, name) in self._brought
            if not stat.S_ISDIR(status.st_mode):
                if not brought:
                    os.unlink(name, dir_fd=parent)
                return
            descriptor = os.open(name, FOLDER | os.O_NOFOLLOW, dir_fd=parent)
            try:
                for inner in os.listdir(descriptor):
                    self._clear(descriptor, status.st_ino, os.fsencode(inner))
                empty = not os.listdir(descriptor)
            finally:
                os.close(descriptor)
            if empty and not brought:
                os.rmdir(name, dir_fd=parent)
