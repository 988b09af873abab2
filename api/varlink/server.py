"""Connections, a thread each: a call that waits holds up nobody but its own connection.

accept ──▶ Connection(thread): read a message ─▶ service.replies ─▶ send each reply
                │
                └─ while a handler waits, one watcher thread looks for clients that hang up (epoll) and raises the
                   call's `cancelled`
"""

import errno
import logging
import select
import signal
import socket
import threading
import time
from collections.abc import Callable
from contextlib import suppress

from podlink.api.varlink.frame import Malformed, Reader, decode, encode
from podlink.api.varlink.service import Service
from podlink.api.varlink.transport import Listener

log = logging.getLogger(__name__)

CONNECTIONS = 4096
"""How many at once; the next one waits in the socket's queue."""
STACK = 512 * 1024
"""Bytes of a connection's stack: handlers don't recurse deep."""
SEND_PATIENCE = 30.0
"""Seconds for which a client may take nothing of a reply before its connection is closed."""
GRACE = 5.0
"""Seconds that calls under way have to end when the server closes."""


class Cancellation:
    """A flag that is raised once, when the client hangs up or the server closes. `watch` is told at the first interest."""

    def __init__(self, watch: Callable[[], None]) -> None:
        self._watch = watch
        self._lock = threading.Lock()
        self._set = False
        self._wakes: list[Callable[[], None]] = []

    def is_set(self) -> bool:
        return self._set

    def on_set(self, wake: Callable[[], None]) -> Callable[[], None]:
        with self._lock:
            self._wakes.append(wake)
        self._watch()
        if self._set:
            wake()
        return lambda: self._drop(wake)

    def set(self) -> None:
        with self._lock:
            self._set = True
            wakes = list(self._wakes)
        for wake in wakes:
            wake()

    def _drop(self, wake: Callable[[], None]) -> None:
        with self._lock:
            if wake in self._wakes:
                self._wakes.remove(wake)


class HangUps:
    """Watches for clients that leave. A unix client has left when both directions are shut (EPOLLHUP): one that only shut
    its sending side still reads. Over tcp the two can't be told apart, and a shut sending side counts as having left."""

    def __init__(self) -> None:
        self._epoll = select.epoll()
        self._flags: dict[int, Cancellation] = {}
        self._thread: threading.Thread | None = None
        self._lock = threading.Lock()
        self._wake_read, self._wake_write = socket.socketpair()
        self._epoll.register(self._wake_read, select.EPOLLIN)

    def watch(self, link: socket.socket, flag: Cancellation) -> None:
        with self._lock:
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="varlink hang-ups", daemon=True)
                self._thread.start()
            if self._flags.get(link.fileno()) is flag:
                return
            known = link.fileno() in self._flags
            self._flags[link.fileno()] = flag
            events = select.EPOLLONESHOT | (0 if link.family == socket.AF_UNIX else select.EPOLLRDHUP)
            (self._epoll.modify if known else self._epoll.register)(link.fileno(), events)

    def forget(self, link: socket.socket) -> None:
        with self._lock:
            if self._flags.pop(link.fileno(), None):
                self._epoll.unregister(link.fileno())

    def close(self) -> None:
        self._wake_write.send(b"x")
        if self._thread:
            self._thread.join()
        for each in (self._epoll, self._wake_read, self._wake_write):
            each.close()

    def _run(self) -> None:
        while True:
            for number, _ in self._epoll.poll():
                if number == self._wake_read.fileno():
                    return
                with self._lock:
                    flag = self._flags.get(number)
                if flag:
                    flag.set()


class Server:
    """Serves until it is closed, or until it has been without a connection for the idle time."""

    def __init__(self, service: Service, listener: Listener, idle_timeout: float | None = None) -> None:
        """idle_timeout: seconds; None or 0 is never."""
        self._service, self._listener, self._idle = service, listener, idle_timeout or None
        self._hang_ups = HangUps()
        self._lock = threading.Lock()
        self._quiet = threading.Condition(self._lock)
        self._open: dict[socket.socket, Cancellation | None] = {}
        self._since = time.monotonic()
        self._closing = False
        self._wake_read, self._wake_write = socket.socketpair()
        for end in (self._wake_read, self._wake_write):
            end.setblocking(False)

    def close(self) -> None:
        """Stop serving; `serve` returns. May be called from a signal handler or from any thread, and again."""
        self._closing = True
        self._wake()

    def wake_on_signals(self) -> None:
        """Have every signal with a handler wake `serve` up. Without this one that comes right before it sleeps is seen when it
        wakes by itself. For the main thread."""
        signal.set_wakeup_fd(self._wake_write.fileno(), warn_on_full_buffer=False)

    def _wake(self) -> None:
        with suppress(OSError):  # full: it will wake up; closed: it is awake
            self._wake_write.send(b"x")

    def serve(self) -> None:
        """Accept and answer. When it returns every connection is closed."""
        self._listener.socket.setblocking(False)
        poll = select.poll()
        poll.register(self._listener.socket, select.POLLIN)
        poll.register(self._wake_read, select.POLLIN)
        try:
            while not self._closing:
                ready = [number for number, _ in poll.poll(self._wait())]
                if self._wake_read.fileno() in ready:
                    with suppress(BlockingIOError):
                        self._wake_read.recv(4096)
                if self._closing or self._idle_over():
                    break
                if self._listener.socket.fileno() in ready:
                    self._accept()
        finally:
            self._end()

    def _wait(self) -> float | None:
        """Milliseconds until the idle time may be over."""
        if self._idle is None or self._open:
            return None if self._idle is None else 1000 * self._idle
        return max(0.0, self._since + self._idle - time.monotonic()) * 1000

    def _idle_over(self) -> bool:
        with self._lock:
            return self._idle is not None and not self._open and time.monotonic() - self._since >= self._idle

    def _accept(self) -> None:
        try:
            link, _ = self._listener.socket.accept()
        except (BlockingIOError, ConnectionAbortedError):
            return
        except OSError as error:
            if error.errno in (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM):
                log.warning("a connection waits: %s", error)
                time.sleep(0.05)  # the queue is still readable; without a pause this would spin
                return
            raise
        link.setblocking(True)
        with self._quiet:
            while len(self._open) >= CONNECTIONS and not self._closing:
                self._quiet.wait(0.5)
            self._open[link] = None
        before = threading.stack_size(STACK)
        try:
            threading.Thread(target=self._converse, args=(link,), name="varlink connection", daemon=True).start()
        except RuntimeError as error:  # no thread to be had
            log.warning("a connection is refused: %s", error)
            self._leave(link)
        finally:
            threading.stack_size(before)

    def _converse(self, link: socket.socket) -> None:
        """One connection, from its first call to its end."""
        link.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, _timeval(SEND_PATIENCE))
        reader = Reader(link)
        try:
            while not self._closing and (text := reader.next()) is not None:
                self._answer(link, decode(text))
        except (Malformed, OSError) as error:
            log.info("a connection is closed: %s", error)
        except Exception:
            log.exception("a connection is closed")
        finally:
            self._leave(link)

    def _answer(self, link: socket.socket, message: dict[str, object]) -> None:
        flag = Cancellation(lambda: self._hang_ups.watch(link, flag))
        with self._lock:
            self._open[link] = flag
        if self._closing:
            flag.set()
        try:
            replies = self._service.replies(message, flag)
            try:
                for reply in replies:
                    link.sendall(encode(reply))
            finally:
                replies.close()  # type: ignore[attr-defined]
        finally:
            self._hang_ups.forget(link)

    def _leave(self, link: socket.socket) -> None:
        with self._quiet:
            self._open.pop(link, None)
            self._since = time.monotonic()
            self._quiet.notify_all()
        link.close()
        if self._idle is not None:
            self._wake()

    def _end(self) -> None:
        """Tell every waiting call that its caller has left, and give those under way a moment to end."""
        self._closing = True
        with self._quiet:
            links = dict(self._open)
        for link, flag in links.items():
            if flag:
                flag.set()
            with suppress(OSError):
                link.shutdown(socket.SHUT_RD)
        deadline = time.monotonic() + GRACE
        with self._quiet:
            while self._open and (left := deadline - time.monotonic()) > 0:
                self._quiet.wait(left)
        self._hang_ups.close()
        if threading.current_thread() is threading.main_thread():
            signal.set_wakeup_fd(-1)
        self._wake_read.close()
        self._wake_write.close()


def _timeval(seconds: float) -> bytes:
    """struct timeval, for socket(7)'s SO_SNDTIMEO."""
    whole = int(seconds)
    return whole.to_bytes(8, "little") + int((seconds - whole) * 1e6).to_bytes(8, "little")
