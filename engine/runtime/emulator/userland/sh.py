"""sh(1): what its command line asks for."""

import os

from podlink.engine.runtime.emulator.process import Process
from podlink.engine.runtime.emulator.userland.control import MISUSE
from podlink.engine.runtime.emulator.userland.interactive import converse, run_stdin
from podlink.engine.runtime.emulator.userland.shell import Shell
from podlink.engine.runtime.emulator.userland.variables import LONG


def main(process: Process) -> int:
    """sh(1): `sh [-efux] [-o OPTION] -c TEXT [NAME [PARAMETER…]]`, `sh FILE [PARAMETER…]`, or a script on the standard input.

    `sh -i`, and whoever has a terminal there, is talked with.
    """
    name, words = process.argv[0], process.argv[1:]
    letters: set[str] = set()
    while words and words[0].startswith("-") and words[0] != "-":
        word = words.pop(0)
        if word == "--":
            break
        letters |= set(word[1:])
        if "o" in word and words:
            letters.add(LONG.get(named := words.pop(0), named))
    if "c" in letters:
        return _shell(process, words[1] if len(words) > 1 else name, words[2:], letters).run(words[0], whole=True)
    if words and "s" not in letters:
        return _file(process, name, words, letters)
    shell = _shell(process, name, words, letters)
    is_interactive = "i" in letters or (process.terminal(0) and process.terminal(1) and not words)
    return converse(shell) if is_interactive else run_stdin(shell)


def _shell(process: Process, name: str, parameters: list[str], letters: set[str]) -> Shell:
    shell = Shell(process, name, parameters)
    shell.options.update({letter: True for letter in letters if letter in shell.options})
    for variable, value in (("PWD", process.directory), ("SHLVL", _level(process.env.get("SHLVL", "")))):
        shell.variables[variable] = value
        shell.exported.add(variable)
    return shell


def _level(text: str) -> str:
    return str(int(text) + 1 if text.isdecimal() else 1)


def _file(process: Process, name: str, words: list[str], letters: set[str]) -> int:
    try:
        descriptor = process.open(words[0])
        text = b"".join(process.lines(descriptor)).decode(errors="surrogateescape")
        process.close(descriptor)
    except OSError as error:
        process.write(2, f"{name}: can't open '{words[0]}': {os.strerror(error.errno or 0)}\n")
        return MISUSE
    return _shell(process, words[0], words[1:], letters).run(text, 1)
