"""One thread that waits for the whole engine: for changes in directories (inotify(7)) and for ends of processes (pidfd_open(2)).

    watcher = Watcher(residents)                    residents: whose end is news in a directory, too
    release = watcher.watch(directory, told)        told() is called in the watcher's thread after each change
    …
    release()

                     ┌── inotify: the log grew, a file came by rename, the directory was removed
    epoll(7) ◀───────┼── a pidfd for each resident process of a watched directory
                     └── a pipe: close

The pidfds are a net: whoever writes into the directory when a process ends may itself be killed, and then nothing would
be written. Residents are looked up when a directory is first watched, and again after changes while none is known.
Nothing here polls: without a change the thread sleeps, however many wait.
"""

import os
import select
import struct
import threading
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from podlink.engine.linux import syscalls

IN_MODIFY, IN_ATTRIB, IN_MOVED_FROM, IN_MOVED_TO = 0x2, 0x4, 0x40, 0x80
IN_CREATE, IN_DELETE, IN_DELETE_SELF, IN_MOVE_SELF = 0x100, 0x200, 0x400, 0x800
IN_IGNORED, IN_ONLYDIR = 0x8000, 0x01000000
CHANGES = IN_MODIFY | IN_ATTRIB | IN_MOVED_FROM | IN_MOVED_TO | IN_CREATE | IN_DELETE | IN_DELETE_SELF | IN_MOVE_SELF | IN_ONLYDIR
EVENT = struct.Struct("=iIII")
"""struct inotify_event: the watch, what happened, a cookie, and the length of the name that follows."""

Told = Callable[[], None]


@dataclass(eq=False)
class Watched:
    """A directory that somebody waits for. number: of its inotify watch. residents: PID by pidfd."""

    path: Path
    number: int
    waiters: dict[object, Told] = field(default_factory=dict)
    residents: dict[int, int] = field(default_factory=dict)


class Watcher:
    """residents: the PIDs of the processes whose end is news in a directory; called often, so it should be quick."""

    def __init__(self, residents: Callable[[Path], Iterable[int]] = lambda directory: ()) -> None:
        self._residents = residents
        self._lock = threading.Lock()
        self._watched: dict[int, Watched] = {}
        self._by_pidfd: dict[int, Watched] = {}
        self._inotify = syscalls.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
        self._closing, self._close = os.pipe2(os.O_CLOEXEC)
        self._epoll = select.epoll()
        self._epoll.register(self._inotify, select.EPOLLIN)
        self._epoll.register(self._closing, select.EPOLLIN)
        self._thread = threading.Thread(target=self._run, name="podlink-watch", daemon=True)
        self._thread.start()

    def watch(self, directory: Path, told: Told) -> Callable[[], None]:
        """Have `told` called after each change in the directory, until the answer is called. FileNotFoundError: no such one."""
        key = object()
        with self._lock:
            number = syscalls.inotify_add_watch(self._inotify, directory, CHANGES)  # the same for one that is watched already
            watched = self._watched.setdefault(number, Watched(directory, number))
            watched.waiters[key] = told
            if not watched.residents:
                self._meet_residents(watched)

        def release() -> None:
            with self._lock:
                watched.waiters.pop(key, None)
                if not watched.waiters:
                    self._forget(watched)

        return release

    def notify(self, directory: Path) -> None:
        """Tell by hand those who watch a directory."""
        with self._lock:
            waiters = [told for each in self._watched.values() if each.path == directory for told in each.waiters.values()]
        for told in waiters:
            told()

    def close(self) -> None:
        """End the thread. Whoever still waits is told once more. Again is no error."""
        if self._close < 0:
            return
        os.close(self._close)
        self._close = -1
        self._thread.join()
        with self._lock:
            waiters = [told for watched in self._watched.values() for told in watched.waiters.values()]
            for watched in list(self._watched.values()):
                self._forget(watched)
            self._epoll.close()
            os.close(self._inotify)
            os.close(self._closing)
        for told in waiters:
            told()

    def _run(self) -> None:
        while True:
            for descriptor, _ in self._epoll.poll():
                if descriptor == self._closing:
                    return
                for told in self._changed() if descriptor == self._inotify else self._ended(descriptor):
                    told()

    def _changed(self) -> list[Told]:
        """Read what inotify has; the answer is who is to be told."""
        buffer = os.read(self._inotify, 65536)
        with self._lock:
            changed: dict[Watched, None] = {}
            offset = 0
            while offset < len(buffer):
                number, what, _, length = EVENT.unpack_from(buffer, offset)
                offset += EVENT.size + length
                for watched in [self._watched.get(number)] if number >= 0 else list(self._watched.values()):
                    if watched:  # number -1: events were lost, so anything may have changed
                        changed[watched] = None
                if what & IN_IGNORED and (gone := self._watched.pop(number, None)):
                    self._lose(gone)
            for watched in changed:
                if not watched.residents and watched.number in self._watched:
                    self._meet_residents(watched)
            return [told for watched in changed for told in watched.waiters.values()]

    def _ended(self, pidfd: int) -> list[Told]:
        """A process of a watched directory has ended; the answer is who is to be told."""
        with self._lock:
            if (watched := self._by_pidfd.get(pidfd)) is None:
                return []
            self._dismiss(watched, pidfd)
            self._meet_residents(watched)
            return list(watched.waiters.values())

    def _meet_residents(self, watched: Watched) -> None:
        """Wait for the ends of those who live there now and are not known yet. The lock is held."""
        for pid in set(self._residents(watched.path)) - set(watched.residents.values()):
            try:
                pidfd = os.pidfd_open(pid)
            except ProcessLookupError:
                continue  # it ended just now: that it has is seen by who looks, and looking comes after watching
            watched.residents[pidfd] = pid
            self._by_pidfd[pidfd] = watched
            self._epoll.register(pidfd, select.EPOLLIN)

    def _dismiss(self, watched: Watched, pidfd: int) -> None:
        self._epoll.unregister(pidfd)
        os.close(pidfd)
        watched.residents.pop(pidfd, None)
        self._by_pidfd.pop(pidfd, None)

    def _forget(self, watched: Watched) -> None:
        """Nobody waits for it any more. The lock is held."""
        if self._watched.get(watched.number) is watched:
            del self._watched[watched.number]
            with suppress(OSError):  # the directory is gone, and the watch with it
                syscalls.inotify_rm_watch(self._inotify, watched.number)
        self._lose(watched)

    def _lose(self, watched: Watched) -> None:
        """Let go of its residents. The lock is held."""
        for pidfd in list(watched.residents):
            self._dismiss(watched, pidfd)
