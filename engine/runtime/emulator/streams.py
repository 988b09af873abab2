"""A run's streams, and who is attached to them: what `monitor.pump` and `monitor.stdio` are on a real host.

    feed ──▶ Terminal, Feed or nothing ──▶ init's stdin
    log ◀──┐
    seats ◀┼── show ◀── init's stdout and stderr, or its terminal
    desk ◀─┘

A *seat* is one attached in this very process. The *desk* has the sockets for those of other ones, and a thread that serves
them; both are there only once somebody asked for them.
"""

import errno
import os
import threading
from collections import deque
from collections.abc import Callable
from typing import Protocol

from podlink.engine.clock import Clock
from podlink.engine.runtime.base import Launch, Sockets
from podlink.engine.runtime.emulator.channels import Channel, Feed, Null, Sink
from podlink.engine.runtime.emulator.desk import Desk
from podlink.engine.runtime.emulator.terminal import Terminal
from podlink.engine.streams.attach import PAYLOAD, QUEUE
from podlink.engine.streams.attachment import Attachment
from podlink.engine.streams.log import Log

Spawn = Callable[[str, Callable[[], None]], None]


class Input(Protocol):
    """Where what is typed goes."""

    def has_room(self) -> bool: ...

    def feed(self, data: bytes) -> None: ...

    def end(self) -> None: ...

    def resize(self, rows: int, columns: int) -> None: ...


class Streams:
    """changed: the condition of the run, under whose lock all this is done. tell: the log grew.

    signal: sends one to a process group; group: the one that has the terminal first. spawn: starts a thread of the run.
    """

    def __init__(
        self,
        launch: Launch,
        log: Log,
        clock: Clock,
        changed: threading.Condition,
        *,
        tell: Callable[[], None],
        signal: Callable[[int, int], None],
        group: int,
        spawn: Spawn,
    ) -> None:
        self._log, self._clock, self._changed, self._tell, self._spawn = log, clock, changed, tell, spawn
        self._seats: list[Seat] = []
        self._desk: Desk | None = None
        self._is_over = False
        self.terminal: Terminal | None = None
        self._input: Input = Nowhere()
        if launch.spec["process"].get("terminal"):
            self._input = self.terminal = Terminal(
                self._writer("stdout"), self.waits, signal, self._moved, foreground=group, is_open=launch.interactive
            )
        elif launch.interactive:
            self._input = Feed(self._moved)

    def files(self) -> dict[int, Channel]:
        """What init has for its standard streams."""
        if terminal := self.terminal:
            return {0: terminal, 1: terminal.acquire(), 2: terminal.acquire()}
        stdin = self._input.reader if isinstance(self._input, Feed) else Null()
        return {0: stdin, 1: Sink(self._writer("stdout"), self.waits), 2: Sink(self._writer("stderr"), self.waits)}

    def _writer(self, stream: str) -> Callable[[bytes], None]:
        def show(data: bytes) -> None:
            self._log.write(stream, self._clock.now(), data)
            self._seats = [seat for seat in self._seats if seat.put(stream, data)]
            if self._desk:
                self._desk.send(stream, data)
            self._tell()

        return show

    def _moved(self) -> None:
        """What was typed was read, or may be."""
        self._changed.notify_all()
        if self._desk:
            self._desk.wake()

    # Who is attached

    def sit(self) -> "Seat":
        """One more, in this process."""
        with self._changed:
            seat = Seat(self, self._clock)
            if self._is_over:
                seat.leave()
            else:
                self._seats.append(seat)
            return seat

    def sockets(self) -> Sockets:
        """Where the others connect to. Raises NotHonoured where this system has no such sockets."""
        with self._changed:
            if self._desk is None:
                self._desk = Desk(self)
                self._spawn("attach", self._desk.serve)
                if self._is_over:
                    self._desk.close()
            return self._desk.sockets

    def part(self) -> None:
        """The run is over and written down: everybody is disconnected, once they have read what waits for them."""
        with self._changed:
            self._is_over = True
            for seat in self._seats:
                seat.leave()
            self._seats = []
            if self._desk:
                self._desk.close()
            self._changed.notify_all()

    def stand(self, seat: "Seat") -> None:
        with self._changed:
            self._seats = [each for each in self._seats if each is not seat]
            self._changed.notify_all()

    def type(self, seat: "Seat", data: bytes) -> None:
        """What one of them types, once there is room for it. Raises BrokenPipeError where it is attached no more."""
        with self._changed:
            while seat in self._seats and not self._input.has_room():
                self._clock.wait(self._changed, None)
            if seat not in self._seats:
                raise BrokenPipeError(errno.EPIPE, os.strerror(errno.EPIPE))
            self._input.feed(data)

    # What clients ask for (engine/streams/attach.py)

    def has_room(self) -> bool:
        with self._changed:
            return self._input.has_room()

    def feed(self, data: bytes) -> None:
        with self._changed:
            self._input.feed(data)

    def end(self) -> None:
        with self._changed:
            self._input.end()

    def resize(self, rows: int, columns: int) -> None:
        with self._changed:
            self._input.resize(rows, columns)

    def reopen(self) -> None:
        with self._changed:
            self._log.reopen()

    # The log

    def waits(self) -> float:
        """How long nothing is to be written: readers of the log have a lot to catch up with. Mostly 0."""
        with self._changed:
            return self._log.waits()

    def close(self) -> None:
        self._log.close()

    def discard(self) -> None:
        """The start came to nothing: no log is left of it either."""
        self._log.discard()

    @property
    def trouble(self) -> str:
        """What kept the log from being complete."""
        return self._log.trouble


class Nowhere:
    """A stdin that nobody opened: what is typed is let go."""

    def has_room(self) -> bool:
        return True

    def feed(self, data: bytes) -> None:
        """Let it go."""

    def end(self) -> None:
        """It has ended."""

    def resize(self, rows: int, columns: int) -> None:
        """There is no terminal."""


class Seat(Attachment):
    """One who is attached in this process. What it has not received yet waits in a queue of QUEUE bytes, as for a socket.

    It waits as long as the container's clock says, which knows it for a caller.
    """

    def __init__(self, streams: Streams, clock: Clock) -> None:
        self._streams, self._clock = streams, clock
        self._pieces: deque[tuple[str, bytes]] = deque()
        self._queued = 0
        self._is_over = False
        self._changed = clock.condition()
        """Taken after a run's lock, never before it."""

    def put(self, stream: str, data: bytes) -> bool:
        """Whether it keeps up. Of one that does not, nothing that was left out is followed by anything."""
        with self._changed:
            for start in range(0, len(data), PAYLOAD):
                self._pieces.append((stream, data[start : start + PAYLOAD]))
            self._queued += len(data)
            self._is_over = self._queued > QUEUE
            self._changed.notify_all()
            return not self._is_over

    def leave(self) -> None:
        """Nothing more will come."""
        with self._changed:
            self._is_over = True
            self._changed.notify_all()

    def send(self, data: bytes) -> None:
        with self._clock.working():
            for start in range(0, len(data), PAYLOAD):
                self._streams.type(self, data[start : start + PAYLOAD])

    def end(self) -> None:
        self._streams.end()

    def receive(self, timeout: float | None = None) -> tuple[str, bytes] | None:
        deadline = None if timeout is None else self._clock.monotonic() + timeout
        with self._clock.working(), self._changed:
            while not (self._pieces or self._is_over):
                if deadline is not None and self._clock.monotonic() >= deadline:
                    raise TimeoutError(f"nothing came for {timeout} s")
                self._clock.wait(self._changed, deadline)
            if not self._pieces:
                return None
            piece = self._pieces.popleft()
            self._queued -= len(piece[1])
            return piece

    def resize(self, rows: int, columns: int) -> None:
        self._streams.resize(rows, columns)

    def reopen_log(self) -> None:
        self._streams.reopen()

    def close(self) -> None:
        self.leave()
        self._streams.stand(self)
