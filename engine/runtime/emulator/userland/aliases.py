"""The builtins `alias` and `unalias`. What a name stands for takes its place as a command is read (`parser.py`)."""

from typing import TYPE_CHECKING

from podlink.engine.runtime.emulator.userland.variables import quoted

if TYPE_CHECKING:
    from podlink.engine.runtime.emulator.userland.shell import Shell


def alias(shell: "Shell", argv: list[str]) -> int:
    """`alias NAME=TEXT…`; a name alone is shown, and all are where nothing is said. 1 for one that there is not."""
    status = 0
    for word in argv[1:] or sorted(shell.aliases):
        name, equals, text = word.partition("=")
        if equals:
            shell.aliases[name] = text
        elif name in shell.aliases:
            shell.process.write(1, f"{name}={quoted(shell.aliases[name])}\n")
        else:
            shell.process.write(2, f"alias: {name} not found\n")
            status = 1
    return status


def unalias(shell: "Shell", argv: list[str]) -> int:
    """`unalias NAME…`, or all of them (`-a`)."""
    status = 0
    for name in argv[1:]:
        if name == "-a":
            shell.aliases.clear()
        elif shell.aliases.pop(name, None) is None:
            shell.process.write(2, f"unalias: {name} not found\n")
            status = 1
    return status
