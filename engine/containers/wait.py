"""WaitContainer, and the waiting that StopContainer does. Whoever waits is woken up by the exit; nobody polls.

However many wait for containers, one thread looks what became of them (`runtime/waits.py`), once for all who wait for the same;
a few others see to it that the host is clean before they are told.
"""

from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from functools import partial

from podlink.engine.cancel import NEVER, Cancel
from podlink.engine.containers.lifecycle import LIVE, UNSEEN, ended, locked
from podlink.engine.errors import Cancelled, ContainerNotFound, EngineError
from podlink.engine.host import Host
from podlink.engine.runtime.exits import Exit
from podlink.engine.state.values import Container, Status

Outcome = int | EngineError
"""An exit status; or why there is none."""


@dataclass(frozen=True, slots=True, eq=False)
class Waiter:
    """One who waits for a container that was as `first` when the waiting began. deliver: is called once."""

    first: Container
    name: str
    deliver: Callable[[Outcome], None]

    def give_up(self) -> None:
        self.deliver(Cancelled(f"the engine was closed while container {self.name} was waited for"))


def wait(host: Host, name: str, cancel: Cancel = NEVER) -> int:
    """The exit status of the container's run: at once for one that has exited, else when it does; 128+n for a signal.

    One that never ran is waited for until it has. Raises ContainerNotFound, also when the container is removed before it
    ran; Cancelled when the caller leaves. What the run held, its address and ports too, is free once this has returned.
    """
    first = host.state.containers.find(name)
    waiter = Waiter(first, name, lambda outcome: None)
    try:
        with host.runtime.watch(host.directory(first.id)) as wakeup, ExitStack() as stack:
            stack.callback(cancel.on_set(wakeup.notify))
            while not (over := _over(host, [waiter])):
                wakeup.wait()
                if cancel.is_set():
                    raise Cancelled(f"the caller stopped waiting for container {name}")
    except FileNotFoundError:
        over = _over(host, [waiter]) or _bereft(host, [waiter])
    ((_, outcome),) = over
    if isinstance(outcome, EngineError):
        raise outcome
    _await_cleanup(host, first)
    return outcome


def when_ended(host: Host, name: str, deliver: Callable[[Outcome], None]) -> Callable[[], None]:
    """The same for who has no thread to spare: `deliver` gets what `wait` returns or raises, in any thread, perhaps at once.

    The answer lets go, for a caller that leaves. Raises ContainerNotFound.
    """
    first = host.state.containers.find(name)
    waiter = Waiter(first, name, deliver)
    try:
        return host.waits.join(host.directory(first.id), waiter, partial(_judge, host))
    except FileNotFoundError:  # nothing will come any more
        _tell(host, _over(host, [waiter]) or _bereft(host, [waiter]))
        return lambda: None


def _judge(host: Host, waiters: Sequence[Waiter]) -> Sequence[Waiter]:
    """Those whose waiting is over, and who are told so when the clean-up is."""
    if over := _over(host, waiters):
        host.waits.hand(partial(_tell, host, over))
    return [waiter for waiter, _ in over]


def _tell(host: Host, over: Sequence[tuple[Waiter, Outcome]]) -> None:
    try:
        _await_cleanup(host, over[0][0].first)
    finally:
        for waiter, outcome in over:
            waiter.deliver(outcome)


def _await_cleanup(host: Host, container: Container) -> None:
    """When this returns whoever was at it is done, or it was done here, or is tried again where the disk refused it."""
    with suppress(EngineError), locked(host, container.id, container):
        pass


def _over(host: Host, waiters: Sequence[Waiter]) -> list[tuple[Waiter, Outcome]]:
    """Those of a container's waiters whose waiting is over, and what came of it."""
    container = waiters[0].first.id
    try:
        now = host.state.containers.get(container)
    except ContainerNotFound:
        return _bereft(host, waiters)
    record = ended(host, now)
    return [(waiter, code) for waiter in waiters if (code := _status(record, waiter.first, now)) is not None]


def _status(record: Exit | None, first: Container, now: Container) -> int | None:
    """The exit code of the run that `first` was in, or of the first one where it had not run; None while it lives.

    record: how the run that `now` is in has ended, where that is not folded yet.
    """
    if record:
        return record.code
    ran_since = now.start > first.start and first.status in LIVE
    return now.exit_code if now.status is Status.EXITED or ran_since else None


def _bereft(host: Host, waiters: Sequence[Waiter]) -> list[tuple[Waiter, Outcome]]:
    """The container was removed meanwhile. If it had run (`rm`), the event of its end still tells the status."""
    ends = [event for event in host.state.events.of(waiters[0].first.id) if event.action == "die"]
    code = int(ends[0].attributes.get("exit_code", UNSEEN)) if ends else UNSEEN
    ran = [each for each in waiters if ends and (each.first.status in LIVE or each.first.status is Status.CONFIGURED)]
    return [(each, code if each in ran else ContainerNotFound(each.name)) for each in waiters]


def await_exit(host: Host, container: Container, seconds: float) -> bool:
    """Whether the container's run ends within so many seconds. One that is removed meanwhile has ended."""
    deadline = host.clock.monotonic() + seconds
    try:
        with host.runtime.watch(host.directory(container.id)) as wakeup:
            while ended(host, container) is None:
                if (left := deadline - host.clock.monotonic()) <= 0:
                    return _moved_on(host, container)
                wakeup.wait(left)
                if _moved_on(host, container):
                    return True
    except FileNotFoundError:
        pass
    return True


def _moved_on(host: Host, container: Container) -> bool:
    """Whether the record says that this run is over: folded by somebody else, started anew, or removed."""
    try:
        now = host.state.containers.get(container.id)
    except ContainerNotFound:
        return True
    return now.start > container.start or now.status not in LIVE
