"""`ulimit`: what a process may use, as setrlimit(2) has it. The limits are told, changed and inherited; nothing here is held
to them but the number of processes, which is the container's own limit (see `run.Run.limit`).
"""

from typing import TYPE_CHECKING

from podlink.engine.runtime.emulator.process import Exited, Process
from podlink.engine.runtime.emulator.userland.control import ShellFault

if TYPE_CHECKING:
    from podlink.engine.runtime.emulator.userland.shell import Shell

KINDS = {
    "c": ("RLIMIT_CORE", 512),
    "d": ("RLIMIT_DATA", 1024),
    "f": ("RLIMIT_FSIZE", 512),
    "l": ("RLIMIT_MEMLOCK", 1024),
    "m": ("RLIMIT_RSS", 1024),
    "n": ("RLIMIT_NOFILE", 1),
    "p": ("RLIMIT_NPROC", 1),
    "s": ("RLIMIT_STACK", 1024),
    "t": ("RLIMIT_CPU", 1),
    "u": ("RLIMIT_NPROC", 1),
    "v": ("RLIMIT_AS", 1024),
}
"""By its option: the resource, and how much of it one of ulimit's units is."""
INFINITY = 2**64 - 1
HARD, SOFT = "H", "S"


def ulimit(shell: "Shell", argv: list[str]) -> int:
    """`ulimit [-HS] [-cdflmnpstuv] [LIMIT|unlimited]`; without a letter it is `-f`."""
    letters = "".join(word[1:] for word in argv[1:] if word.startswith("-"))
    values = [word for word in argv[1:] if not word.startswith("-")]
    if unknown := [letter for letter in letters if letter not in KINDS and letter not in HARD + SOFT]:
        raise ShellFault(f"ulimit: invalid option -- '{unknown[0]}'", 1)
    kind, unit = KINDS[next((letter for letter in letters if letter in KINDS), "f")]
    soft, hard = limits(shell.process).get(kind, (INFINITY, INFINITY))
    if not values:
        chosen = hard if HARD in letters and SOFT not in letters else soft
        shell.process.write(1, ("unlimited" if chosen >= INFINITY else str(chosen // unit)) + "\n")
        return 0
    _change(shell, kind, _amount(values[0], unit), letters, soft, hard)
    return 0


def limits(process: Process) -> dict[str, tuple[int, int]]:
    """The process's own, else those that the container was started with: soft and hard, by the resource's name."""
    if not process.limits:
        started_with = process.run.launch.spec["process"].get("rlimits", ())
        process.limits = {each["type"]: (each["soft"], each["hard"]) for each in started_with}
    return process.limits


def _amount(text: str, unit: int) -> int:
    if text == "unlimited":
        return INFINITY
    if not text.isdecimal():
        raise ShellFault("ulimit: bad number", 1)
    return int(text) * unit


def _change(shell: "Shell", kind: str, amount: int, letters: str, soft: int, hard: int) -> None:
    """The hard limit is only ever lowered, and the soft one is below it. busybox leaves the script where it is refused."""
    both = HARD not in letters and SOFT not in letters
    soft = amount if both or SOFT in letters else soft
    lowered = amount if both or HARD in letters else hard
    if lowered > hard or soft > lowered:
        shell.complain("error setting limit: " + ("Operation not permitted" if lowered > hard else "Invalid argument"))
        raise Exited(1)
    limits(shell.process)[kind] = (soft, lowered)
