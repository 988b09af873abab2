"""StopContainer and RestartContainer."""

import signal
from contextlib import ExitStack, suppress

from podlink.engine.containers.kept import kept
from podlink.engine.containers.lifecycle import locked, process_of, require
from podlink.engine.containers.reconcile import conclude_or_owe
from podlink.engine.containers.start import start
from podlink.engine.containers.wait import await_exit
from podlink.engine.errors import ContainerNotFound, ErrorOccurred, InvalidRequest, InvalidState
from podlink.engine.host import Host
from podlink.engine.state.values import Container, Status

PATIENCE = 15.0
"""Seconds for a container to end after SIGKILL; longer means a process stuck in the kernel (state D)."""
LONGEST = 10**9
"""Seconds: more than a lifetime, and less than what a lock's timeout can hold."""


def stop(host: Host, name: str, timeout: int | None = None) -> str:
    """Stop a container and return its ID; one that has exited is stopped already.

    The stop signal, then SIGKILL after `timeout` seconds (None: the container's stop_timeout; 0: SIGKILL at once). The
    lock is held to signal and to clean up, never to wait. Raises ContainerNotFound; InvalidState where it never ran.
    """
    if timeout is not None and timeout < 0:
        raise InvalidRequest(f"timeout: {timeout} is negative; 0 kills at once")
    with host.clock.working():  # its seconds count from here, and no other moment comes before what it does at their end
        return _stop(host, name, timeout)


def _stop(host: Host, name: str, timeout: int | None) -> str:
    with locked(host, name) as container:
        require(container, "stop")
        if container.status is Status.EXITED:
            return container.id
        patience = min(container.config.stop_timeout if timeout is None else timeout, LONGEST)
        if container.status is Status.CREATED:
            patience = 0  # an init that waits hears of no signal but this one
        _signal(host, container, container.config.stop_signal if patience else signal.SIGKILL)
    if not await_exit(host, container, patience or PATIENCE):
        _kill(host, container)
    with suppress(ContainerNotFound), locked(host, container.id, container):
        pass  # taking the lock folds the exit in: when we answer, the host is clean
    return container.id


def _signal(host: Host, container: Container, number: int) -> None:
    """Signal init, and thaw it: a frozen process does not act on a signal."""
    with suppress(ProcessLookupError):
        host.runtime.signal(container.id, process_of(container), number)
    if container.status is Status.PAUSED:
        host.runtime.resume(container.id)
        host.state.containers.mark_status(container.id, Status.RUNNING)


def _kill(host: Host, container: Container) -> None:
    """End the run that did not end when it was asked to. A later run, started by somebody else, is left alone."""
    with suppress(ContainerNotFound), locked(host, container.id, container) as now:
        if now.start == container.start and now.status in (Status.RUNNING, Status.PAUSED):
            _signal(host, now, signal.SIGKILL)
    if not await_exit(host, container, PATIENCE):
        raise ErrorOccurred(
            f"container {container.name} did not end within {PATIENCE:.0f} s of SIGKILL; is a process of it stuck in the kernel?"
        )


def restart(host: Host, name: str, timeout: int | None = None) -> str:
    """Stop a container that runs, then start it; start one that does not. Returns its ID.

    A container that is removed at its exit (`rm`) stays for the restart. Raises as `stop` and `start` do.
    """
    with ExitStack() as after:
        with locked(host, name) as container:
            live = container.status in (Status.RUNNING, Status.PAUSED)
            host.state.require_room()  # what can't be started again is not stopped
            if live and container.config.rm:
                after.callback(conclude_or_owe, host, container.id)  # should it have ended again while it was kept
                after.enter_context(kept(host, container.id))
        try:
            if live:
                stop(host, container.id, timeout)
            return _start_anew(host, container)
        except ContainerNotFound:  # removed by somebody else meanwhile
            raise ContainerNotFound(name) from None


def _start_anew(host: Host, before: Container) -> str:
    """Start it, unless somebody else has started it since: that is what was asked for."""
    try:
        return start(host, before.id)
    except InvalidState:
        if host.state.containers.get(before.id).start > before.start:
            return before.id
        raise
