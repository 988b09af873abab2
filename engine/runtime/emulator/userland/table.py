"""Every program of the userland by the name that it is called by. A file of an image stands for the one of its name.

Each is loaded when it is first run: who only starts a function of their own waits for none of them.
"""

from contextlib import suppress

from podlink.engine.runtime.emulator.process import Process, Program
from podlink.engine.runtime.emulator.programs import Late
from podlink.engine.runtime.emulator.userland.command import complain, name, reason

HOMES = {
    "archives": "gunzip gzip tar zcat",
    "attributes": "mktemp stat",
    "awk.command": "awk",
    "blocks": "cmp dd sync truncate",
    "calling": "killall pgrep pidof pkill",
    "conditions": "[ test",
    "digests": "base64 md5sum sha1sum sha256sum sha512sum",
    "dumping": "od",
    "expr": "expr",
    "files": "cp ln ls mkdir mv pwd rm rmdir touch",
    "filters": "tac tee uniq xargs",
    "finding": "find",
    "grep": "egrep fgrep grep",
    "installing": "install",
    "lines": "fold nl paste rev shuf",
    "paths": "basename dirname readlink realpath timeout which",
    "permissions": "chgrp chmod chown",
    "printing": "echo printf seq yes",
    "reaching": "nc ping wget",
    "sed": "sed",
    "sh": "ash bash dash sh",
    "space": "df du",
    "system": "date env false groups hostname id kill nproc printenv ps setsid sleep true uname usleep whoami",
    "terminals": "stty tty",
    "texts": "cat cut head sort tail tr wc",
}
"""The module of each."""
CALLED = {"[": "test"} | dict.fromkeys(("ash", "bash", "dash", "sh"), "main")
"""The functions that have other names than their programs."""


class Applet(Late):
    """A program of a module here. It tells of a write that is refused in one line and not with a traceback."""

    def __call__(self, process: Process) -> int | None:
        try:
            return super().__call__(process)
        except OSError as error:
            with suppress(OSError):
                complain(process, f"write error: {reason(error)}")
            return 1


def busybox(process: Process) -> int | None:
    """`busybox NAME [ARGUMENT]…`: one of the others."""
    called, words = name(process), process.argv[1:]
    if called != "busybox":  # a link to it by the name of a command that it would have
        words = [called]
    if not words:
        process.write(1, "Currently defined functions:\n\t" + ", ".join(sorted(PROGRAMS)) + "\n")
        return 0
    if words[0] not in PROGRAMS:
        process.write(2, f"{words[0]}: applet not found\n")
        return 127
    process.argv = words
    return PROGRAMS[words[0]](process)


PROGRAMS: dict[str, Program] = {
    called: Applet(f"{__package__}.{module}", CALLED.get(called, called))
    for module, names in HOMES.items()
    for called in names.split()
}
PROGRAMS["busybox"] = Applet(__name__, "busybox")
