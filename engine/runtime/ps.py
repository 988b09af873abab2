"""ps(1) with a caller's options, over the processes of one container.

The host's ps lists what its options choose; of that, the header stays, and the rows whose PID is the container's.
"""

import re
import shutil
import subprocess
from collections.abc import Callable, Collection, Sequence

from podlink.engine.errors import EngineUnavailable, ErrorOccurred
from podlink.engine.runtime.monitor.start import ENVIRONMENT, SEARCH_PATH


def ps(options: Sequence[str], processes: Callable[[], Collection[int]]) -> list[str]:
    """The header and the container's rows. processes: asked after ps has run, so that what it saw is not missed."""
    program = shutil.which("ps", path=SEARCH_PATH)
    if program is None:
        raise EngineUnavailable(f"ps was not found in {SEARCH_PATH}; install it: apt install procps")
    done = subprocess.run([program, *options], env=ENVIRONMENT, cwd="/", stdin=subprocess.DEVNULL, capture_output=True)
    lines = done.stdout.decode(errors="replace").splitlines()
    if not lines:
        words = done.stderr.decode(errors="replace").strip().splitlines() or [f"it ended with status {done.returncode}"]
        raise ErrorOccurred(f"ps {' '.join(options)}: {words[0]}")
    header, *rows = lines
    pid_of = _column(header, options)
    wanted = set(processes())
    return [header, *(row for row in rows if pid_of(row) in wanted)]


def _column(header: str, options: Sequence[str]) -> Callable[[str], int | None]:
    """How to find the PID in a row: it ends where its heading does. Where a wide value before it pushed it off, by counting
    words.
    """
    heading = re.search(r"(?<!\S)PID(?!\S)", header)
    if heading is None:
        raise ErrorOccurred(f"ps {' '.join(options)}: its output has no column PID, which tells whose process it is; add one")
    end, index = heading.end(), len(header[: heading.start()].split())

    def pid_of(row: str) -> int | None:
        before, after = row[:end].split(), row[end : end + 1]
        words = row.split()
        word = before[-1] if before and not after.strip() else ""
        if not word.isdecimal():
            word = words[index] if index < len(words) else ""
        return int(word) if word.isdecimal() else None

    return pid_of
