"""WaitContainer, and the waiting that StopContainer does. Whoever waits is woken up by the exit; nobody polls."""

import time
from contextlib import ExitStack

from podlink.engine.cancel import NEVER, Cancel
from podlink.engine.containers.lifecycle import LIVE, UNSEEN, ended
from podlink.engine.errors import Cancelled, ContainerNotFound
from podlink.engine.host import Host
from podlink.engine.state.containers import Container, Status


def wait(host: Host, name: str, cancel: Cancel = NEVER) -> int:
    """The exit status of the container's run: at once for one that has exited, else when it does; 128+n for a signal.

    One that never ran is waited for until it has. Raises ContainerNotFound, also when the container is removed before it
    ran; Cancelled when the caller leaves.
    """
    first = host.state.containers.find(name)
    if (code := _status(host, first, first)) is not None:
        return code
    with ExitStack() as stack:
        try:
            wakeup = stack.enter_context(host.runtime.watch(host.directory(first.id)))
        except FileNotFoundError:
            return _gone(host, first, name)
        stack.callback(cancel.on_set(wakeup.notify))
        while not cancel.is_set():
            try:
                now = host.state.containers.get(first.id)
            except ContainerNotFound:
                return _gone(host, first, name)
            if (code := _status(host, first, now)) is not None:
                return code
            wakeup.wait()
    raise Cancelled(f"the caller stopped waiting for container {name}")


def _status(host: Host, first: Container, now: Container) -> int | None:
    """The exit code of the run that `first` was in, or of the first one where it had not run; None while it lives."""
    if record := ended(host, now):
        return record.code
    ran_since = now.start > first.start and first.status in LIVE
    return now.exit_code if now.status is Status.EXITED or ran_since else None


def _gone(host: Host, first: Container, name: str) -> int:
    """The container was removed meanwhile. If it had run (`rm`), the event of its end still tells the status."""
    for event in host.state.events.of(first.id):
        if event.action == "die" and (first.status in LIVE or first.status is Status.CONFIGURED):
            return int(event.attributes.get("exit_code", UNSEEN))
    raise ContainerNotFound(name)


def await_exit(host: Host, container: Container, seconds: float) -> bool:
    """Whether the container's run ends within so many seconds. One that is removed meanwhile has ended."""
    deadline = time.monotonic() + seconds
    try:
        with host.runtime.watch(host.directory(container.id)) as wakeup:
            while ended(host, container) is None:
                if (left := deadline - time.monotonic()) <= 0:
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
