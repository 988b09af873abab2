"""Signals by the numbers that Linux gives them on x86 and ARM, whatever the system below: signal(7)."""

WORDS = (
    "HUP INT QUIT ILL TRAP ABRT BUS FPE KILL USR1 SEGV USR2 PIPE ALRM TERM STKFLT "
    "CHLD CONT STOP TSTP TTIN TTOU URG XCPU XFSZ VTALRM PROF WINCH POLL PWR SYS"
).split()
NUMBERS = {word: number for number, word in enumerate(WORDS, start=1)}
OTHER_WORDS = {"IOT": NUMBERS["ABRT"], "CLD": NUMBERS["CHLD"], "IO": NUMBERS["POLL"]}
RTMIN, RTMAX = 34, 64
"""The kernel's first is 32; libc keeps two for itself."""
LAST = RTMAX


def named(word: str) -> int | None:
    """The signal that is called so, without `SIG` in front; None: none is, or one in real time, which are counted from an end."""
    return NUMBERS.get(word) or OTHER_WORDS.get(word)
