"""Several blobs at a time: threads under one call, which all stop when one of them fails or the caller leaves."""

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from threading import Lock
from typing import Any

from podlink.engine.cancel import Cancel
from podlink.engine.errors import Cancelled

AT_ONCE = 3
"""How many. More bring nothing on one connection's bandwidth, and registries dislike it."""


class Stop:
    """A caller who may leave, or be sent away. It is a `Cancel` itself, for all that works under the call."""

    def __init__(self, caller: Cancel) -> None:
        self._caller = caller
        self._lock = Lock()
        self._stopped = False
        self._cause: BaseException | None = None
        self._wakes: dict[object, Callable[[], None]] = {}

    def is_set(self) -> bool:
        return self._stopped or self._caller.is_set()

    def on_set(self, wake: Callable[[], None]) -> Callable[[], None]:
        key = object()
        with self._lock:
            if not self._stopped:
                self._wakes[key] = wake
        if self._stopped:
            wake()
        forget = self._caller.on_set(wake)

        def take_back() -> None:
            forget()
            with self._lock:
                self._wakes.pop(key, None)

        return take_back

    def check(self) -> None:
        """Raises why all is to stop, if it is."""
        if self._cause:
            raise self._cause
        if self.is_set():
            raise Cancelled("the caller left before it was done")

    def go_on(self) -> None:
        """Begin anew, after all that worked under it has ended."""
        with self._lock:
            self._stopped, self._cause = False, None

    def stop(self, cause: BaseException | None = None) -> None:
        """Stop all that works under it. The first cause counts."""
        with self._lock:
            self._cause = self._cause or (None if self._stopped else cause)
            self._stopped = True
            wakes, self._wakes = list(self._wakes.values()), {}
        for wake in wakes:
            wake()


def finish(futures: Iterable[Future[Any]]) -> None:
    """Wait for all of them, or for the first that fails, whose exception is raised."""
    done, _ = wait(futures, return_when=FIRST_EXCEPTION)
    for future in done:
        future.result()


@contextmanager
def several(stop: Stop, at_once: int = AT_ONCE) -> Iterator[ThreadPoolExecutor]:
    """Threads that have ended when the block has; a failure in it stops what they are at, and what they have not begun is not."""
    with ThreadPoolExecutor(at_once, thread_name_prefix="podlink-blob") as pool:
        try:
            yield pool
        except BaseException:
            stop.stop()
            pool.shutdown(wait=False, cancel_futures=True)
            raise
