"""What is written to a user's folder: a file or folder has its name once it is whole and on the disk, and half of one has none.

    a new file          no name at all until it is whole (open(2), O_TMPFILE), then linkat(2)
    in place of a file  the same, by way of a hidden folder: linkat(2) replaces nothing, rename(2) does
    a folder, and any
    file where there    in a hidden folder beside its place from the beginning; a folder changes names with one that is there
    is no O_TMPFILE     (renameat2(2), RENAME_EXCHANGE), so that at any moment there is one or the other

    FOLDER/.podlink-k2x9…/      hidden; locked (flock(2)) by who works there
                          new   what is to get the name

Of a process that is killed nothing is left in the first case, and in the second only from one system call to the next. What is
left of a hidden folder is removed by whoever next makes one beside it.
"""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from podlink.engine.linux import portable, trees
from podlink.engine.storage.durable import sync_directory
from podlink.engine.storage.held import abandoned, held_folder

PREFIX, NEW, OLD = ".podlink-", "new", "old"
FILE, FOLDER = 0o644, 0o755
"""Modes: root's own umask is not the user's."""


@contextmanager
def new_file(target: Path) -> Iterator[BinaryIO]:
    """A file that has this path, in place of one that has it now, once the block has ended; an exception leaves all as it was.

    Raises OSError.
    """
    nameless = portable.nameless(target.parent)
    if nameless is None:
        with _hidden(target.parent) as folder:
            with (folder / NEW).open("xb") as file:
                yield file
                _persist(file)
            (folder / NEW).rename(target)
    else:
        with os.fdopen(nameless, "r+b") as file:
            yield file
            _persist(file)
            _name(file, target)
    sync_directory(target.parent)


@contextmanager
def new_folder(target: Path) -> Iterator[Path]:
    """A folder to fill that has this path, in place of one that has it now, once the block has ended. Raises OSError."""
    with _hidden(target.parent) as folder:
        (folder / NEW).mkdir()
        yield folder / NEW
        (folder / NEW).chmod(FOLDER)
        if not portable.exchanged(folder / NEW, target):
            with suppress(FileNotFoundError):
                target.rename(folder / OLD)
            (folder / NEW).rename(target)
        sync_directory(target.parent)


def _persist(file: BinaryIO) -> None:
    file.flush()
    os.fchmod(file.fileno(), FILE)
    os.fsync(file.fileno())


def _name(file: BinaryIO, target: Path) -> None:
    with suppress(OSError):
        portable.give_name(file.fileno(), target)
        return
    with _hidden(target.parent) as folder:
        try:
            portable.give_name(file.fileno(), folder / NEW)
        except OSError:  # a file system that has such files and no hard links, as some in user space
            with (folder / NEW).open("xb") as copy:
                file.seek(0)
                shutil.copyfileobj(file, copy)
                _persist(copy)
        (folder / NEW).rename(target)


@contextmanager
def _hidden(parent: Path) -> Iterator[Path]:
    for left in abandoned(parent, PREFIX):
        with suppress(OSError):
            trees.remove(left)
    path, lock = held_folder(parent, PREFIX)
    try:
        yield path
    finally:
        trees.remove(path)
        os.close(lock)
