"""Signals by the numbers that Linux gives them on x86 and ARM, whatever the system below: signal(7)."""

WORDS = (
    "HUP INT QUIT ILL TRAP ABRT BUS FPE KILL USR1 SEGV USR2 PIPE ALRM TERM STKFLT "
    "CHLD CONT STOP TSTP TTIN TTOU URG XCPU XFSZ VTALRM PROF WINCH POLL PWR SYS"
).split()
NUMBERS = {word: number for number, word in enumerate(WORDS, start=1)}
LAST = 64

INT, QUIT, KILL, PIPE, TERM, CHLD, CONT, STOP = (
    NUMBERS[word] for word in ("INT", "QUIT", "KILL", "PIPE", "TERM", "CHLD", "CONT", "STOP")
)
UNCATCHABLE = frozenset({KILL, STOP})
STOPPING = frozenset(NUMBERS[word] for word in ("STOP", "TSTP", "TTIN", "TTOU"))
HARMLESS = frozenset(NUMBERS[word] for word in ("CHLD", "CONT", "URG", "WINCH"))
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
    """What a shell says of a child that the signal ended, as strsignal(3)."""
    return DESCRIPTIONS.get(name_of(number), f"Signal {number}")
