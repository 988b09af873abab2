"""Who watches connections that nobody reads from: for clients that leave, and for calls that come at last."""

import socket
import threading
from collections.abc import Callable

from podlink.api.varlink.polling import polling


class Cancellation:
    """A flag that is raised once, when the client hangs up or the server closes. `watch` is told at the first interest."""

    def __init__(self, watch: Callable[[], None]) -> None:
        self._watch = watch
        self._lock = threading.Lock()
        self._set = False
        self._wakes: list[Callable[[], None]] = []
        self.why = ""
        """Empty: the client hung up."""

    def is_set(self) -> bool:
        return self._set

    def on_set(self, wake: Callable[[], None]) -> Callable[[], None]:
        with self._lock:
            self._wakes.append(wake)
        self._watch()
        if self._set:
            wake()
        return lambda: self._drop(wake)

    def set(self, why: str = "") -> None:
        with self._lock:
            self.why = self.why or why
            self._set = True
            wakes = list(self._wakes)
        for wake in wakes:
            wake()

    def _drop(self, wake: Callable[[], None]) -> None:
        with self._lock:
            if wake in self._wakes:
                self._wakes.remove(wake)


class Lookout:
    """One thread for all. Who counts as having left: see `polling`."""

    def __init__(self) -> None:
        self._polling = polling()
        self._told: dict[int, Callable[[], None]] = {}
        self._thread: threading.Thread | None = None
        self._lock = threading.Lock()

    def watch(self, link: socket.socket, told: Callable[[], None], for_calls: bool = False) -> None:
        """Have `told` called, once, when the client leaves; for_calls: also when it has sent something."""
        with self._lock:
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="varlink lookout", daemon=True)
                self._thread.start()
            if self._told.get(link.fileno()) == told:
                return
            self._told[link.fileno()] = told
            self._polling.add(link, for_calls)

    def forget(self, link: socket.socket) -> None:
        with self._lock:
            if self._told.pop(link.fileno(), None):
                self._polling.drop(link)

    def close(self) -> None:
        self._polling.wake()
        if self._thread:
            self._thread.join()
        self._polling.close()

    def _run(self) -> None:
        while numbers := self._polling.wait():
            for number in numbers:
                with self._lock:
                    told = self._told.get(number)
                if told:
                    told()
