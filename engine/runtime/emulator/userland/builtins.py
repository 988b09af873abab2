"""The commands that are part of the shell, for they change it. Each gets the shell and its arguments, and answers a status."""

import errno
import os
import re
import stat
from collections.abc import Callable
from typing import TYPE_CHECKING

from podlink.engine.runtime.emulator import programs, signals
from podlink.engine.runtime.emulator.process import Exited, Interrupted, Process, Program
from podlink.engine.runtime.emulator.tree import refusal
from podlink.engine.runtime.emulator.userland import children, conditions, files, printing, system
from podlink.engine.runtime.emulator.userland.control import Leave, Return, ShellFault
from podlink.engine.runtime.emulator.userland.parser import parse
from podlink.engine.runtime.emulator.userland.ulimit import ulimit

if TYPE_CHECKING:
    from podlink.engine.runtime.emulator.userland.shell import Shell

Builtin = Callable[["Shell", list[str]], int]
SPECIAL = frozenset("break : continue . eval exec exit export readonly return set shift times trap unset".split())
"""An error in one of these ends the shell, and an assignment before it lasts: POSIX, XCU 2.14."""
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


def nothing(shell: "Shell", argv: list[str]) -> int:
    return 0


def leave(shell: "Shell", argv: list[str]) -> int:
    levels = number(shell, argv, 1)
    if shell.loops:
        raise Leave(levels, again=argv[0] == "continue")
    return 0


def return_(shell: "Shell", argv: list[str]) -> int:
    raise Return(number(shell, argv, shell.status) & 0xFF)


def exit(shell: "Shell", argv: list[str]) -> int:
    shell.status = number(shell, argv, shell.status) & 0xFF
    raise Exited(shell.status)


def cd(shell: "Shell", argv: list[str]) -> int:
    asked = argv[1] if len(argv) > 1 else shell.variables.get("HOME", "")
    target = shell.variables.get("OLDPWD", "") if asked == "-" else asked
    process = shell.process
    try:
        real = process.tree.real(target, process.directory)
        if not stat.S_ISDIR(process.tree.host(real).stat().st_mode):
            raise refusal(errno.ENOTDIR, target)
    except OSError as error:
        return fail(shell, argv, f"can't cd to {target}: {os.strerror(error.errno or 0)}")
    shell.variables["OLDPWD"], shell.variables["PWD"] = process.directory, real
    shell.exported |= {"OLDPWD", "PWD"}
    process.directory = real
    if asked == "-":
        process.write(1, real + "\n")
    return 0


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
        letters = LONG.get(words.pop(0), "?") if word in ("-o", "+o") and words else word[1:]
        for letter in letters:
            if letter not in shell.options:
                raise ShellFault(f"set: line 0: illegal option {word}")
            shell.options[letter] = word.startswith("-")
    if words:
        shell.parameters = words[1:] if words[0] == "--" else words
    return 0


LONG = {"errexit": "e", "noglob": "f", "nounset": "u", "xtrace": "x"}


def shift(shell: "Shell", argv: list[str]) -> int:
    count = number(shell, argv, 1)
    if count > len(shell.parameters):
        return 1
    shell.parameters = shell.parameters[count:]
    return 0


def trap(shell: "Shell", argv: list[str]) -> int:
    """`trap COMMAND SIGNAL…`; `-` or only signals: as before; nothing: list."""
    words = argv[2:] if argv[1:2] == ["--"] else argv[1:]
    if not words:
        for each, action in shell.traps.items():
            shell.process.write(1, f"trap -- {quoted(action)} {signals.name_of(each) if each else 'EXIT'}\n")
        return 0
    alone = len(words) == 1 or words[0].isdecimal()
    command = None if alone or words[0] == "-" else words[0]
    for word in words if alone else words[1:]:
        found = 0 if word.upper() == "EXIT" else signals.number_of(word)
        if found is None:
            shell.complain(f"trap: line 0: {word}: invalid signal specification")
            return 1
        shell.trap(found, command)
    return 0


def wait(shell: "Shell", argv: list[str]) -> int:
    """For all children, or for those that are named. A trapped signal cuts it short: 128+n."""
    status = 0
    targets = [_job(shell, word) for word in argv[1:]] if argv[1:] else list(shell.jobs)
    for target in targets:
        if target is None:
            status = 127
            continue
        try:
            ending = shell.process.wait(target, interruptible=True)
        except Interrupted as interrupted:
            return 128 + interrupted.signal
        if target in shell.jobs:
            shell.jobs.remove(target)
        if argv[1:]:
            children.report(shell, ending)
            status = ending.status
    return status


def _job(shell: "Shell", word: str) -> Process | None:
    """A child by its process number or as `%1`."""
    if word.startswith("%") and word[1:].isdecimal():
        place = int(word[1:]) - 1
        return shell.jobs[place] if 0 <= place < len(shell.jobs) else None
    known = [*shell.jobs, *([shell.job] if shell.job else [])]
    return next((job for job in known if str(job.pid) == word), None)


def read(shell: "Shell", argv: list[str]) -> int:
    """One line of the standard input, a byte at a time: what follows is somebody else's."""
    words = argv[1:]
    raw = "-r" in words
    names = [word for word in words if not word.startswith("-")] or ["REPLY"]
    line, ended = _line(shell, raw)
    blanks = "".join(char for char in shell.variables.get("IFS", " \t\n") if char in " \t\n")
    rest = line.strip(blanks) if blanks else line
    for name in names[:-1]:
        first, rest = _first(rest, shell.variables.get("IFS", " \t\n"))
        shell.assign(name, first)
    shell.assign(names[-1], rest)
    return 0 if ended else 1


def _line(shell: "Shell", raw: bool) -> tuple[str, bool]:
    """The line, and whether its newline was there."""
    line = b""
    while byte := shell.process.read(0, 1):
        if byte == b"\n":
            return line.decode(errors="surrogateescape"), True
        if byte == b"\\" and not raw:
            escaped = shell.process.read(0, 1)
            line += b"" if escaped == b"\n" else escaped
            continue
        line += byte
    return line.decode(errors="surrogateescape"), False


def _first(text: str, separators: str) -> tuple[str, str]:
    """The first field and what is left of the line."""
    if not separators:
        return text, ""
    found = re.match(rf"([^{re.escape(separators)}]*)[{re.escape(separators)}]?[ \t]*(.*)", text, re.DOTALL)
    return (found[1], found[2]) if found else (text, "")


def eval_(shell: "Shell", argv: list[str]) -> int:
    shell.status = 0
    shell.sequence(parse(" ".join(argv[1:])))
    return shell.status


def source(shell: "Shell", argv: list[str]) -> int:
    """`.`: a script in this very shell."""
    if len(argv) < 2:
        return 0
    try:
        descriptor = shell.process.open(argv[1])
    except OSError as error:
        missing = isinstance(error, FileNotFoundError)
        raise ShellFault(f".: line 0: can't open '{argv[1]}': {os.strerror(error.errno or 0)}", 2 if missing else 1) from None
    text = b"".join(shell.process.lines(descriptor)).decode(errors="surrogateescape")
    shell.process.close(descriptor)
    shell.status = 0
    shell.sequence(parse(text))
    return shell.status


def exec_(shell: "Shell", argv: list[str]) -> int:
    """Become a program; without one, its redirections stay."""
    if len(argv) < 2:
        return 0
    try:
        loaded = children.find(shell, argv[1:])
    except ShellFault as fault:
        raise ShellFault(f"exec: line 0: {fault}", fault.code) from None
    shell.traps = {}
    raise Exited(shell.process.execute(loaded.program, loaded.argv, shell.environment()))


def command(shell: "Shell", argv: list[str]) -> int:
    """`command -v NAME` tells what a name means; `command NAME …` runs it past the functions."""
    if argv[1:2] in (["-v"], ["-V"]):
        found = _meaning(shell, argv[2]) if len(argv) > 2 else ""
        shell.process.write(1, f"{found}\n" if found else "")
        return 0 if found else 127
    if len(argv) < 2:
        return 0
    if argv[1] in BUILTINS:
        return BUILTINS[argv[1]](shell, argv[1:])

    def become(child: "Shell") -> None:
        child.status = child.execute(argv[1:], child.environment())

    return children.reap(shell, children.fork(shell, become))


def _meaning(shell: "Shell", name: str) -> str:
    if name in shell.functions or name in BUILTINS:
        return name
    try:
        children.find(shell, [name])
    except ShellFault:
        return ""
    try:
        process = shell.process
        return programs.find(process.tree, process.directory, name, shell.variables.get("PATH", ""))
    except programs.Missing:
        return name


def type_(shell: "Shell", argv: list[str]) -> int:
    status = 0
    for name in argv[1:]:
        found = _meaning(shell, name)
        status = status if found else 127
        if name in shell.functions:
            told = f"{name} is a function"
        elif name in BUILTINS:
            told = f"{name} is a shell builtin"
        else:
            told = f"{name} is {found}" if found else f"{name}: not found"
        shell.process.write(1, told + "\n")
    return status


def umask(shell: "Shell", argv: list[str]) -> int:
    run = shell.process.run
    if len(argv) < 2:
        shell.process.write(1, f"{run.umask:04o}\n")
        return 0
    if not re.fullmatch(r"[0-7]{1,4}", argv[1]):
        return fail(shell, argv, f"Illegal mode: {argv[1]}")
    run.umask = int(argv[1], 8)
    return 0


def within(program: Program) -> Builtin:
    """A command that needs nothing of the shell, run in its process: busybox's test, echo and the like."""

    def run(shell: "Shell", argv: list[str]) -> int:
        process = shell.process
        before, process.argv = process.argv, argv
        try:
            return program(process)
        except OSError as error:  # a closed descriptor, a disk that is full
            shell.complain(f"write error: {os.strerror(error.errno or 0)}")
            return 1
        finally:
            process.argv = before

    return run


BUILTINS: dict[str, Builtin] = {
    ":": nothing,
    ".": source,
    "break": leave,
    "cd": cd,
    "command": command,
    "continue": leave,
    "eval": eval_,
    "exec": exec_,
    "exit": exit,
    "export": export,
    "local": local,
    "read": read,
    "readonly": export,
    "return": return_,
    "set": set_,
    "shift": shift,
    "trap": trap,
    "type": type_,
    "ulimit": ulimit,
    "umask": umask,
    "unset": unset,
    "wait": wait,
    "[": within(conditions.test),
    "echo": within(printing.echo),
    "false": within(system.false),
    "kill": within(system.kill),
    "printf": within(printing.printf),
    "pwd": within(files.pwd),
    "test": within(conditions.test),
    "true": within(system.true),
}
