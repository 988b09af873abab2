"""The exit record: how the last run of a container ended, as `exit.json` in the container's directory.

    {"number": 3, "code": 137, "at": 1700000000000000000, "oom_killed": false, "error": ""}

It is written once for each run, by whoever saw the end, and replaces the record of the run before. Written beside its
place, synced, and renamed: who reads finds the old record or the new one, whole, also after a power cut.

    take_room    .exit.json    before the run: spaces, as many as a record can have bytes
    write                      over them, and then it is `exit.json`: a disk that has become full meanwhile is asked for nothing
"""

import errno
import json
import os
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from podlink.engine.runtime import record

NAME = "exit.json"
DRAFT = ".exit.json"
LARGEST = 4096
"""Bytes of a record, and of the block of a disk that it takes anyway."""
LONGEST = 600
"""Characters of an error: in JSON one may take six bytes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Exit:
    """How one run ended. number: of its start, from 1. code: 0 to 255, 128+n for signal n. at: nanoseconds since the epoch."""

    number: int
    code: int
    at: int
    oom_killed: bool = False
    error: str = ""
    """What is not known, and why, where the exit was not seen (the monitor was killed)."""


def take_room(directory: Path) -> None:
    """Have room for the record of a run that is about to begin. Raises OSError where there is none, and leaves nothing then."""
    draft = directory / DRAFT
    try:
        with draft.open("wb", buffering=0) as file:
            if file.write(b" " * LARGEST) < LARGEST:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    except OSError:
        draft.unlink(missing_ok=True)
        raise


def give_back(directory: Path) -> None:
    """No record will be written any more; one that was stays. Again is no error."""
    (directory / DRAFT).unlink(missing_ok=True)


def forget(directory: Path) -> None:
    """The run came to nothing: neither a record nor room for one is left. Again is no error."""
    for name in (DRAFT, NAME):
        (directory / name).unlink(missing_ok=True)


def write(directory: Path, exit: Exit) -> None:
    """Leave the record, durably. Raises OSError, FileNotFoundError too where the directory was removed meanwhile."""
    text = json.dumps(asdict(replace(exit, error=exit.error[:LONGEST]))).encode() + b"\n"
    draft = directory / DRAFT
    with open(draft, "wb", buffering=0, opener=_in_place) as file:
        file.write(text)
        file.truncate(len(text))
        os.fsync(file.fileno())
    draft.replace(directory / NAME)
    folder = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _in_place(path: str, flags: int) -> int:
    """Without emptying it first: what it has of the disk it keeps."""
    return os.open(path, flags & ~os.O_TRUNC, 0o600)


def read(directory: Path) -> Exit | None:
    """The newest record; None where there is none, and where it is damaged: then the end was not seen."""
    with suppress(record.Damaged):
        return record.read(Exit, directory / NAME)
    return None
