"""The builtins that set what a shell knows: export getopts let local read readonly set shift unset."""

import re
from collections.abc import Callable
from typing import TYPE_CHECKING

from podlink.engine.runtime.emulator.userland import arithmetic
from podlink.engine.runtime.emulator.userland.control import ShellFault

if TYPE_CHECKING:
    from podlink.engine.runtime.emulator.userland.shell import Shell

Builtin = Callable[["Shell", list[str]], int]
NAME = re.compile(r"[A-Za-z_]\w*")


def fail(shell: "Shell", argv: list[str], message: str, code: int = 2) -> int:
    """Complain as busybox does, in the name of the builtin."""
    shell.complain(f"{argv[0]}: line 0: {message}")
    return code


def number(shell: "Shell", argv: list[str], default: int) -> int:
    """The number that is the only argument. One that is none ends the shell."""
    if len(argv) < 2:
        return default
    if not argv[1].isdecimal():
        raise ShellFault(f"{argv[0]}: line 0: Illegal number: {argv[1]}")
    return int(argv[1])


def export(shell: "Shell", argv: list[str]) -> int:
    """`export` and `readonly`; alone they list."""
    marked = shell.exported if argv[0] == "export" else shell.fixed
    words = [word for word in argv[1:] if word != "-p"]
    if not words:
        for name in sorted(marked):
            value = f"={quoted(shell.variables[name])}" if name in shell.variables else ""
            shell.process.write(1, f"{argv[0]} {name}{value}\n")
    for word in words:
        name, equals, value = word.partition("=")
        if not NAME.fullmatch(name):
            raise ShellFault(f"{argv[0]}: line 0: {word}: bad variable name")
        if equals:
            shell.assign(name, value)
        marked.add(name)
    return 0


def local(shell: "Shell", argv: list[str]) -> int:
    """Variables that are as they were once the function returns."""
    if not shell.scopes:
        raise ShellFault("local: line 0: not in a function")
    for word in argv[1:]:
        name, equals, value = word.partition("=")
        if not NAME.fullmatch(name):
            raise ShellFault(f"local: line 0: {word}: bad variable name")
        shell.scopes[-1].setdefault(name, shell.variables.get(name))
        if equals:
            shell.assign(name, value)
    return 0


def quoted(text: str) -> str:
    """So that a shell reads it back."""
    return "'" + text.replace("'", "'\"'\"'") + "'"


def unset(shell: "Shell", argv: list[str]) -> int:
    for name in argv[1:]:
        if name in shell.fixed:
            raise ShellFault(f"unset: line 0: {name}: is read only")
        if name not in ("-v", "-f"):
            shell.variables.pop(name, None)
            shell.exported.discard(name)
            shell.functions.pop(name, None)
    return 0


def set_(shell: "Shell", argv: list[str]) -> int:
    """Options, and after them or after `--` the positional parameters; alone it lists the variables."""
    words = argv[1:]
    if not words:
        shell.process.write(1, "".join(f"{name}={quoted(value)}\n" for name, value in sorted(shell.variables.items())))
        return 0
    while words and words[0][:1] in ("-", "+") and words[0] not in ("-", "--"):
        word = words.pop(0)
        for letter in word[1:]:
            if letter == "o" and words:
                letter = LONG.get(named := words.pop(0), named)
            if letter not in shell.options:
                raise ShellFault(f"set: line 0: illegal option {word}")
            shell.options[letter] = word.startswith("-")
    if words:
        shell.parameters = words[1:] if words[0] == "--" else words
    return 0


LONG = {"allexport": "a", "errexit": "e", "noglob": "f", "nounset": "u", "xtrace": "x"}
"""The names of options that letters have; `pipefail` has none."""


def shift(shell: "Shell", argv: list[str]) -> int:
    count = number(shell, argv, 1)
    if count > len(shell.parameters):
        return 1
    shell.parameters = shell.parameters[count:]
    return 0


def let(shell: "Shell", argv: list[str]) -> int:
    """Arithmetic; 1 where the last value is 0."""
    try:
        values = [arithmetic.evaluate(each, shell.variables) for each in argv[1:]]
    except arithmetic.ArithmeticFault as fault:
        raise ShellFault(str(fault)) from None
    return int(not (values and values[-1]))


def getopts(shell: "Shell", argv: list[str]) -> int:
    """`getopts LETTERS NAME [WORD…]`: the next option into NAME, its value into OPTARG; 1 when there are no more."""
    if len(argv) < 3:
        return fail(shell, argv, "usage: getopts optstring var [arg]")
    letters, name, words = argv[1], argv[2], argv[3:] or shell.parameters
    index = int(shell.variables["OPTIND"]) if shell.variables.get("OPTIND", "").isdecimal() else 1
    if not shell.letter:
        word = words[index - 1] if index <= len(words) else ""
        if len(word) < 2 or word[0] != "-" or word == "--":
            shell.assign("OPTIND", str(index + (word == "--")))
            shell.assign(name, "?")
            return 1
        index, shell.letter = index + 1, 1
    word, at = words[index - 2], shell.letter
    found, value = _option(shell, letters, word[at], word[at + 1 :], words[index - 1 :])
    is_over = value is not None or at + 1 >= len(word)
    shell.letter = 0 if is_over else at + 1
    shell.assign("OPTIND", str(index + bool(value and at + 1 >= len(word))))
    shell.assign(name, found)
    return 0


def _option(shell: "Shell", letters: str, letter: str, rest: str, following: list[str]) -> tuple[str, str | None]:
    """What an option is told as, and its value where it takes one. Mistakes are told, or (`:` in front) left to the script."""
    silent, known = letters.startswith(":"), letters.lstrip(":")
    place = known.find(letter) if letter != ":" else -1
    takes = place >= 0 and known[place + 1 : place + 2] == ":"
    shell.variables.pop("OPTARG", None)
    if place >= 0 and not takes:
        return letter, None
    if takes and (rest or following):
        value = rest or following[0]
        shell.assign("OPTARG", value)
        return letter, value
    if silent:
        shell.assign("OPTARG", letter)
    else:
        shell.process.write(2, f"No arg for -{letter} option\n" if takes else f"Illegal option -{letter}\n")
    return (":" if takes and silent else "?"), "" if takes else None


def read(shell: "Shell", argv: list[str]) -> int:
    """read [-r] [-s] [-p PROMPT] [-n COUNT] [-t SECONDS] [-d DELIMITER] [NAME…]: one line of the standard input."""
    found, names = _reading(argv)
    process = shell.process
    if "p" in found and process.terminal(0):
        process.write(2, found["p"])
    deadline = process.run.clock.monotonic() + float(found["t"]) if "t" in found else None
    most = int(found["n"]) if "n" in found else None
    line, ended = _line(shell, "r" in found, (found.get("d", "\n")[:1] or "\0").encode(), most, deadline)
    blanks = "".join(char for char in shell.variables.get("IFS", " \t\n") if char in " \t\n")
    rest = line.strip(blanks) if blanks and "n" not in found else line
    for name in names[:-1]:
        first, rest = _first(rest, shell.variables.get("IFS", " \t\n"))
        shell.assign(name, first)
    shell.assign(names[-1], rest)
    return 0 if ended else 1


def _reading(argv: list[str]) -> tuple[dict[str, str], list[str]]:
    """The options of `read`, and its names."""
    words, found = argv[1:], dict[str, str]()
    while words and words[0].startswith("-") and words[0] != "-":
        letters = words.pop(0)[1:]
        while letters:
            letter, letters = letters[0], letters[1:]
            if letter not in "rspntd":
                raise ShellFault(f"read: line 0: illegal option -{letter}")
            found[letter] = ""
            if letter in "pntd":
                if not letters and not words:
                    raise ShellFault(f"read: line 0: no arg for -{letter} option")
                found[letter], letters = letters or words.pop(0), ""
                if letter in "nt" and not re.fullmatch(r"\d+(\.\d+)?", found[letter]):
                    raise ShellFault("read: line 0: invalid count" if letter == "n" else "read: line 0: invalid timeout")
    return found, words or ["REPLY"]


def _line(shell: "Shell", raw: bool, delimiter: bytes, most: int | None, deadline: float | None) -> tuple[str, bool]:
    """The line, a byte at a time, for what follows is somebody else's; and whether it is whole. most: bytes, of which no more."""
    line = b""
    channel = shell.process.channel(0)

    def byte() -> bytes:
        return shell.process.read(0, 1) if deadline is None else shell.process.block(lambda: channel.read(1), deadline) or b""

    while (most is None or len(line) < most) and (found := byte()):
        if found == delimiter:
            return line.decode(errors="surrogateescape"), True
        if found == b"\\" and not raw:
            escaped = byte()
            line += b"" if escaped == b"\n" else escaped
            continue
        line += found
    return line.decode(errors="surrogateescape"), most is not None and len(line) >= most


def _first(text: str, separators: str) -> tuple[str, str]:
    """The first field and what is left of the line."""
    if not separators:
        return text, ""
    found = re.match(rf"([^{re.escape(separators)}]*)[{re.escape(separators)}]?[ \t]*(.*)", text, re.DOTALL)
    return (found[1], found[2]) if found else (text, "")
