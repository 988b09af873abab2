"""Addresses and sockets: `unix:/path;mode=0600`, `unix:@name;uid=0`, `tcp:127.0.0.1:PORT`; socket activation (sd_listen_fds(3)).

Who may call: a path's mode says it; an abstract name has none, so its callers are asked for their user (SO_PEERCRED, unix(7));
whoever reaches a tcp port may. Abstract names are Linux's own: elsewhere such an address is refused.
"""

import os
import re
import socket
import stat
import struct
import sys
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

BACKLOG = 1024
FIRST_FD = 3
LINUX = sys.platform == "linux"
PATH_MAX = 107 if LINUX else 103
"""Bytes that fit into sun_path, less the final NUL: unix(7), and unix(4) of macOS."""


@dataclass(frozen=True, slots=True)
class Address:
    """Where a service is. kind: `unix` or `tcp`; a unix name that starts with `@` is abstract, without a file.

    mode: of the file. users: who may call at an abstract name beside root and the service's own user.
    """

    kind: str
    name: str
    port: int = 0
    mode: int = 0o600
    users: frozenset[int] = frozenset()

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read an address. Raises ValueError that says what is wrong with it."""
        place, *options = text.split(";")
        if place.startswith("unix:") and (name := place.removeprefix("unix:")):
            if not name.startswith(("/", "@")):
                raise ValueError(f"address {text!r}: a unix address is unix:/absolute/path or unix:@name")
            if len(name.encode()) > PATH_MAX:
                raise ValueError(
                    f"address {text!r}: its path has over {PATH_MAX} bytes, more than a socket's can; choose a shorter one"
                )
            if name.startswith("@"):
                if not LINUX:
                    raise ValueError(f"address {text!r}: only Linux has names without a file; choose unix:/path or tcp:HOST:PORT")
                return cls("unix", name, users=frozenset(int(uid) for uid in _values(text, options, "uid", r"[0-9]{1,10}")))
            modes = _values(text, options, "mode", "[0-7]{3,4}")
            return cls("unix", name, mode=int(modes[-1], 8) if modes else 0o600)
        if found := re.fullmatch(r"tcp:(?:\[([0-9A-Fa-f:.]+)\]|([^:\[\]]+)):(\d{1,5})", place):
            _values(text, options)
            return cls("tcp", found[1] or found[2], int(found[3]))
        raise ValueError(f"address {text!r}: expected unix:/path, unix:@name or tcp:HOST:PORT")

    def connect(self, timeout: float | None = None) -> socket.socket:
        """A connected socket. Raises OSError."""
        if self.kind == "tcp":
            return socket.create_connection((self.name, self.port), timeout)
        link = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            link.settimeout(timeout)
            link.connect(self.sockaddr())
        except BaseException:
            link.close()
            raise
        return link

    def sockaddr(self) -> str:
        return "\0" + self.name[1:] if self.name.startswith("@") else self.name

    def __str__(self) -> str:
        if self.kind == "tcp":
            return f"tcp:[{self.name}]:{self.port}" if ":" in self.name else f"tcp:{self.name}:{self.port}"
        return f"unix:{self.name}"


def _values(text: str, options: list[str], known: str = "", form: str = "") -> list[str]:
    """The values of the one option that this kind of address has. An option that could not hold is refused."""
    for option in options:
        name, _, value = option.partition("=")
        if not known or name != known or not re.fullmatch(form, value):
            may = {"mode": "mode=OCTAL", "uid": "uid=NUMBER", "": "none"}[known]
            raise ValueError(f"address {text!r}: the option {option!r} can't be; an address of this kind may have {may}")
    return [option.partition("=")[2] for option in options]


@dataclass(slots=True)
class Listener:
    """A listening socket. Closing it removes the socket's file, if it is still the one that was made here.

    users: whose calls are taken; None: of whoever can connect.
    """

    socket: socket.socket
    address: str
    file: Path | None = None
    users: frozenset[int] | None = None
    _identity: tuple[int, int] = field(default=(0, 0))

    def __post_init__(self) -> None:
        if self.file:
            found = self.file.stat()
            self._identity = (found.st_dev, found.st_ino)

    def close(self) -> None:
        self.socket.close()
        if self.file:
            with suppress(FileNotFoundError):
                found = self.file.stat()
                if (found.st_dev, found.st_ino) == self._identity:
                    self.file.unlink()
            self.file = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()


def listen(text: str) -> Listener:
    """Listen on an address. Folders that are missing above a socket's file are made, for their owner only.

    Raises ValueError for an address that makes no sense; OSError where it can't be had, naming who answers there already.
    """
    address = Address.parse(text)
    if address.kind == "tcp":
        return _listen_tcp(address)
    file = None if address.name.startswith("@") else Path(address.name)
    if file:
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        _clear(address, file)
    link = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        before = os.umask(0o777)  # nobody may connect until the mode is the one that was asked for
        try:
            link.bind(address.sockaddr())
        finally:
            os.umask(before)
        if file:
            file.chmod(address.mode)
        link.listen(BACKLOG)
    except OSError as error:
        link.close()
        raise OSError(error.errno, f"can't listen on {address}: {error.strerror}") from error
    return Listener(link, str(address), file, None if file else callers(address.users))


def refused(listener: Listener, link: socket.socket) -> str:
    """Why a connection is not taken; empty where it is."""
    if listener.users is None:
        return ""
    pid, uid, _ = struct.unpack("3i", link.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i")))
    return "" if uid in listener.users else f"process {pid} of user {uid} may not call; say uid={uid} in the address if it may"


def callers(more: frozenset[int] = frozenset()) -> frozenset[int]:
    """Who may call where no file's mode says it."""
    return more | {0, os.geteuid()}


def _listen_tcp(address: Address) -> Listener:
    family = socket.AF_INET6 if ":" in address.name else socket.AF_INET
    try:
        link = socket.create_server((address.name, address.port), family=family, backlog=BACKLOG)
    except OSError as error:
        raise OSError(error.errno, f"can't listen on {address}: {error.strerror}") from error
    return Listener(link, str(Address("tcp", address.name, link.getsockname()[1])))


def _clear(address: Address, file: Path) -> None:
    """Remove the file of a service that is gone; refuse where one still answers, or where the file is no socket."""
    try:
        found = file.lstat()
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(found.st_mode):
        raise OSError(f"can't listen on {address}: {file} exists and is not a socket")
    try:
        address.connect(timeout=1).close()
    except (ConnectionRefusedError, FileNotFoundError):
        file.unlink(missing_ok=True)
        return
    except OSError as error:
        raise OSError(f"can't listen on {address}: it can't be told whether somebody answers there ({error})") from error
    raise OSError(f"can't listen on {address}: another service answers there")


def activated() -> Listener | None:
    """The listening socket that a service manager passed in, if it did: of several, the one named `varlink`.

    The variables are removed, so that no child takes them for its own.
    """
    names = [os.environ.pop(name, "") for name in ("LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES")]
    if names[0] != str(os.getpid()) or not names[1].isdecimal() or not (count := int(names[1])):
        return None
    labels = names[2].split(":") if names[2] else []
    index = labels.index("varlink") if count > 1 and "varlink" in labels[:count] else 0
    if count > 1 and "varlink" not in labels[:count]:
        raise ValueError(
            f"socket activation passed {count} sockets and named none of them varlink; set FileDescriptorName=varlink"
        )
    for number in range(count):
        os.set_inheritable(FIRST_FD + number, False)
    link = socket.socket(fileno=FIRST_FD + index)
    address = _described(link)
    return Listener(link, address, users=callers() if address.startswith("unix:@") else None)


def _described(link: socket.socket) -> str:
    name = link.getsockname()
    if link.family == socket.AF_UNIX:
        text = name.decode() if isinstance(name, bytes) else name
        return "unix:" + (f"@{text[1:]}" if text.startswith("\0") else text)
    return str(Address("tcp", name[0], name[1]))
