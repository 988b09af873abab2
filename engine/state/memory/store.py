"""What a state in memory holds, and the lock under which it is read and changed."""

import os
import threading
from collections import deque

from podlink.engine.errors import EngineUnavailable, StorageFull
from podlink.engine.state.owner import require_owner
from podlink.engine.state.rules import EVENTS
from podlink.engine.state.values import Container, Event, Image, Layer, Lease, Network


class Memory:
    """`with memory:` is a turn, to read in and to change in; not to be nested."""

    def __init__(self) -> None:
        self.is_full = False
        self.containers: dict[str, Container] = {}
        self.images: dict[str, Image] = {}
        self.layers: dict[str, Layer] = {}
        self.networks: dict[str, Network] = {}
        self.given: dict[str, int] = {}
        """By network, the number that was given last."""
        self.leases: dict[str, Lease] = {}
        """By container."""
        self.events: deque[Event] = deque(maxlen=EVENTS)
        """The newest, without their numbers."""
        self.told = 0
        """How many there were, which is the number of the last."""
        self._lock = threading.Lock()
        self._process = os.getpid()
        self._is_closed = False

    def __enter__(self) -> None:
        require_owner(self._process)
        self._lock.acquire()
        if self._is_closed:
            self._lock.release()
            raise EngineUnavailable("the state in memory: closed; open the engine again")

    def __exit__(self, *failure: object) -> None:
        self._lock.release()

    def tell(self, event: Event) -> None:
        """An event, in the turn of what it tells of."""
        self.events.append(event)
        self.told += 1

    def require_room(self) -> None:
        if self.is_full:
            raise StorageFull("the state in memory: no space is left on its disk; make room there")

    def close(self) -> None:
        with self._lock:
            self._is_closed = True
