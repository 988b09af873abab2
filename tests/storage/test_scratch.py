"""Temporary folders of engines in memory: each goes with its process, and what a killed one left goes with the next."""

import signal
import subprocess
import sys
from pathlib import Path

from patience import patience

HOLDS = """
import sys
from podlink.engine.storage.scratch import Scratch
scratch = Scratch()
(scratch.path / "file").write_text("x")
print(scratch.path, flush=True)
sys.stdin.read()
"""


def holder(place: Path) -> tuple[subprocess.Popen[str], Path]:
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDS], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env={"TMPDIR": str(place)}
    )
    assert process.stdout
    return process, Path(process.stdout.readline().strip())


def test_what_a_killed_process_left_goes_with_the_next_and_what_is_held_stays(tmp_path: Path) -> None:
    (tmp_path / "podlink-of-somebody-else").mkdir()
    (killed, left), (living, kept) = holder(tmp_path), holder(tmp_path)
    killed.send_signal(signal.SIGKILL)
    killed.communicate(timeout=patience())
    assert (left / "file").exists() and (kept / "file").exists()
    third, own = holder(tmp_path)
    assert not left.exists() and (kept / "file").exists() and (own / "file").exists()
    for process in (living, third):
        process.communicate("", timeout=patience())
        assert process.returncode == 0
    assert [path.name for path in tmp_path.iterdir()] == ["podlink-of-somebody-else"]
