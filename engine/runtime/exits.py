"""The exit record: how the last run of a container ended, as `exit.json` in the container's directory.

    {"number": 3, "code": 137, "at": 1700000000000000000, "oom_killed": false, "error": ""}

It is written once for each run, by whoever saw the end, and replaces the record of the run before. Written beside its
place, synced, and renamed: who reads finds the old record or the new one, whole, also after a power cut.
"""

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path

NAME = "exit.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Exit:
    """How one run ended. number: of its start, from 1. code: 0 to 255, 128+n for signal n. at: nanoseconds since the epoch."""

    number: int
    code: int
    at: int
    oom_killed: bool = False
    error: str = ""
    """What is not known, and why, where the exit was not seen (the monitor was killed)."""


def write(directory: Path, exit: Exit, *, durable: bool = True) -> None:
    """Leave the record, durably, but where nothing there is to outlive a power cut.

    Raises OSError, FileNotFoundError too where the directory was removed meanwhile.
    """
    draft = directory / f".{NAME}.{os.getpid()}"
    with draft.open("w") as file:
        file.write(json.dumps(asdict(exit)) + "\n")
        if durable:
            file.flush()
            os.fsync(file.fileno())
    draft.replace(directory / NAME)
    if not durable:
        return
    folder = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def read(directory: Path) -> Exit | None:
    """The newest record; None where there is none."""
    try:
        return Exit(**json.loads((directory / NAME).read_text()))
    except FileNotFoundError:
        return None
