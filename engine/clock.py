"""The one source of time. Whatever is dated, sleeps or times out asks it, so that a test can put its own in its place.

    clock = VirtualClock()
    with Engine.emulated(clock=clock) as engine:
        container = engine.containers.create(image=image, command=["sleep", "3600"])
        container.start()
        clock.advance(3600)                     an hour has passed, in no time
        container.wait()

A virtual clock moves from one moment that somebody waits for to the next, and never while anybody is at work: whoever was
woken up at one moment has come to rest before the next one comes. So what happens, and when, is the same at each run.

    a thread of a container                    busy ──── waits (condition) ────▶ resting ──── notice, or its moment ────▶ busy
    a caller who waits (wait, stop, follow)    the same, from the call to its answer
"""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from math import inf
from typing import Protocol

START = 1_577_836_800.0
"""2020-01-01T00:00:00Z, in seconds since the epoch."""
PATIENCE = 60.0
"""Real seconds for those who are at work to come to rest, before a virtual clock says that it can't move."""


class Clock(Protocol):
    """now: nanoseconds since the epoch. monotonic: seconds since some moment; deadlines are counted in these."""

    def now(self) -> int: ...

    def monotonic(self) -> float: ...

    def condition(self) -> threading.Condition:
        """What those wait for whom this clock is to know of. It is told of changes by `notify_all`."""
        ...

    def wait(self, changed: threading.Condition, deadline: float | None) -> None:
        """Wait for a notice, with the condition's lock held, no longer than until the deadline. May return early.

        For threads that `starting` or `working` has made known.
        """
        ...

    def starting(self, name: str) -> AbstractContextManager[object]:
        """A thread is about to start, which enters this: it is at work from now until it leaves."""
        ...

    def working(self) -> AbstractContextManager[object]:
        """The calling thread is at work, except while it waits."""
        ...


class RealClock:
    """The host's time, which waits for nobody."""

    def now(self) -> int:
        return time.time_ns()

    def monotonic(self) -> float:
        return time.monotonic()

    def condition(self) -> threading.Condition:
        return threading.Condition()

    def wait(self, changed: threading.Condition, deadline: float | None) -> None:
        changed.wait(None if deadline is None else max(deadline - time.monotonic(), 0))

    def starting(self, name: str) -> AbstractContextManager[object]:
        return nullcontext()

    def working(self) -> AbstractContextManager[object]:
        return nullcontext()


REAL = RealClock()


class _Member:
    """A thread of which a virtual clock knows. caller: it came from outside, and waits for what time brings."""

    def __init__(self, name: str, caller: bool) -> None:
        self.name, self.caller = name, caller


class VirtualClock:
    """Time that passes when a test says so.

    start: seconds since the epoch at which it begins. auto: it also moves by itself, from moment to moment, while a caller
    waits (`wait`, `stop`, `restart`, `follow`, and their methods of the interface) and nobody is at work. One clock may serve
    several engines.
    """

    def __init__(self, start: float = START, *, auto: bool = False) -> None:
        self._start, self._auto = round(start * 1e9), auto
        self._elapsed = 0.0
        self._moving = threading.Lock()
        """Held by who advances, until all that it led to has happened."""
        self._changed = threading.Condition(threading.Lock())
        """Guards what is below; the last lock that is taken, and nothing is called with it held."""
        self._busy: set[_Member] = set()
        self._resting: dict[_Member, tuple[_Notices, float]] = {}
        """Who waits for which condition, and until when at most."""
        self._own = threading.local()

    # What a test calls

    def advance(self, seconds: float) -> None:
        """Let so much time pass, and return when all that this led to has happened.

        Raises ValueError for what is no time or a negative one, RuntimeError in a program of a container (it would wait for
        itself), and TimeoutError, naming them, where threads don't come to rest: a program waits by the methods of its Process
        only.
        """
        if not isinstance(seconds, int | float) or not 0 <= seconds < inf:
            raise ValueError(f"time can't be moved by {seconds!r} seconds; a number from 0 is needed")
        self._move(lambda: self._elapsed + seconds)

    def step(self) -> float:
        """Go to the next moment that anybody waits for; the seconds that passed. Raises as `advance`; LookupError for none."""
        before = self._elapsed
        self._move(self._next_or_refuse)
        return self._elapsed - before

    def await_caller(self, count: int = 1, timeout: float = PATIENCE) -> None:
        """Return when so many callers wait, in other threads, for what time brings.

        Raises TimeoutError after `timeout` real seconds.
        """
        with self._changed:
            if not self._changed.wait_for(lambda: len(self._callers()) >= count, timeout):
                raise TimeoutError(f"{len(self._callers())} callers wait after {timeout:g} s, not {count}")

    # What the engine calls

    def now(self) -> int:
        return self._start + round(self._elapsed * 1e9)

    def monotonic(self) -> float:
        return self._elapsed

    def condition(self) -> threading.Condition:
        return _Notices(self)

    def wait(self, changed: threading.Condition, deadline: float | None) -> None:
        assert isinstance(changed, _Notices) and self._member() is not None, "a thread that waits is one that this clock knows"
        changed.rest(inf if deadline is None else deadline)

    def starting(self, name: str) -> AbstractContextManager[object]:
        member = _Member(name, caller=False)
        with self._changed:
            self._busy.add(member)
        return self._at_work(member)

    def working(self) -> AbstractContextManager[object]:
        if self._member() is not None:
            return nullcontext()
        member = _Member(threading.current_thread().name, caller=True)
        with self._changed:
            self._busy.add(member)
        return self._at_work(member)

    # Who is at work

    def _member(self) -> _Member | None:
        """The calling thread, if it is known here."""
        return getattr(self._own, "member", None)

    @contextmanager
    def _at_work(self, member: _Member) -> Iterator[None]:
        self._own.member = member
        try:
            yield
        finally:
            self._own.member = None
            with self._changed:
                self._busy.discard(member)
                self._changed.notify_all()
            if self.moves_itself():
                self.move_on(inf)

    def rest(self, condition: "_Notices", deadline: float) -> None:
        """The calling thread waits from now on; the condition's lock is held."""
        if member := self._member():
            with self._changed:
                self._busy.discard(member)
                self._resting[member] = (condition, deadline)
                self._changed.notify_all()

    def rise(self) -> None:
        """The calling thread goes on."""
        if member := self._member():
            with self._changed:
                self._resting.pop(member, None)
                self._busy.add(member)

    def rouse(self, condition: "_Notices") -> None:
        """Whoever waits for the condition is at work from now on, though its thread has not come to it yet."""
        with self._changed:
            for member in [each for each, (awaited, _) in self._resting.items() if awaited is condition]:
                del self._resting[member]
                self._busy.add(member)

    # How time passes

    def moves_itself(self) -> bool:
        """Whether it is time to move without being told to: a caller waits, nobody works, and somebody waits for a moment."""
        with self._changed:
            return self._auto and not self._busy and bool(self._callers()) and self._next() < inf

    def move_on(self, limit: float) -> bool:
        """Go to the next moment that somebody waits for, if it comes within the limit; whether it did.

        The caller holds no condition's lock.
        """
        with self._changed:
            if self._busy or (moment := self._next()) > limit or moment == inf:
                return False
            self._elapsed = max(moment, self._elapsed)
            due = {member: condition for member, (condition, deadline) in self._resting.items() if deadline <= self._elapsed}
            for member in due:  # at once, so that nobody else moves on before they have woken up
                del self._resting[member]
                self._busy.add(member)
        for condition in dict.fromkeys(due.values()):
            with condition:
                condition.notify_all()
        return True

    def _move(self, target: Callable[[], float]) -> None:
        if self._member() is not None:
            raise RuntimeError(
                "the clock is moved from outside: here, in a container or a call, it would wait for its own caller"
            )
        with self._moving:
            self._await_rest()
            end = target()
            while self.move_on(end):
                self._await_rest()
            with self._changed:
                self._elapsed = max(end, self._elapsed)

    def _await_rest(self) -> None:
        with self._changed:
            if not self._changed.wait_for(lambda: not self._busy, PATIENCE):
                names = ", ".join(sorted(each.name for each in self._busy))
                raise TimeoutError(f"time stands still while anybody works, and after {PATIENCE:g} s these still do: {names}")

    def _next(self) -> float:
        """The first moment that anybody waits for; the lock is held."""
        return min((deadline for _, deadline in self._resting.values()), default=inf)

    def _next_or_refuse(self) -> float:
        with self._changed:
            moment = self._next()
        if moment == inf:
            raise LookupError("nobody waits for a moment to come")
        return moment

    def _callers(self) -> list[_Member]:
        """Callers who wait; the lock is held."""
        return [each for each in self._resting if each.caller]


class _Notices(threading.Condition):
    """A condition whose waiters its clock knows."""

    def __init__(self, clock: VirtualClock) -> None:
        super().__init__()
        self._clock = clock

    def wait(self, timeout: float | None = None) -> bool:
        self._clock.rest(self, inf)
        try:
            return super().wait(timeout)
        finally:
            self._clock.rise()

    def rest(self, deadline: float) -> None:
        """Wait for a notice or the deadline. May return early."""
        self._clock.rest(self, deadline)
        try:
            if not self._clock.moves_itself():
                super().wait()
                return
            self.release()  # whoever is woken up may need this very lock
            try:
                self._clock.move_on(inf)
            finally:
                self.acquire()
        finally:
            self._clock.rise()

    def notify_all(self) -> None:
        self._clock.rouse(self)
        super().notify_all()
