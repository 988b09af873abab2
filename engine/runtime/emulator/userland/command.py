"""What every command needs: its options taken apart, its complaints in busybox's words, its input from files or from a pipe."""

import os
from collections.abc import Iterator

from podlink.engine.runtime.emulator.process import Exited, Process

Options = dict[str, str]
"""By letter; the value is empty for one that takes none."""


def name(process: Process) -> str:
    """What the command calls itself in a message."""
    return process.argv[0].rpartition("/")[2]


def complain(process: Process, message: str) -> int:
    """Say what is wrong; the answer is the exit code of a command that failed."""
    process.write(2, f"{name(process)}: {message}\n")
    return 1


def refused(process: Process, what: str, error: OSError) -> int:
    """Say what could not be done, and why: `can't open '/nope': No such file or directory`."""
    return complain(process, f"{what}: {reason(error)}")


def reason(error: OSError) -> str:
    return os.strerror(error.errno or 0)


def options(process: Process, flags: str, valued: str = "", repeated: str = "") -> tuple[Options, list[str]]:
    """The options and the operands, as getopt(3) finds them, options behind operands too. An unknown one ends the command.

    valued: letters with a value, of which the last one counts; for those of them in `repeated` all do, a line each.
    """
    words, found, operands = list(process.argv[1:]), Options(), []
    while words:
        word = words.pop(0)
        if word == "--":
            break
        if not word.startswith("-") or word == "-":
            operands.append(word)
            continue
        if word.startswith("--"):
            raise _unknown(process, f"unrecognized option '{word}'")
        letters = word[1:]
        while letters:
            letter, letters = letters[0], letters[1:]
            if letter in valued:
                if not letters and not words:
                    raise _unknown(process, f"option requires an argument -- '{letter}'")
                before = [found[letter]] if letter in repeated and letter in found else []
                found[letter], letters = "\n".join([*before, letters or words.pop(0)]), ""
            elif letter in flags:
                found[letter] = ""
            else:
                raise _unknown(process, f"invalid option -- '{letter}'")
    return found, operands + words


def _unknown(process: Process, message: str) -> Exited:
    return Exited(complain(process, message))


def count(process: Process, text: str) -> int:
    """A whole number; what is none ends the command."""
    if not text.lstrip("+-").isdecimal():
        raise Exited(complain(process, f"invalid number '{text}'"))
    return int(text)


class Inputs:
    """The files that are named, one after the other; `-`, and nothing named, is the standard input.

    words: how it is told that one can't be opened. status: 1 once that was told, or (silent) would have been.
    """

    def __init__(self, process: Process, paths: list[str], words: str = "can't open '{}'", *, silent: bool = False) -> None:
        self.process = process
        self.silent = silent
        self.words = words
        self.paths = paths or ["-"]
        self.status = 0

    def __iter__(self) -> Iterator[tuple[str, int]]:
        """Each by its name and an open descriptor, which is closed after its turn."""
        for path in self.paths:
            if path == "-":
                yield path, 0
                continue
            try:
                descriptor = self.process.open(path)
            except OSError as error:
                self.status = 1 if self.silent else refused(self.process, self.words.format(path), error)
                continue
            try:
                yield path, descriptor
            except OSError as error:
                self.status = refused(self.process, path, error)
            finally:
                self.process.close(descriptor)

    def lines(self) -> Iterator[bytes]:
        """The lines of all of them, without their newlines."""
        for path, descriptor in self:
            try:
                for line in self.process.lines(descriptor):
                    yield line.removesuffix(b"\n")
            except OSError as error:
                self.status = refused(self.process, f"read error on '{path}'", error)
