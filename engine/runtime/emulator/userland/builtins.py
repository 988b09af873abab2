"""The commands that are part of the shell, for they change it. Each gets the shell and its arguments, and answers a status.

Those that set what it knows: `variables.py`.
"""

import errno
import os
import re
import stat
from typing import TYPE_CHECKING

from podlink.engine.runtime.emulator import programs, signals
from podlink.engine.runtime.emulator.process import Exited, Interrupted, Process, Program, exit_code
from podlink.engine.runtime.emulator.tree import refusal
from podlink.engine.runtime.emulator.userland import children, conditions, files, printing, system
from podlink.engine.runtime.emulator.userland.aliases import alias, unalias
from podlink.engine.runtime.emulator.userland.control import Leave, Return, ShellFault
from podlink.engine.runtime.emulator.userland.parser import lines, parse
from podlink.engine.runtime.emulator.userland.ulimit import ulimit
from podlink.engine.runtime.emulator.userland.variables import (
    Builtin,
    export,
    fail,
    getopts,
    let,
    local,
    number,
    quoted,
    read,
    set_,
    shift,
    unset,
)

if TYPE_CHECKING:
    from podlink.engine.runtime.emulator.userland.shell import Shell

SPECIAL = frozenset("break : continue . eval exec exit export local readonly return set shift source trap unset".split())
"""An error in one of these ends the shell, and an assignment before it lasts: POSIX, XCU 2.14."""


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


def eval_(shell: "Shell", argv: list[str]) -> int:
    shell.status = 0
    shell.sequence(parse(" ".join(argv[1:]), shell.aliases, shell.line))
    return shell.status


def source(shell: "Shell", argv: list[str]) -> int:
    """`. FILE [PARAMETER…]`: a script in this very shell."""
    if len(argv) < 2:
        return 0
    try:
        descriptor = shell.process.open(argv[1])
    except OSError as error:
        missing = isinstance(error, FileNotFoundError)
        raise ShellFault(
            f"{argv[0]}: line 0: can't open '{argv[1]}': {os.strerror(error.errno or 0)}", 2 if missing else 1
        ) from None
    text = b"".join(shell.process.lines(descriptor)).decode(errors="surrogateescape")
    shell.process.close(descriptor)
    shell.status = 0
    parameters = shell.parameters
    try:
        shell.parameters = argv[2:] or parameters
        for commands, _ in lines(text, shell.aliases, 1):
            shell.sequence(commands)
    except Return as answer:
        return answer.code
    finally:
        if argv[2:]:
            shell.parameters = parameters
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
    """`command -v NAME` tells what a name means, `-V` in words; `command NAME …` runs it past the functions."""
    if argv[1:2] == ["-V"]:
        return type_(shell, argv[1:])
    if argv[1:2] == ["-v"]:
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
        return programs.find(process.run.programs, process.tree, process.directory, name, shell.variables.get("PATH", ""))
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


def jobs(shell: "Shell", argv: list[str]) -> int:
    """Those of a shell that has a terminal; without one there are none."""
    shell.process.write(1, "".join(shell.controls.lines()) if shell.controls else "")
    return 0


def resume(shell: "Shell", argv: list[str]) -> int:
    """`fg [%JOB]` and `bg [%JOB]`."""
    if not shell.controls:
        raise ShellFault(f"{argv[0]}: line 0: {argv[1] if argv[1:] else ''}: job not created under job control")
    job = shell.controls.find(argv[0], argv[1:])
    if argv[0] == "bg":
        shell.process.write(1, f"[{job.number}] {job.text}\n")
        shell.controls.resume(shell, job)
        return 0
    shell.process.write(1, f"{job.text}\n")
    return shell.controls.go_on(shell, job)


def kill(shell: "Shell", argv: list[str]) -> int:
    """kill(1), which may also name jobs here."""
    if not shell.controls:
        named = {word: job for word in argv[1:] if word.startswith("%") and (job := _job(shell, word))}
        argv = [str(named[word].pid) if word in named else word for word in argv]
    elif controls := shell.controls:
        words = [f"-{controls.find('kill', [word]).group}" if word.startswith("%") else word for word in argv[1:]]
        argv = [argv[0], *(["--"] if argv[1:2] != words[:1] else []), *words]
    return within(system.kill)(shell, argv)


def help(shell: "Shell", argv: list[str]) -> int:
    shell.process.write(1, "Built-in commands:\n------------------\n\t" + " ".join(sorted(BUILTINS)) + "\n")
    return 0


def within(program: Program) -> Builtin:
    """A command that needs nothing of the shell, run in its process: busybox's test, echo and the like."""

    def run(shell: "Shell", argv: list[str]) -> int:
        process = shell.process
        before, process.argv = process.argv, argv
        try:
            return exit_code(program(process))
        except OSError as error:  # a closed descriptor, a disk that is full
            shell.complain(f"write error: {os.strerror(error.errno or 0)}")
            return 1
        finally:
            process.argv = before

    return run


BUILTINS: dict[str, Builtin] = {
    ":": nothing,
    ".": source,
    "alias": alias,
    "bg": resume,
    "break": leave,
    "cd": cd,
    "command": command,
    "continue": leave,
    "eval": eval_,
    "exec": exec_,
    "exit": exit,
    "export": export,
    "fg": resume,
    "getopts": getopts,
    "help": help,
    "jobs": jobs,
    "let": let,
    "local": local,
    "read": read,
    "readonly": export,
    "return": return_,
    "set": set_,
    "shift": shift,
    "source": source,
    "trap": trap,
    "type": type_,
    "ulimit": ulimit,
    "umask": umask,
    "unalias": unalias,
    "unset": unset,
    "wait": wait,
    "[": within(conditions.test),
    "echo": within(printing.echo),
    "false": within(system.false),
    "kill": kill,
    "printf": within(printing.printf),
    "pwd": within(files.pwd),
    "test": within(conditions.test),
    "true": within(system.true),
}
