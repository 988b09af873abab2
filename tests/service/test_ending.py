"""A request to end that Python drops, because it came in a finalizer, is heeded all the same, and nobody complains of it."""

import subprocess
import sys

from patience import patience

DROPPED = """
import os, signal
from podlink.api.cli.ending import Ending

class Signalled:
    def __del__(self):
        os.kill(os.getpid(), signal.SIGTERM)

class Failing:
    def __del__(self):
        raise ValueError("a finalizer's own trouble")

with Ending() as ending:
    Signalled()
    Failing()
    ending.call(lambda: print("ended"))
"""


def test_a_signal_in_a_finalizer_is_heeded_without_a_word() -> None:
    done = subprocess.run([sys.executable, "-c", DROPPED], capture_output=True, text=True, timeout=patience())
    assert (done.returncode, done.stdout) == (0, "ended\n")
    assert "Ended" not in done.stderr and "ValueError: a finalizer's own trouble" in done.stderr
