"""A shell that somebody sits at: prompts, jobs, and SIGINT that only leads back to the prompt."""

import re

from podlink.engine.runtime.emulator import signals
from podlink.engine.runtime.emulator.process import Exited
from podlink.engine.runtime.emulator.userland import expansion
from podlink.engine.runtime.emulator.userland.control import MISUSE, Abandoned, Leave, Return, ShellFault
from podlink.engine.runtime.emulator.userland.input import Editor, Piped, Prompted, Source
from podlink.engine.runtime.emulator.userland.jobs import Jobs
from podlink.engine.runtime.emulator.userland.parser import parse, template
from podlink.engine.runtime.emulator.userland.shell import Shell
from podlink.engine.runtime.emulator.userland.syntax import Sequence
from podlink.engine.runtime.emulator.userland.words import SyntaxFault, Unfinished
from podlink.engine.runtime.emulator.users import user_name

BANNER = """

BusyBox v1.35.0 (podlink's emulator) built-in shell (ash)
Enter 'help' for a list of built-in commands.

"""
PROMPTS = {"PS1": "\\w \\$ ", "PS2": "> "}
IGNORED = frozenset({signals.QUIT, signals.TERM})
IGNORED_WITH_JOBS = frozenset({signals.TSTP, signals.TTIN, signals.TTOU})


def run_stdin(shell: Shell) -> int:
    """What comes by the standard input, each command as soon as it is whole; then the exit code."""
    source = Piped(shell.process)
    try:
        while (script := _script(shell, source)) is not None:
            shell.sequence(script)
    except (SyntaxFault, ShellFault) as fault:
        _tell(shell, fault)
    except (Exited, Return) as left:
        shell.status = left.code
    except Leave:
        pass
    return shell.finish()


def converse(shell: Shell) -> int:
    """What somebody types, until they leave; then the exit code."""
    source = _sit_down(shell)
    while True:
        try:
            if (script := _script(shell, source)) is None:
                break
            shell.sequence(script)
        except (SyntaxFault, ShellFault) as fault:
            _tell(shell, fault)
        except Abandoned:
            shell.status = 128 + signals.INT
        except Exited as exited:
            shell.status = exited.code
            break
        except (Leave, Return):
            pass
    return shell.finish()


def _sit_down(shell: Shell) -> Source:
    process, terminal = shell.process, shell.process.terminal(0)
    shell.is_interactive = True
    shell.variables = PROMPTS | shell.variables
    shell.deaf = IGNORED
    process.write(1, BANNER)
    if terminal:
        shell.controls = Jobs(terminal)
        shell.deaf |= IGNORED_WITH_JOBS
    else:
        shell.complain("can't access tty; job control turned off")
    for number in shell.deaf:
        process.on_signal(number, None)
    process.on_signal(signals.INT, lambda number: _abandon(shell))
    return Editor(process, terminal) if terminal else Prompted(process)


def _abandon(shell: Shell) -> None:
    shell.process.write(2, "\n")
    raise Abandoned


def _tell(shell: Shell, fault: SyntaxFault | ShellFault) -> None:
    shell.complain(str(fault))
    shell.status = fault.code if isinstance(fault, ShellFault) else MISUSE


def _script(shell: Shell, source: Source) -> Sequence | None:
    """The next commands; None: no more will come. Raises SyntaxFault, Abandoned."""
    text, name = "", "PS1"
    while True:
        if shell.controls and not text:
            shell.process.write(1, "".join(shell.controls.news()))
        if (more := source.more(_prompt(shell, name))) is None:
            return parse(text, shell.aliases) if text else None
        text += more
        shell.text = text.rstrip("\n &;")
        try:
            return parse(text, shell.aliases, is_whole=False)
        except Unfinished:
            name = "PS2"


def _prompt(shell: Shell, name: str) -> str:
    """With `\\w`, `\\$`, `\\u`, `\\h`, `\\n` in it for what they stand for, and variables expanded."""
    if not shell.is_interactive:
        return ""
    process = shell.process
    home, directory = shell.variables.get("HOME", ""), process.directory
    if home not in ("", "/") and (directory == home or directory.startswith(f"{home}/")):
        directory = f"~{directory.removeprefix(home)}"
    known = {
        "w": directory,
        "$": "#" if process.run.uid == 0 else "\\$",
        "u": user_name(process.tree, process.run.uid) or "",
        "h": process.run.hostname.partition(".")[0],
        "n": "\n",
    }
    text = re.sub(r"\\([w$uhn])", lambda found: known[found[1]], shell.variables.get(name, ""))
    return expansion.text(shell, template(text))
