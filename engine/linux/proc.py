"""What /proc tells of a process: proc(5).

A number does not identify a process: it is given again once its bearer is gone. Number, start time and boot together do,
so every question "is it still there?" here asks for all three.

    /proc/PID/stat    4711 (a name) with (parens)) S 1 4711 4711 0 -1 …
                      └1─┘ └──────────2──────────┘ 3 4  …           22: start time, in clock ticks since boot

Every function takes `root`, so that a test can read a /proc of its own making. A process that is gone raises
ProcessLookupError, as kill(2) would; `alive` answers False instead.
"""

import errno
import fcntl
import os
import signal
from dataclasses import dataclass
from functools import cache
from pathlib import Path

PROC = Path("/proc")
PSEUDO_TERMINALS = 136
"""The first of their eight major numbers: Documentation/admin-guide/devices.txt."""
PF_EXITING = 0x4
"""include/linux/sched.h"""
TICKS = os.sysconf("SC_CLK_TCK")
NAMESPACES = ("cgroup", "ipc", "mnt", "net", "pid", "user", "uts")
NS_GET_NSTYPE = 0xB703
"""linux/nsfs.h"""
KINDS = {
    0x00000080: "time",
    0x00020000: "mnt",
    0x02000000: "cgroup",
    0x04000000: "uts",
    0x08000000: "ipc",
    0x10000000: "user",
    0x20000000: "pid",
    0x40000000: "net",
}
"""By CLONE_NEW… of linux/sched.h."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Info:
    """One process, as ps(1) would tell. cpu_time: seconds; started: seconds since the epoch; tty: `pts/0`, or `?` for none."""

    pid: int
    ppid: int
    uid: int
    cpu_time: float
    started: float
    tty: str
    command: str


@dataclass(frozen=True, slots=True)
class Memory:
    """Bytes of the whole host, as /proc/meminfo has them."""

    total: int
    free: int
    swap_total: int
    swap_free: int


def boot_id(root: Path = PROC) -> str:
    """A random name of this boot of the kernel: random(4)."""
    return (root / "sys/kernel/random/boot_id").read_text().strip()


def name(pid: int, root: Path = PROC) -> str:
    """What the process calls itself, or the file that it executes is called: field 2 of its stat, at most 15 bytes."""
    return _stat(pid, root)[2]


def start_time(pid: int, root: Path = PROC) -> int:
    """When the process started, in clock ticks since boot: field 22 of its stat."""
    return int(_stat(pid, root)[22])


def state(pid: int, root: Path = PROC) -> str:
    """One letter: R running, S sleeping, D waiting for a disk, T stopped, Z zombie, X dead, I idle."""
    return _stat(pid, root)[3]


def alive(pid: int, start: int, boot: str, root: Path = PROC) -> bool:
    """Whether this very process still runs. A zombie has ended; only its parent has not noticed yet."""
    if boot != boot_id(root):
        return False
    try:
        fields = _stat(pid, root)
    except ProcessLookupError:
        return False
    return int(fields[22]) == start and fields[3] not in ("Z", "X")


def is_ending(pid: int, root: Path = PROC) -> bool:
    """Whether the process is on its way out, or gone: PF_EXITING among its flags, or a SIGKILL that it has not come to yet."""
    try:
        if int(_stat(pid, root)[9]) & PF_EXITING:
            return True
        lines = _read(root / str(pid) / "status").splitlines()
    except ProcessLookupError:
        return True
    pending = [int(line.split()[1], 16) for line in lines if line.startswith(("SigPnd:", "ShdPnd:"))]
    return any(mask & 1 << signal.SIGKILL - 1 for mask in pending)


def namespaces(pid: int, root: Path = PROC) -> dict[str, str]:
    """The inode number of each of the process's namespaces by its name in /proc/PID/ns; "" where unknown: namespaces(7)."""
    return {name: namespace(pid, name, root) for name in NAMESPACES}


def namespace(pid: int, name: str, root: Path = PROC) -> str:
    """The inode number of one of them."""
    try:
        link = os.readlink(f"{root}/{pid}/ns/{name}")  # noqa: PTH115 (asked at every start)
    except OSError:
        return ""
    return link.partition("[")[2].rstrip("]")


def kind_of_namespace(path: str) -> str:
    """What a namespace's file stands for, by its name in /proc/PID/ns; "" where it stands for none: ioctl_ns(2)."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError:
        return ""
    try:
        return KINDS.get(fcntl.ioctl(descriptor, NS_GET_NSTYPE), "")
    except OSError:
        return ""
    finally:
        os.close(descriptor)


def info(pid: int, root: Path = PROC) -> Info:
    """What ps(1) tells of one process."""
    fields = _stat(pid, root)
    return Info(
        pid=pid,
        ppid=int(fields[4]),
        uid=_uid(pid, root),
        cpu_time=(int(fields[14]) + int(fields[15])) / TICKS,
        started=_boot_time(root) + int(fields[22]) / TICKS,
        tty=_terminal(int(fields[7])),
        command=_command(pid, fields[2], root),
    )


def memory(root: Path = PROC) -> Memory:
    """How much memory and swap the host has, and has left."""
    lines = (line.split() for line in (root / "meminfo").read_text().splitlines())
    kibibytes = {words[0].rstrip(":"): int(words[1]) for words in lines if len(words) > 1}
    names = ("MemTotal", "MemFree", "SwapTotal", "SwapFree")
    return Memory(*(kibibytes.get(name, 0) * 1024 for name in names))


def uptime(root: Path = PROC) -> float:
    """Seconds since boot."""
    return float((root / "uptime").read_text().split()[0])


def _stat(pid: int, root: Path) -> list[str]:
    """The fields of /proc/PID/stat by their number in proc_pid_stat(5); [0] is unused.

    The name (field 2) may hold anything, spaces and parentheses too: it ends at the last closing parenthesis of the line.
    """
    number, _, rest = _read(root / str(pid) / "stat").partition("(")
    name, _, tail = rest.rpartition(")")
    return ["", number.strip(), name, *tail.split()]


def _read(path: Path) -> str:
    """The text of a process's file. Its end shows as ENOENT before the file is opened and as ESRCH after."""
    try:
        return path.read_text(errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        raise ProcessLookupError(errno.ESRCH, os.strerror(errno.ESRCH), str(path)) from None


def _uid(pid: int, root: Path) -> int:
    """The effective user ID: the second number of `Uid:` in /proc/PID/status."""
    lines = _read(root / str(pid) / "status").splitlines()
    return next((int(line.split()[2]) for line in lines if line.startswith("Uid:")), 0)


@cache
def _boot_time(root: Path) -> int:
    """When the host booted, in seconds since the epoch: `btime` of /proc/stat."""
    lines = (root / "stat").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("btime "))


def _terminal(number: int) -> str:
    """The name of a controlling terminal by its device number: 136 to 143 are pseudo terminals, 4 consoles and serial lines."""
    major, minor = os.major(number), os.minor(number)
    if PSEUDO_TERMINALS <= major <= PSEUDO_TERMINALS + 7:
        return f"pts/{(major - PSEUDO_TERMINALS) * 256 + minor}"
    if major == 4:
        return f"tty{minor}" if minor < 64 else f"ttyS{minor - 64}"
    return "console" if (major, minor) == (5, 1) else "?"


def _command(pid: int, name: str, root: Path) -> str:
    """The command line with its arguments parted by spaces; a kernel thread and a zombie have none: then `[name]`."""
    words = _read(root / str(pid) / "cmdline").rstrip("\0").replace("\0", " ")
    return words or f"[{name}]"
