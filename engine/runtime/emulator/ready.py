"""Ready-made programs, for what an image has a binary of and the emulator has no stand-in for.

engine.programs["/usr/local/bin/redis-server"] = sleeping_server
"""

from podlink.engine.runtime.emulator import signals
from podlink.engine.runtime.emulator.process import Process


def sleeping_server(process: Process) -> int:
    """Serves nobody, and ends with 0 when it is asked to: by SIGTERM, as StopContainer does, or by SIGINT."""
    asked: list[int] = []
    for number in (signals.TERM, signals.INT):
        process.on_signal(number, asked.append)
    while not asked:
        process.pause()
    return 0
