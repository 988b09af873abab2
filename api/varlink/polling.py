"""The two ways to wait for what becomes of many connections: epoll(7), and what other systems than Linux have.

              a unix client has left when             calls in line behind one that waits
Epoll         both directions are shut                its leaving is seen all the same
Selection     it has shut its sending side            it is seen once the calls before are answered
"""

import select
import selectors
import socket
import threading
from contextlib import suppress
from typing import Protocol


class Polling(Protocol):
    """Connections that are watched. What happens to one is reported once, until it is added again."""

    def add(self, link: socket.socket, for_calls: bool) -> None:
        """Report when the client leaves; for_calls: also when it has sent something. Again: as it is said now."""
        ...

    def drop(self, link: socket.socket) -> None:
        """No more of this one; to be called before it is closed."""
        ...

    def wait(self) -> list[int]:
        """The descriptors of those to whom something has happened, as soon as there are any; none: `wake` was called."""
        ...

    def wake(self) -> None: ...

    def close(self) -> None: ...


class Epoll:
    """Over tcp a client that has left and one that shut its sending side can't be told apart: both have left."""

    def __init__(self) -> None:
        self._epoll = select.epoll()
        self._known: set[int] = set()
        self._woken, self._waker = socket.socketpair()
        self._epoll.register(self._woken, select.EPOLLIN)

    def add(self, link: socket.socket, for_calls: bool) -> None:
        events = select.EPOLLONESHOT | (0 if link.family == socket.AF_UNIX else select.EPOLLRDHUP)
        events |= select.EPOLLIN if for_calls else 0
        number = link.fileno()
        (self._epoll.modify if number in self._known else self._epoll.register)(number, events)
        self._known.add(number)

    def drop(self, link: socket.socket) -> None:
        self._known.discard(link.fileno())
        self._epoll.unregister(link.fileno())

    def wait(self) -> list[int]:
        numbers = [number for number, _ in self._epoll.poll()]
        return [] if self._woken.fileno() in numbers else numbers

    def wake(self) -> None:
        self._waker.send(b"x")

    def close(self) -> None:
        for each in (self._epoll, self._woken, self._waker):
            each.close()


class Selection:
    """kqueue(2) or poll(2), whatever `selectors` finds. None of them may be told anything while another thread waits with it:
    so what is new is put down, and the thread that waits is woken to tell it."""

    def __init__(self) -> None:
        self._selector = selectors.DefaultSelector()
        self._lock = threading.Lock()
        self._news: list[tuple[int, tuple[socket.socket, bool] | None]] = []
        self._is_over = False
        self._woken, self._waker = socket.socketpair()
        for end in (self._woken, self._waker):
            end.setblocking(False)
        self._selector.register(self._woken, selectors.EVENT_READ)

    def add(self, link: socket.socket, for_calls: bool) -> None:
        self._tell(link.fileno(), (link, for_calls))

    def drop(self, link: socket.socket) -> None:
        self._tell(link.fileno(), None)

    def wait(self) -> list[int]:
        while not self._is_over:
            ready = [key for key, _ in self._selector.select()]
            with suppress(BlockingIOError):
                self._woken.recv(4096)
            self._learn()
            still = [key for key in ready if key.data and self._selector.get_map().get(key.fd) is key]
            if happened := [key.fd for key in still if self._concerns(key.fd, *key.data)]:
                return happened
        return []

    def wake(self) -> None:
        self._is_over = True
        self._wake()

    def close(self) -> None:
        for each in (self._selector, self._woken, self._waker):
            each.close()

    def _tell(self, number: int, what: tuple[socket.socket, bool] | None) -> None:
        with self._lock:
            self._news.append((number, what))
        self._wake()

    def _wake(self) -> None:
        with suppress(BlockingIOError):  # full: it will wake up
            self._waker.send(b"x")

    def _learn(self) -> None:
        """In the order in which it was told: the number of a connection that is closed is given again."""
        with self._lock:
            news, self._news = self._news, []
        for number, what in news:
            with suppress(KeyError):
                self._selector.unregister(number)
            if what:
                with suppress(OSError):  # closed since, and dropped by one of the next
                    self._selector.register(number, selectors.EVENT_READ, what)

    def _concerns(self, number: int, link: socket.socket, for_calls: bool) -> bool:
        """Whether what can be read is its end, or a call that is waited for. Either way it is looked at no more."""
        try:
            is_call = bool(link.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT))
        except BlockingIOError:
            return False
        except OSError:
            is_call = False
        self._selector.unregister(number)
        return for_calls or not is_call


def polling() -> Polling:
    """What this system has."""
    return Epoll() if hasattr(select, "epoll") else Selection()
