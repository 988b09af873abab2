"""Connections, a thread each: a call that waits holds up nobody but its own connection.

accept ──▶ converse (thread): read a message ─▶ service.replies ─▶ send each reply
                │  ▲              │                                        ▲
                │  │              └─ Pending: parked, without a thread ────┘ then it rests, until a call comes
                │  └── the lookout (one thread): a call came
                └─ while a handler waits, the lookout looks for clients that hang up, and raises the call's `cancelled`
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

from podlink.api.varlink.frame import Malformed, Reader, decode, pieces
from podlink.api.varlink.lookout import Cancellation, Lookout
from podlink.api.varlink.service import Pending, Service
from podlink.api.varlink.transport import Listener, refused

log = logging.getLogger(__name__)

CONNECTIONS = 4096
"""How many at once; the next one waits in the socket's queue."""
STACK = 512 * 1024
"""Bytes of a connection's stack: handlers don't recurse deep."""
SEND_PATIENCE = 30.0
"""Seconds for which a client may take nothing of a reply before its connection is closed."""
ENDING = "the service is ending"
GRACE = 5.0
"""Seconds that calls under way have to end when the server closes."""
TAKING = 0.5
"""Seconds of these for who takes several replies, to take one that is being sent. All that would follow is an excuse."""


class Parked:
    """A connection whose call waits, without a thread, for a reply that comes later."""

    def __init__(self, link: socket.socket, reader: Reader, pending: Pending) -> None:
        self.link, self.reader, self.pending = link, reader, pending
        self._is_over = threading.Lock()
        self.let_go: Callable[[], None] = lambda: None

    def finish(self) -> bool:
        """Whether this is the end of it: the reply, the client's leaving and the server's end may come at once."""
        return self._is_over.acquire(blocking=False)

    def is_over(self) -> bool:
        return self._is_over.locked()


class Server:
    """Serves until it is closed, or until it has been without a connection for the idle time."""

    def __init__(self, service: Service, listener: Listener, idle_timeout: float | None = None) -> None:
        """idle_timeout: seconds; None or 0 is never."""
        self._service, self._listener, self._idle = service, listener, idle_timeout or None
        self._lookout = Lookout()
        self._lock = threading.Lock()
        self._quiet = threading.Condition(self._lock)
        self._open: dict[socket.socket, Cancellation | Parked | None] = {}
        self._resting: set[socket.socket] = set()
        """Of those that are open: without a thread, until the lookout says that a call came."""
        self._streams: set[socket.socket] = set()
        """Of those that are open: one of several replies is being sent, and not what they lead to."""
        self._since = time.monotonic()
        self._starting = threading.Lock()
        """The size of stacks is one for all threads that are started at a time."""
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
                if self._closing:
                    break
                if self._listener.socket.fileno() in ready:  # first: who knocks when the idle time is over is heard
                    self._accept()
                elif self._idle_over():
                    break
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
        if refusal := refused(self._listener, link):
            log.warning("a connection is closed: %s", refusal)
            link.close()
            return
        link.setblocking(True)
        with self._quiet:
            while len(self._open) >= CONNECTIONS and not self._closing:
                self._quiet.wait(0.5)
            self._open[link] = None
        with suppress(OSError):  # macOS: of a client who has left already, which is seen at the first look
            link.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, _timeval(SEND_PATIENCE))
        self._talk(link, Reader(link))

    def _talk(self, link: socket.socket, reader: Reader, first: bytes = b"") -> None:
        """Converse in a thread. first: what is still to be sent of a reply."""
        with self._starting:
            before = threading.stack_size(STACK)
            try:
                words = (link, reader, first)
                threading.Thread(target=self._converse, args=words, name="varlink connection", daemon=True).start()
            except RuntimeError as error:  # no thread to be had
                log.warning("a connection is refused: %s", error)
                self._leave(link)
            finally:
                threading.stack_size(before)

    def _converse(self, link: socket.socket, reader: Reader, first: bytes) -> None:
        """One connection, from its first call to its end, or until it waits for a reply that comes later.

        When the server ends, calls that were sent before are still answered: what is to be read comes to its end there (`_end`).
        """
        try:
            link.sendall(first)
            while (text := reader.next()) is not None:
                if pending := self._answer(link, decode(text)):
                    return self._park(Parked(link, reader, pending))
        except (Malformed, OSError) as error:
            log.info("a connection is closed: %s", error)
        except Exception:
            log.exception("a connection is closed")
        self._leave(link)
        return None

    def _answer(self, link: socket.socket, message: dict[str, object]) -> Pending | None:
        """Send the replies to one call; or the one that comes later is returned."""
        flag = Cancellation(lambda: self._lookout.watch(link, flag.set))
        with self._lock:
            self._open[link] = flag
        if self._closing:
            flag.set(ENDING)
        try:
            replies = self._service.replies(message, flag)
            try:
                for reply in replies:
                    if isinstance(reply, Pending):
                        return reply
                    self._send(link, reply)
            finally:
                replies.close()  # type: ignore[attr-defined]
        finally:
            self._lookout.forget(link)
        return None

    def _send(self, link: socket.socket, reply: dict[str, object]) -> None:
        if "continues" in reply:
            self._streams.add(link)
        for piece in pieces(reply):
            link.sendall(piece)
        self._streams.discard(link)

    # Calls that wait without a thread

    def _park(self, call: Parked) -> None:
        with self._lock:
            self._open[call.link] = call
        self._lookout.watch(call.link, lambda: self._hung_up(call))
        call.let_go = call.pending.begin(lambda reply: self._conclude(call, reply))
        if call.is_over():  # meanwhile, by a client that left: `let_go` was not known then
            call.let_go()
        elif self._closing:
            self._interrupt(call)

    def _conclude(self, call: Parked, reply: dict[str, object]) -> None:
        """The reply is there: send it from whatever thread this is, unless the client is slow to take it."""
        if not call.finish():
            return None
        self._lookout.forget(call.link)
        message = b"".join(pieces(reply))
        try:
            sent = call.link.send(message, socket.MSG_DONTWAIT)
        except BlockingIOError:
            sent = 0
        except OSError:
            return self._leave(call.link)
        if sent < len(message) or call.reader.has_more():
            return self._talk(call.link, call.reader, message[sent:])
        return self._rest(call.link, call.reader)

    def _rest(self, link: socket.socket, reader: Reader) -> None:
        with self._lock:
            self._open[link] = None
            self._resting.add(link)
        self._lookout.watch(link, lambda: self._rise(link, reader), for_calls=True)
        if self._closing:
            self._rise(link, reader)

    def _rise(self, link: socket.socket, reader: Reader) -> None:
        with self._lock:
            if link not in self._resting:
                return
            self._resting.remove(link)
        self._lookout.forget(link)
        if self._closing:
            self._leave(link)
        else:
            self._talk(link, reader)

    def _hung_up(self, call: Parked) -> None:
        if call.finish():
            call.let_go()
            self._lookout.forget(call.link)
            self._leave(call.link)

    def _interrupt(self, call: Parked) -> None:
        """The server ends, and the client is told so."""
        self._conclude(call, call.pending.interrupted(ENDING))
        call.let_go()

    def _leave(self, link: socket.socket) -> None:
        with self._quiet:
            self._open.pop(link, None)
            self._streams.discard(link)
            self._since = time.monotonic()
            self._quiet.notify_all()
        link.close()
        if self._idle is not None:
            self._wake()

    def _end(self) -> None:
        """Tell everybody who waits that the service ends, and give calls under way a moment to end."""
        self._closing = True
        with self._quiet:
            links = dict(self._open)
            resting = list(self._resting)
            self._resting.clear()
        for link in resting:
            self._lookout.forget(link)
            self._leave(link)
        for link, state in links.items():
            if isinstance(state, Parked):
                self._interrupt(state)
            elif state:
                state.set(ENDING)
            with suppress(OSError):
                link.shutdown(socket.SHUT_RD)
        if not self._is_quiet_within(TAKING):
            for link in list(self._streams):
                with suppress(OSError):
                    link.shutdown(socket.SHUT_RDWR)
            self._is_quiet_within(GRACE - TAKING)
        self._lookout.close()
        if threading.current_thread() is threading.main_thread():
            signal.set_wakeup_fd(-1)
        self._wake_read.close()
        self._wake_write.close()

    def _is_quiet_within(self, seconds: float) -> bool:
        with self._quiet:
            return self._quiet.wait_for(lambda: not self._open, seconds)


def _timeval(seconds: float) -> bytes:
    """struct timeval, for socket(7)'s SO_SNDTIMEO."""
    whole = int(seconds)
    return whole.to_bytes(8, "little") + int((seconds - whole) * 1e6).to_bytes(8, "little")
