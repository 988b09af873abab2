"""From the container's streams into its log and to whoever is attached, from the first moment; and from those to its stdin.

Until runc has left it is not sure whose words these are: when a start fails they are runc's own, and no line of the log.
So they are held back until `open_log`, at most HELD bytes; a container that writes more than that waits for a moment.
"""

import math
import os
import select
import time
from collections.abc import Sequence
from pathlib import Path

from podlink.engine.runtime.monitor.stdio import Stdin
from podlink.engine.streams.attach import Attach
from podlink.engine.streams.lines import STREAMS
from podlink.engine.streams.log import Log

CHUNK = 64 * 1024
"""Bytes: what a pipe holds."""
HELD = 1024 * 1024


class Pump:
    """pipes: the reading ends of stdout and stderr, in this order. Closed at their end. folder: of the attach sockets."""

    def __init__(self, log: Log, pipes: Sequence[int], folder: Path) -> None:
        self._log = log
        self._pipes: dict[int, str] = {}
        self._held: list[tuple[str, int, bytes]] | None = []
        self.stdin = Stdin()
        self._attach = Attach(folder, self)
        for pipe, stream in zip(pipes, STREAMS, strict=True):
            self.add(pipe, stream)

    def add(self, descriptor: int, stream: str) -> None:
        """One more that is read from, until its end."""
        os.set_blocking(descriptor, False)
        self._pipes[descriptor] = stream

    def wait(self, *others: int, seconds: float | None = None) -> None:
        """Sleep until one of the others is readable, moving what comes meanwhile. seconds: None is for ever."""
        deadline = math.inf if seconds is None else time.monotonic() + seconds
        while True:
            pause = self._log.waits()  # while readers of the log catch up, the container writes into its pipes and no further
            left = min(deadline - time.monotonic(), pause or math.inf)
            pipes = [] if pause else self._wanted()
            ready = self._poll(dict.fromkeys((*others, *pipes), select.POLLIN), None if left == math.inf else max(left, 0) * 1000)
            for pipe in ready:
                if pipe in self._pipes:
                    self._move(pipe)
            if any(descriptor in others for descriptor in ready) or time.monotonic() >= deadline:
                return

    def _poll(self, more: dict[int, int], milliseconds: float | None) -> list[int]:
        """What is ready of these; clients and stdin are served meanwhile. Nothing: the time is over."""
        while True:
            poll = select.poll()
            mine = self._attach.interests() | self.stdin.interests()
            for descriptor, events in {**mine, **more}.items():
                poll.register(descriptor, events | more.get(descriptor, 0) | mine.get(descriptor, 0))
            found = poll.poll(milliseconds)
            for descriptor, events in found:
                if events & select.POLLOUT and descriptor in self.stdin.interests():
                    self.stdin.flush()
                if descriptor in mine:
                    self._attach.ready(descriptor, events)
            ready = [descriptor for descriptor, events in found if descriptor in more and events & ~select.POLLOUT]
            if ready or not found:
                return ready

    def open_log(self) -> None:
        """What came so far is the container's: write it down, and from now on whatever comes at once."""
        held, self._held = self._held or [], None
        for words in held:
            self._show(*words)

    def _show(self, stream: str, at: int, chunk: bytes) -> None:
        self._log.write(stream, at, chunk)
        self._attach.send(stream, chunk)

    # What clients ask for (streams/attach.py)

    def has_room(self) -> bool:
        return self._held is None and self.stdin.has_room()

    def feed(self, data: bytes) -> None:
        self.stdin.feed(data)

    def end(self) -> None:
        self.stdin.end()

    def resize(self, rows: int, columns: int) -> None:
        self.stdin.resize(rows, columns)

    def reopen(self) -> None:
        self._log.reopen()

    def part(self, seconds: float) -> None:
        """Give clients so long to read what waits for them, then disconnect everybody."""
        self._attach.part(seconds)

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
        self.stdin.close()
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
        except OSError:  # EIO: the end of a terminal that nobody has open any more
            chunk = b""
        if not chunk:
            self._end(pipe)
            return False
        words = (self._pipes[pipe], time.time_ns(), chunk)
        if self._held is None:
            self._show(*words)
        else:
            self._held.append(words)
        return True

    def _end(self, pipe: int) -> None:
        os.close(pipe)
        del self._pipes[pipe]
