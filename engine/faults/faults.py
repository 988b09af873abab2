"""`engine.faults`: what a test asks for, and what it is told of it."""

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from copy import copy
from typing import Any

from podlink.engine.errors import (
    EngineError,
    EngineUnavailable,
    InvalidRequest,
    NetworkFailed,
    RuntimeFailed,
    StorageFailed,
    StorageFull,
)
from podlink.engine.faults.registry import failing
from podlink.engine.faults.steps import STEPS, shadowed, steps, telling
from podlink.engine.host import Host

ERRORS: dict[str, type[StorageFailed | RuntimeFailed | NetworkFailed]] = {"runtime": RuntimeFailed, "network": NetworkFailed}
"""What a part refuses with, where it is not the storage or the state."""
FULL = ("storage.stage", "storage.create")
"""What needs room on the disk, of the steps; beside what is written down of what is new."""
PATIENCE = 60.0
"""Seconds."""


class Fault:
    """One that was asked for. struck: how often it has come to it so far."""

    def __init__(self) -> None:
        self.struck = 0
        self._changed = threading.Condition()
        self._over = False

    def await_struck(self, times: int = 1, timeout: float = PATIENCE) -> None:
        """Return once it has struck so often. Raises TimeoutError after so many seconds."""
        with self._changed:
            if not self._changed.wait_for(lambda: self.struck >= times, timeout):
                raise TimeoutError(f"the fault has struck {self.struck} times in {timeout:g} s, not {times}")

    def strike(self) -> None:
        """It has come to it."""
        with self._changed:
            self.struck += 1
            self._changed.notify_all()

    def hold(self) -> None:
        """Stay until the fault is over."""
        with self._changed:
            self._changed.wait_for(lambda: self._over)

    def end(self) -> None:
        """The fault is over; nobody stays."""
        with self._changed:
            self._over = True
            self._changed.notify_all()


class Faults:
    """`engine.faults`. Each method is for a `with` block, and when that ends the engine is whole again.

    step: by its name, `storage.mount`. after: when it has been made, not before. skip: how many times it goes well first;
    times: how often the fault strikes then, None is each time. Faults may be nested, also on one step: the innermost comes first.
    """

    def __init__(self, host: Host) -> None:
        self._host = host
        self._lock = threading.Lock()

    @contextmanager
    def fail(
        self,
        step: str,
        error: EngineError | OSError | None = None,
        *,
        after: bool = False,
        skip: int = 0,
        times: int | None = None,
    ) -> Iterator[Fault]:
        """The step fails, with this error or with the one that its part has for refusals. Raises InvalidRequest for no step."""
        kind = ERRORS.get(step.partition(".")[0], StorageFailed)
        refusal = error or kind(f"{step} failed on demand")

        def strike(fault: Fault) -> None:
            raise copy(refusal)  # each time a new one: whoever catches it may add words to it

        with self._planted(step, strike, after, skip, times) as fault:
            yield fault

    @contextmanager
    def hang(self, step: str, *, after: bool = False, skip: int = 0, times: int | None = None) -> Iterator[Fault]:
        """Whoever comes to the step stays there until the block ends, and then goes on. Raises InvalidRequest for no step."""
        with self._planted(step, Fault.hold, after, skip, times) as fault:
            yield fault

    @contextmanager
    def kill(self, step: str, *, after: bool = False, skip: int = 0) -> Iterator[Fault]:
        """The process ends at the step, as by SIGKILL: nothing is cleaned up, and a test asks for it in a process of its own.

        Raises InvalidRequest for no step.
        """
        with self._planted(step, lambda fault: os.kill(os.getpid(), signal.SIGKILL), after, skip, None) as fault:
            yield fault

    @contextmanager
    def disk_full(self) -> Iterator[None]:
        """There is no room left: nothing is added or started, and emulated containers write no more (ENOSPC).

        What ends or removes something works: stopping, pausing, removing.
        """
        with ExitStack() as stack:
            for step in FULL:
                stack.enter_context(self.fail(step, StorageFull(f"{step}: no space left on device")))
            stack.enter_context(shadowed(self._host.state.database, "is_full", lambda before: True))
            if hasattr(self._host.runtime, "is_full"):
                stack.enter_context(shadowed(self._host.runtime, "is_full", lambda before: True))
            yield

    def out_of_memory(self, container: str) -> None:
        """The machine has no memory left: the process of the container that uses most ends, as the kernel has it, and it is told
        to have been `oom_killed`. At once, for no block.

        Raises ContainerNotFound; InvalidState where it does not run; EngineUnavailable where containers are real.
        """
        end: Callable[[str], None] | None = getattr(self._host.runtime, "run_out_of_memory", None)
        if end is None:
            raise EngineUnavailable(f"{self._host.runtime.name}: the memory of a real host is not ours to fill; use the emulator")
        end(self._host.state.containers.find(container).id)

    @contextmanager
    def registry(self, name: str, *, status: int = 0, drop: bool = False, stall: bool = False) -> Iterator[Fault]:
        """The registry of this name fails: it answers every request with the HTTP status, drops the connection, or never answers.

        A server on loopback is one that does, and a registries.conf of this engine's own leads there meanwhile, with nothing of
        the configuration that counts else. A verb tries again what may pass, as it would elsewhere: a status
        of 5xx five times at once, a dropped connection for some 8 s. Raises InvalidRequest unless one of the three is asked for.
        """
        if (status != 0) + drop + stall != 1 or (status and not 400 <= status <= 599):
            raise InvalidRequest("faults.registry: say one of status (400 to 599), drop and stall")
        fault = Fault()
        with failing(name, status, drop, fault, self._host.variables):
            yield fault

    @contextmanager
    def _planted(self, step: str, strike: Callable[[Fault], None], after: bool, skip: int, times: int | None) -> Iterator[Fault]:
        part, method = self._found(step)
        fault, moment, passed = Fault(), f"{step} {'after' if after else 'before'}", 0

        def told(name: str) -> None:
            nonlocal passed
            if name != moment:
                return
            with self._lock:
                passed += 1
                strikes = passed > skip and (times is None or passed <= skip + times)
            if strikes:
                fault.strike()
                strike(fault)

        with shadowed(part, method, lambda before: telling(step, before, told)):
            try:
                yield fault
            finally:
                fault.end()

    def _found(self, step: str) -> tuple[Any, str]:
        """The part that a step is a method of, and which. Raises InvalidRequest."""
        name, _, method = step.partition(".")
        if method not in STEPS.get(name, ()):
            raise InvalidRequest(f"faults: {step!r} is none of the steps: {', '.join(steps())}")
        return getattr(self._host.state if name in ("containers", "images") else self._host, name), method
