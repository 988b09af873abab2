"""Where a shell's script comes from when it is no argument and no file: a pipe, or somebody who sits at it."""

from typing import Protocol

from podlink.engine.runtime.emulator.process import Process
from podlink.engine.runtime.emulator.terminal import Terminal
from podlink.engine.runtime.emulator.userland.control import Abandoned

ASK = "\33[6n"
"""The terminal is asked where its cursor is, to see how much room a line has; the answer is one more key."""
CLEAR = "\33[J"
"""To the end of the screen."""
TAB, ESCAPE, ERASE = 0x09, 0x1B, (0x08, 0x7F)
BELL = "\a"
"""There is nothing that a name could be completed to."""
CONTROL = {letter: ord(letter) & 0x1F for letter in "CDUW"}
NOT_A_CHARACTER = -1
RAW = {"icanon": False, "echo": False}


class Source(Protocol):
    def more(self, prompt: str) -> str | None:
        """The next lines, whole; None: there are none. Raises Abandoned."""
        ...


class Piped:
    """All the lines that are there, however many."""

    def __init__(self, process: Process) -> None:
        self._process = process
        self._rest = b""

    def more(self, prompt: str) -> str | None:
        data = self._rest
        while chunk := self._process.read(0):
            data += chunk
            if b"\n" in chunk:
                whole, _, self._rest = data.rpartition(b"\n")
                return f"{_text(whole)}\n"
        self._rest = b""
        return _text(data) or None


class Prompted:
    """One line at a time, with a prompt before each, though there is no terminal (`sh -i`)."""

    def __init__(self, process: Process) -> None:
        self._process = process

    def more(self, prompt: str) -> str | None:
        self._process.write(1, prompt)
        line = b""
        while not line.endswith(b"\n") and (byte := self._process.read(0, 1)):
            line += byte
        if not line:
            self._process.write(2, "\n")
        return _text(line) or None


class Editor:
    """A line at a terminal, which this one echoes and edits itself: at its end, as far as one who types goes."""

    def __init__(self, process: Process, terminal: Terminal) -> None:
        self._process, self._terminal = process, terminal
        self._line = bytearray()
        self._prompt = ""

    def more(self, prompt: str) -> str | None:
        terminal, interrupt = self._terminal, self._terminal.characters["intr"]
        before = {name: terminal.flags[name] for name in RAW}
        self._process.call(lambda: terminal.set_flags(RAW))
        terminal.characters["intr"] = NOT_A_CHARACTER
        try:
            self._prompt = prompt
            self._process.write(1, prompt + ASK)
            return self._read()
        finally:
            terminal.characters["intr"] = interrupt
            self._process.call(lambda: terminal.set_flags(before))

    def _read(self) -> str | None:
        self._line.clear()
        while byte := self._process.read(0, 1):
            match byte[0]:
                case 0x0A | 0x0D:
                    self._process.write(1, "\n")
                    return f"{_text(bytes(self._line))}\n"
                case key if key == CONTROL["C"]:
                    self._process.write(1, "^C\n")
                    raise Abandoned
                case key if key == CONTROL["D"] and not self._line:
                    break
                case key:
                    self._press(key)
        self._process.write(1, "\n")
        return None

    def _press(self, key: int) -> None:
        """A key that changes the line."""
        if key in ERASE:
            self._erase()
        elif key == CONTROL["U"]:
            self._line.clear()
            self._process.write(1, f"\r{self._prompt}{CLEAR}")
        elif key == CONTROL["W"]:
            for _ in range(len(self._line) - len(self._line[: self._line.rstrip().rfind(b" ") + 1])):
                self._erase()
        elif key == TAB:
            self._process.write(1, BELL)
        elif key == ESCAPE:
            self._skip_sequence()
        elif key >= 0x20:
            self._line.append(key)
            self._process.write(1, bytes([key]))

    def _erase(self) -> None:
        if self._line:
            self._line.pop()
            self._process.write(1, f"\b{CLEAR}")

    def _skip_sequence(self) -> None:
        """An arrow, or the place of the cursor: `ESC [ … letter`."""
        if self._process.read(0, 1) == b"[":
            while (byte := self._process.read(0, 1)) and not 0x40 <= byte[0] <= 0x7E:
                pass


def _text(data: bytes) -> str:
    return data.decode(errors="surrogateescape")
