"""What a program reads from and writes to, by the name that it calls it by: files, and commands at the end of a pipe."""

import errno
import os
import re

from podlink.engine.runtime.emulator.channels import CHUNK
from podlink.engine.runtime.emulator.process import Process
from podlink.engine.runtime.emulator.tree import refusal
from podlink.engine.runtime.emulator.userland.awk.record import compiled
from podlink.engine.runtime.emulator.userland.system import become

FLAGS = {">": os.O_WRONLY | os.O_CREAT | os.O_TRUNC, ">>": os.O_WRONLY | os.O_CREAT | os.O_APPEND}


def opened(process: Process, name: str, flags: int = os.O_RDONLY) -> int:
    """Raises OSError with the name that the program has for it."""
    try:
        return process.open(os.fsdecode(encoded(name)), flags)
    except OSError as error:
        raise refusal(error.errno or errno.EIO, name) from None


def encoded(text: str) -> bytes:
    return text.encode("latin-1", errors="replace")


class Source:
    """Records from a descriptor."""

    def __init__(self, process: Process, descriptor: int) -> None:
        self._process, self.descriptor = process, descriptor
        self._text, self._at = "", 0
        """What was read, and how far it was given out."""
        self._is_over = False

    def record(self, separator: str) -> str | None:
        """The next one; None: there is none. separator: RS; empty is a blank line."""
        ending = compiled(_ending(separator))
        while True:
            if not separator:
                while self._text.startswith("\n", self._at):
                    self._at += 1
            match = ending.search(self._text, self._at)
            if match and (len(separator) == 1 or self._is_over or match.end() < len(self._text)):  # else it may be longer
                found, self._at = self._text[self._at : match.start()], match.end()
                return found
            if self._is_over:
                return self._last(separator)
            data = self._process.read(self.descriptor, CHUNK)
            self._is_over = not data
            self._text, self._at = self._text[self._at :] + data.decode("latin-1"), 0

    def _last(self, separator: str) -> str | None:
        """What nothing ends but the file."""
        found, self._text, self._at = self._text[self._at :], "", 0
        return (found if separator else found.removesuffix("\n")) or None


def _ending(separator: str) -> str:
    if not separator:
        return "\n\n+"
    return separator if len(separator) > 1 else re.escape(separator)


class Sink:
    """A descriptor that is written to. Nothing is kept back: each print of busybox ends with fflush(3)."""

    def __init__(self, process: Process, descriptor: int) -> None:
        self._process, self.descriptor = process, descriptor

    def write(self, text: str) -> None:
        self._process.write(self.descriptor, encoded(text))


class Streams:
    """All of one program."""

    def __init__(self, process: Process) -> None:
        self._process = process
        self.output = Sink(process, 1)
        self._sinks: dict[str, Sink] = {}
        self._sources: dict[str, Source] = {}
        self._children: dict[str, Process] = {}

    def sink(self, how: str, name: str) -> Sink:
        """how: `>`, `>>` or `|`. Raises OSError."""
        if name in ("/dev/stdout", "-") and how != "|":
            return self.output
        if name not in self._sinks:
            descriptor = self._begin(name, 0) if how == "|" else opened(self._process, name, FLAGS[how])
            self._sinks[name] = Sink(self._process, descriptor)
        return self._sinks[name]

    def source(self, name: str, is_command: bool) -> Source:
        """Raises OSError."""
        if name not in self._sources:
            descriptor = self._begin(name, 1) if is_command else 0 if name == "-" else opened(self._process, name)
            self._sources[name] = Source(self._process, descriptor)
        return self._sources[name]

    def _begin(self, command: str, descriptor: int) -> int:
        """Run a command, and answer what leads to, or comes from, this descriptor of its."""
        reader, writer = self._process.pipe()
        its, ours = (reader, writer) if descriptor == 0 else (writer, reader)
        self._children[command] = self._forked(command, {0: 0, 1: 1, 2: 2, descriptor: its})
        self._process.close(its)
        return ours

    def _forked(self, command: str, files: dict[int, int]) -> Process:
        argv = ["sh", "-c", os.fsdecode(encoded(command))]
        return self._process.fork(lambda child: become(child, argv, dict(child.env)), argv, files)

    def system(self, command: str) -> int:
        """Its exit status."""
        return self._process.wait(self._forked(command, {0: 0, 1: 1, 2: 2})).status

    def close(self, name: str) -> int:
        """The exit status of a command, 0 of a file; -1 of what is not open."""
        if name not in self._sinks and name not in self._sources:
            return -1
        if sink := self._sinks.pop(name, None):
            self._process.close(sink.descriptor)
        if source := self._sources.pop(name, None):
            self._process.close(source.descriptor)
        child = self._children.pop(name, None)
        return self._process.wait(child).status if child else 0

    def end(self) -> None:
        """Wait for every command."""
        for name in list(self._children):
            self.close(name)
