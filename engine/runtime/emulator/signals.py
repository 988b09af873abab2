"""Signals as emulated processes know them: which can be caught, which stop, and what a shell says of them. signal(7)"""

from podlink.engine.linux.signals import LAST, NUMBERS, WORDS

HUP, INT, QUIT, KILL, PIPE, TERM, CHLD, CONT, STOP, TSTP, TTIN, TTOU, WINCH = (
    NUMBERS[word] for word in "HUP INT QUIT KILL PIPE TERM CHLD CONT STOP TSTP TTIN TTOU WINCH".split()
)
UNCATCHABLE = frozenset({KILL, STOP})
STOPPING = frozenset({STOP, TSTP, TTIN, TTOU})
HARMLESS = frozenset({CHLD, CONT, WINCH, NUMBERS["URG"]})
"""What a process without a handler does not notice."""

DESCRIPTIONS = {
    "HUP": "Hangup",
    "QUIT": "Quit",
    "ILL": "Illegal instruction",
    "TRAP": "Trace/breakpoint trap",
    "ABRT": "Aborted",
    "BUS": "Bus error",
    "FPE": "Arithmetic exception",
    "KILL": "Killed",
    "USR1": "User defined signal 1",
    "SEGV": "Segmentation fault",
    "USR2": "User defined signal 2",
    "ALRM": "Alarm clock",
    "TERM": "Terminated",
    "STOP": "Stopped (signal)",
    "TSTP": "Stopped",
    "TTIN": "Stopped (tty input)",
    "TTOU": "Stopped (tty output)",
}


def number_of(text: str) -> int | None:
    """The signal that `TERM`, `sigterm`, `15` or `0` means; None: no signal is called so."""
    if text.isdecimal():
        return int(text) if int(text) <= LAST else None
    return NUMBERS.get(text.upper().removeprefix("SIG"))


def name_of(number: int) -> str:
    """`TERM` for 15; a real-time signal has no name here but its number."""
    return WORDS[number - 1] if 1 <= number <= len(WORDS) else str(number)


def description_of(number: int) -> str:
    """What a shell says of a child that the signal ended or stopped, as strsignal(3)."""
    return DESCRIPTIONS.get(name_of(number), f"Signal {number}")
