"""From the container's two pipes into its log, from the first moment.

Until runc has left it is not sure whose words these are: when a start fails they are runc's own, and no line of the log.
So they are held back until `open_log`, at most HELD bytes; a container that writes more than that waits for a moment.
"""

import os
import select
import time
from collections.abc import Sequence

from podlink.engine.streams.log import STREAMS, Writer

CHUNK = 64 * 1024
"""Bytes: what a pipe holds."""
HELD = 1024 * 1024


class Pump:
    """pipes: the reading ends of stdout and stderr, in this order. They are closed at their end."""

    def __init__(self, log: Writer, pipes: Sequence[int]) -> None:
        self._log = log
        self._pipes = dict(zip(pipes, STREAMS, strict=True))
        self._held: list[tuple[str, int, bytes]] | None = []
        for pipe in pipes:
            os.set_blocking(pipe, False)

    def wait(self, *others: int, seconds: float | None = None) -> None:
        """Sleep until one of the others is readable, moving what comes meanwhile. seconds: None is for ever."""
        deadline = None if seconds is None else time.monotonic() + seconds
        while True:
            poll = select.poll()
            for descriptor in (*others, *self._wanted()):
                poll.register(descriptor, select.POLLIN)
            left = None if deadline is None else max(deadline - time.monotonic(), 0) * 1000
            ready = [descriptor for descriptor, _ in poll.poll(left)]
            for pipe in ready:
                if pipe in self._pipes:
                    self._move(pipe)
            if not ready or any(descriptor in others for descriptor in ready):
                return

    def open_log(self) -> None:
        """What came so far is the container's: write it down, and from now on whatever comes at once."""
        held, self._held = self._held or [], None
        for words in held:
            self._log.write(*words)

    def held_text(self) -> str:
        """What was held back, where it turns out to be runc's."""
        return b"".join(chunk for _, _, chunk in self._held or []).decode(errors="replace").strip()

    def drain(self, seconds: float) -> None:
        """Move what is still in the pipes.

        Whoever wrote it has ended, so all of it is there already; a pipe that stays open is held by somebody outside the
        container, and `seconds` is for one who also goes on writing.
        """
        deadline = time.monotonic() + seconds
        while self._pipes and sum(self._move(pipe) for pipe in list(self._pipes)) and time.monotonic() < deadline:
            pass

    def close(self) -> None:
        """Let go of pipes and log."""
        for pipe in list(self._pipes):
            self._end(pipe)
        if self._held is None:
            self._log.close()
        else:
            self._log.discard()

    @property
    def trouble(self) -> str:
        """What kept the log from being complete."""
        return self._log.trouble

    def _wanted(self) -> list[int]:
        full = self._held is not None and sum(len(chunk) for _, _, chunk in self._held) >= HELD
        return [] if full else list(self._pipes)

    def _move(self, pipe: int) -> bool:
        """One read from a pipe; whether there was anything."""
        try:
            chunk = os.read(pipe, CHUNK)
        except BlockingIOError:
            return False
        if not chunk:
            self._end(pipe)
            return False
        words = (self._pipes[pipe], time.time_ns(), chunk)
        if self._held is None:
            self._log.write(*words)
        else:
            self._held.append(words)
        return True

    def _end(self, pipe: int) -> None:
        os.close(pipe)
        del self._pipes[pipe]
