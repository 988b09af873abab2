"""Commands that ask or change a terminal: tty stty."""

from collections.abc import Iterator

from podlink.engine.runtime.emulator.process import Process
from podlink.engine.runtime.emulator.terminal import CHARACTERS, FLAGS, NAME, OFF, Terminal
from podlink.engine.runtime.emulator.userland.command import complain

WIDTH = 79
UNDEFINED = -1
LISTED = """intr quit erase kill eof eol eol2 swtch start stop susp rprnt werase lnext flush""".split()
STILL = {"start": 0x11, "stop": 0x13, "rprnt": 0x12, "flush": 0x0F}
"""Characters that mean nothing here, and are listed as a kernel has them."""
MODES = (
    "-parenb -parodd -cmspar cs8 -hupcl -cstopb cread -clocal -crtscts",
    "-ignbrk -brkint -ignpar -parmrk -inpck -istrip -inlcr -igncr icrnl ixon -ixoff -iuclc -ixany -imaxbel -iutf8",
    "opost -olcuc -ocrnl onlcr -onocr -onlret -ofill -ofdel nl0 cr0 tab0 bs0 vt0 ff0",
    "isig icanon iexten echo echoe echok -echonl -noflsh -xcase -tostop -echoprt echoctl echoke -flusho -extproc",
)
UNUSUAL = ["-brkint", "-imaxbel"]
"""What a new terminal has otherwise than stty(1) calls sane."""
RAW = dict.fromkeys(("icrnl", "opost", "isig", "icanon"), False)


def tty(process: Process) -> int:
    """tty [-s]"""
    found = process.terminal(0)
    if "-s" not in process.argv[1:]:
        process.write(1, f"{NAME}\n" if found else "not a tty\n")
    return 0 if found else 1


def stty(process: Process) -> int:
    """stty [-a | size | [-]FLAG | CHARACTER ^X | rows N | cols N | raw | sane …]"""
    terminal, words = process.terminal(0), process.argv[1:]
    if terminal is None:
        return complain(process, "standard input: Inappropriate ioctl for device")
    if words in ([], ["-a"]):
        process.write(1, "".join(_told(terminal, bool(words))))
        return 0
    while words:
        word = words.pop(0)
        if word == "size" and not terminal.rows:
            complain(process, "standard input: Numerical result out of range")  # and all is well, to busybox
        elif word == "size":
            process.write(1, f"{terminal.rows} {terminal.columns}\n")
        elif not process.call(lambda word=word: _set(terminal, word, words)):  # type: ignore[misc]
            return complain(process, f"invalid argument '{word}'")
    return 0


def _set(terminal: Terminal, word: str, words: list[str]) -> bool:
    """Do what the word says, which may take the next one with it; whether it says anything."""
    name = word.removeprefix("-")
    if name in FLAGS:
        terminal.set_flags({name: word == name})
    elif name in ("raw", "cooked"):
        terminal.set_flags(RAW if word in ("raw", "-cooked") else dict.fromkeys(RAW, True))
    elif word == "sane":
        terminal.set_flags({flag: flag not in OFF for flag in FLAGS})
        terminal.characters = dict(CHARACTERS)
    elif words and word in ("rows", "cols", "columns") and words[0].isdecimal():
        size = int(words.pop(0))
        terminal.resize(*((size, terminal.columns) if word == "rows" else (terminal.rows, size)))
    elif words and word in CHARACTERS and (byte := _byte(words[0])) is not None:
        terminal.characters[word] = byte
        words.pop(0)
    else:
        return False
    return True


def _byte(text: str) -> int | None:
    """The character that `^C`, `^?`, `x`, `undef` or `^-` means."""
    if text in ("undef", "^-"):
        return UNDEFINED
    if len(text) == 2 and text[0] == "^":
        return 0x7F if text[1] == "?" else ord(text[1].upper()) & 0x1F
    return ord(text) if len(text) == 1 and text.isascii() else None


def _told(terminal: Terminal, everything: bool) -> Iterator[str]:
    size = f" rows {terminal.rows}; columns {terminal.columns};" if everything and terminal.rows else ""
    yield f"speed 38400 baud;{size} line = 0;\n"
    characters = STILL | terminal.characters
    yield from _filled([f"{name} = {_shown(characters.get(name, UNDEFINED))};" for name in LISTED] + ["min = 1;", "time = 0;"])
    now = {name: name if on else f"-{name}" for name, on in terminal.flags.items()}
    if everything:
        for line in MODES:
            yield from _filled([now.get(word.removeprefix("-"), word) for word in line.split()])
    else:
        changed = [now[name] for name in FLAGS if terminal.flags[name] == (name in OFF)]
        yield from _filled(UNUSUAL + changed)


def _shown(byte: int) -> str:
    if byte == UNDEFINED:
        return "<undef>"
    return f"^{chr(byte ^ 0x40)}" if byte < 0x20 or byte == 0x7F else chr(byte)


def _filled(words: list[str]) -> Iterator[str]:
    line = ""
    for word in words:
        if line and len(line) + 1 + len(word) > WIDTH:
            yield f"{line}\n"
            line = ""
        line = f"{line} {word}" if line else word
    yield f"{line}\n"
