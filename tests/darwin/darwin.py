"""A process that finds what it would find on macOS: to be called before anything of podlink is imported.

There is no Mac here. What macOS's Python lacks is taken away, what its kernel refuses is refused, and `/proc` and `/sys` are not
there. What can't be had this way: its file system (which folds case), its own linker and its timing.
"""

import ctypes
import errno
import fcntl
import functools
import os
import platform
import select
import selectors
import signal
import socket
import sys
import sysconfig
import time
import types
from collections.abc import Callable
from contextlib import suppress
from enum import IntEnum
from pathlib import Path
from typing import Any

LACKING: dict[types.ModuleType, str] = {
    os: "O_PATH O_TMPFILE O_DIRECT O_NOATIME O_LARGEFILE O_RSYNC pidfd_open memfd_create copy_file_range splice pipe2 eventfd "
    "posix_fallocate posix_fadvise fdatasync getrandom listxattr getxattr setxattr removexattr sched_getaffinity "
    "sched_setaffinity sched_getscheduler getresuid setresuid getresgid setresgid unshare setns",
    signal: "pidfd_send_signal sigtimedwait sigwaitinfo SIGRTMIN SIGRTMAX SIGPWR SIGSTKFLT SIGPOLL SIGCLD",
    select: "epoll POLLRDHUP",
    selectors: "EpollSelector",
    socket: "SOCK_CLOEXEC SOCK_NONBLOCK MSG_CMSG_CLOEXEC MSG_NOSIGNAL SO_PEERCRED SO_PASSCRED SO_DOMAIN SO_PROTOCOL "
    "SO_BINDTODEVICE AF_NETLINK AF_PACKET",
    fcntl: "F_OFD_GETLK F_OFD_SETLK F_OFD_SETLKW F_ADD_SEALS F_GET_SEALS F_SETPIPE_SZ F_GETPIPE_SZ F_NOTIFY",
    time: "CLOCK_BOOTTIME CLOCK_TAI CLOCK_MONOTONIC_RAW",
}
NOT_IN_LIBC = frozenset(
    "syscall unshare setns mount umount2 syncfs prctl capset setfsuid setfsgid inotify_init1 inotify_add_watch inotify_rm_watch "
    "open_tree move_mount mount_setattr pidfd_getfd openat2".split()
)
SIGNALS = {
    word: number
    for number, word in enumerate(
        "HUP INT QUIT ILL TRAP ABRT EMT FPE KILL BUS SEGV SYS PIPE ALRM TERM URG STOP TSTP CONT CHLD TTIN TTOU IO XCPU XFSZ "
        "VTALRM PROF WINCH INFO USR1 USR2".split(),
        start=1,
    )
}
"""signal(3) of macOS."""
F_GETPATH = 50
"""fcntl(2) of macOS."""
SUN_PATH = 104
HIDDEN = (b"/proc", b"/sys")


def become() -> None:
    """From now on this process finds itself on a Mac."""
    leave_root()
    descriptors = os.open("/proc/self/fd", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    names_of_open_files(descriptors)
    sysconfig.get_config_vars()  # they lie in a file that is called after the system
    sys.platform = "darwin"
    told = platform.uname_result("Darwin", "mac.local", "23.1.0", "Darwin Kernel Version 23.1.0", "arm64")  # type: ignore[call-arg]
    platform.uname = lambda: told
    proxies = types.ModuleType("_scproxy")
    proxies._get_proxy_settings = proxies._get_proxies = dict  # type: ignore[attr-defined]
    sys.modules["_scproxy"] = proxies
    for module, names in LACKING.items():
        for name in names.split():
            if hasattr(module, name):
                delattr(module, name)
    selectors.DefaultSelector = selectors.PollSelector  # type: ignore[misc]
    number_signals()
    limit_sockets()
    limit_files()
    limit_libc()
    hide()


def leave_root() -> None:
    """Be an ordinary user, who owns what root owned, where a user namespace is to be had. user_namespaces(7)"""
    if os.geteuid() == 0 and "--root" not in sys.argv and ctypes.CDLL(None).unshare(0x10000000) == 0:
        for name, text in (("setgroups", "deny"), ("uid_map", "1000 0 1"), ("gid_map", "1000 0 1")):
            Path("/proc/self", name).write_text(text)


def names_of_open_files(descriptors: int) -> None:
    """F_GETPATH. descriptors: the open /proc/self/fd, which is about to be hidden."""
    plain, readlink = fcntl.fcntl, os.readlink

    def asked(number: Any, command: int, argument: Any = 0) -> Any:
        if command != F_GETPATH:
            return plain(number, command, argument)
        return os.fsencode(readlink(str(number), dir_fd=descriptors)).ljust(len(argument), b"\0")

    fcntl.fcntl = asked
    fcntl.F_GETPATH = F_GETPATH  # type: ignore[attr-defined]


def number_signals() -> None:
    numbers = IntEnum("Signals", {f"SIG{word}": number for word, number in SIGNALS.items()})  # type: ignore[misc]
    signal.Signals = numbers  # type: ignore[misc, assignment]
    for each in numbers:
        if each.name in ("SIGINT", "SIGTERM", "SIGKILL", "SIGHUP", "SIGPIPE"):
            continue  # the same everywhere, and known to Python by their type
        setattr(signal, each.name, each)


def limit_sockets() -> None:
    """No packets between processes, no abstract names, short paths; and a client who has left has no options any more."""
    begin, bind, connect, setsockopt = socket.socket.__init__, socket.socket.bind, socket.socket.connect, socket.socket.setsockopt

    def made(self: socket.socket, family: int = -1, type: int = -1, proto: int = -1, fileno: int | None = None) -> None:
        if (family, type) == (socket.AF_UNIX, socket.SOCK_SEQPACKET):
            raise OSError(errno.EPROTONOSUPPORT, "Protocol not supported")
        begin(self, family, type, proto, fileno)

    def checked(call: Callable[[socket.socket, Any], None]) -> Callable[[socket.socket, Any], None]:
        def asked(self: socket.socket, address: Any) -> None:
            if self.family == socket.AF_UNIX:
                name = os.fsencode(address)
                if name.startswith(b"\0"):
                    raise FileNotFoundError(errno.ENOENT, "No such file or directory")
                if len(name) >= SUN_PATH:
                    raise OSError("AF_UNIX path too long")
            call(self, address)

        return asked

    def option(self: socket.socket, *words: Any) -> None:
        with suppress(BlockingIOError, OSError):
            if self.type == socket.SOCK_STREAM and self.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT) == b"":
                raise ValueError
        setsockopt(self, *words)

    def refusing(self: socket.socket, *words: Any) -> None:
        try:
            option(self, *words)
        except ValueError:
            raise OSError(errno.EINVAL, "Invalid argument") from None

    socket.socket.__init__ = made  # type: ignore[method-assign, assignment]
    socket.socket.bind, socket.socket.connect = checked(bind), checked(connect)  # type: ignore[method-assign]
    socket.socket.setsockopt = refusing  # type: ignore[method-assign]


def limit_files() -> None:
    """FIFOs and nodes have paths (before macOS 13), unlink(2) of a directory is EPERM, no clock has the number 5, and sync(2)
    returns at once."""
    os.sync = lambda: None
    unlink, mknod, mkfifo = os.unlink, os.mknod, os.mkfifo

    def by_path(call: Callable[..., None]) -> Callable[..., None]:
        def made(*words: Any, dir_fd: int | None = None) -> None:
            if dir_fd is not None:
                raise NotImplementedError("dir_fd unavailable on this platform")
            call(*words)

        return made

    def unlinked(path: Any, *, dir_fd: int | None = None) -> None:
        try:
            unlink(path, dir_fd=dir_fd)
        except IsADirectoryError:
            raise PermissionError(errno.EPERM, "Operation not permitted", path) from None

    os.mknod, os.mkfifo = by_path(mknod), by_path(mkfifo)
    os.unlink = os.remove = unlinked
    clocks = (time.clock_gettime, time.clock_gettime_ns)

    def known(call: Callable[[int], Any]) -> Callable[[int], Any]:
        def asked(number: int) -> Any:
            if number not in (time.CLOCK_REALTIME, time.CLOCK_MONOTONIC, time.CLOCK_PROCESS_CPUTIME_ID):
                raise OSError(errno.EINVAL, "Invalid argument")
            return call(number)

        return asked

    time.clock_gettime, time.clock_gettime_ns = map(known, clocks)


def limit_libc() -> None:
    class Library(ctypes.CDLL):
        def __getattr__(self, name: str) -> Any:
            if name in NOT_IN_LIBC:
                raise AttributeError(f"dlsym(RTLD_DEFAULT, {name}): symbol not found")
            return super().__getattr__(name)

    ctypes.CDLL = Library  # type: ignore[misc]


def hide() -> None:
    """There is no /proc and no /sys: neither for what opens nor for what looks."""

    def is_hidden(path: Any) -> bool:
        if not isinstance(path, str | bytes | os.PathLike):
            return False
        place = os.fsencode(path)
        return any(place == each or place.startswith(each + b"/") for each in HIDDEN)

    def guarded(call: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(call)
        def asked(path: Any = ".", *words: Any, **more: Any) -> Any:
            if is_hidden(path):
                raise FileNotFoundError(errno.ENOENT, "No such file or directory", path)
            return call(path, *words, **more)

        return asked

    def audit(event: str, words: tuple[Any, ...]) -> None:
        if event in ("open", "os.listdir", "os.scandir") and is_hidden(words[0]):
            raise FileNotFoundError(errno.ENOENT, "No such file or directory", words[0])

    for name in ("stat", "lstat", "readlink"):
        setattr(os, name, guarded(getattr(os, name)))
    os.supports_dir_fd |= {os.stat, os.unlink, os.readlink}
    os.supports_follow_symlinks |= {os.stat}
    os.supports_fd |= {os.stat}
    sys.addaudithook(audit)
