"""ps(1) of the host over the processes of one container, who have the names that the container knows.

    ps -f -u www-data          1. which of the container's?    ps -u www-data -o pid=
                               2. these, as asked for          ps -f -p 4711,4712

The host's ps has the host's names. So it is run where /etc/passwd and /etc/group say what the container's say (`linux.apart`),
and where the container has users of its own, in their namespace: there the kernel itself gives the numbers as they are inside.
"""

import os
import shutil
import stat
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from podlink.engine.errors import EngineUnavailable, ErrorOccurred
from podlink.engine.linux import proc
from podlink.engine.linux.apart import run_apart
from podlink.engine.linux.programs import SEARCH_PATH
from podlink.engine.runtime.base import Accounts
from podlink.engine.runtime.monitor.start import ENVIRONMENT
from podlink.engine.runtime.ps_options import parse

NOBODY = 2**22 + 1
"""Above every PID: PID_MAX_LIMIT, include/linux/threads.h."""
NODE = 0o620
"""The mode of a terminal's node; it is looked at, and never opened."""
SWITCH = "passwd: files\ngroup: files\n"
"""nsswitch.conf(5): nobody else is asked for names."""


def ps(options: Sequence[str], pids: Collection[int], accounts: Accounts, folder: Path) -> list[str]:
    """What ps writes, a line each. folder: for files that are needed meanwhile. Raises ErrorOccurred with the words of ps."""
    asked, chosen = parse(options), set(pids)
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    with TemporaryDirectory(dir=folder, prefix="ps-") as scratch, _users_of(pids) as users:
        run = partial(_run, users=users, places=_places(Path(scratch), pids, accounts), options=options)
        if asked.choice:
            chosen &= {int(line) for line in run([*asked.choice, "-o", "pid="])}
        return run([*asked.shown, "-p", ",".join(map(str, sorted(chosen))) or str(NOBODY)])


def _run(words: Sequence[str], users: int | None, places: Mapping[Path, Path], options: Sequence[str]) -> list[str]:
    """ps ends with 1 also where it has found nobody; what it refuses it says. users: the namespace that it is to enter."""
    argv: list[str] = [_program("ps", "procps"), *words]
    handed: tuple[int, ...] = ()
    if users is not None:
        inside = [_program("nsenter", "util-linux"), f"--user=/proc/self/fd/{users}", "--setuid=0", "--setgid=0", "--"]
        argv, handed = inside + argv, (users,)
    done = run_apart(argv, places, ENVIRONMENT, handed)
    told = done.stderr.decode(errors="replace").strip().splitlines()
    if done.returncode != 0 and told:
        raise ErrorOccurred(f"ps {' '.join(options)}: {told[0]}")
    return done.stdout.decode(errors="replace").splitlines()


def _places(folder: Path, pids: Collection[int], accounts: Accounts) -> dict[Path, Path]:
    """The host's places where ps looks for names, and what it is to see there; those that the host lacks, nobody looks at.

    A terminal has its name only where there is a node for it.
    """
    texts = {"passwd": _passwd(accounts), "group": _group(accounts), "nsswitch.conf": SWITCH}
    for name, text in texts.items():
        (folder / name).write_text(text)
        (folder / name).chmod(0o644)
    (folder / "pts").mkdir()
    for number in _terminals(pids):
        os.mknod(folder / "pts" / str(number), stat.S_IFCHR | NODE, os.makedev(proc.PSEUDO_TERMINALS, number))
    for each in (folder, folder / "pts"):
        each.chmod(0o755)
    found = {Path("/etc", name): folder / name for name in texts} | {Path("/dev/pts"): folder / "pts"}
    return {place: instead for place, instead in found.items() if place.exists()}


def _terminals(pids: Collection[int]) -> set[int]:
    """The numbers of the processes' pseudo terminals."""
    found = set()
    for pid in pids:
        with suppress(ProcessLookupError):  # it ended just now
            found.add(proc.info(pid).tty)
    return {int(name.removeprefix("pts/")) for name in found if name.startswith("pts/")}


@contextmanager
def _users_of(pids: Collection[int]) -> Iterator[int | None]:
    """The descriptor of the processes' user namespace, where that is not ours: user_namespaces(7)."""
    ours = Path("/proc/self/ns/user").stat().st_ino
    for pid in pids:
        try:
            descriptor = os.open(f"/proc/{pid}/ns/user", os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            continue  # it ended just now
        try:
            yield None if os.fstat(descriptor).st_ino == ours else descriptor
        finally:
            os.close(descriptor)
        return
    yield None


def _program(name: str, package: str) -> str:
    found = shutil.which(name, path=SEARCH_PATH)
    if found is None:
        raise EngineUnavailable(f"{name} was not found in {SEARCH_PATH}; install it: apt install {package}")
    return found


def _passwd(accounts: Accounts) -> str:
    """passwd(5)."""
    return "".join(f"{name}:x:{uid}:{gid}:::\n" for name, uid, gid in accounts.users)


def _group(accounts: Accounts) -> str:
    """group(5)."""
    return "".join(f"{name}:x:{gid}:\n" for name, gid in accounts.groups)
