"""A terminal with its line discipline, as the kernel gives a container one: pty(7), termios(3).

    feed ──▶ signals, editing, echo ──▶ lines ──▶ read          what is typed, and what of it the container gets
    show ◀── "\\n" becomes "\\r\\n" ◀──────────── write, echo     one stream, whoever writes

Here is the container's end of it; the other end is `feed`, `resize` and the `show` that it is made with. As every channel
it is used with the run's lock held.
"""

from collections import deque
from collections.abc import Callable

from podlink.engine.runtime.emulator import signals
from podlink.engine.runtime.emulator.channels import Channel

NAME = "/dev/pts/0"
PLACES = frozenset({NAME, "/dev/tty", "/dev/console"})
"""All the same one in a container, and there only where it has a terminal."""
LONGEST = 4095
"""Bytes of a line that is being typed, its newline not counted; what comes beyond is dropped: termios(3)."""
ROOM = 64 * 1024
"""Bytes that wait to be read before whoever types has to wait."""
NEWLINE, RETURN, TAB, DELETE = 0x0A, 0x0D, 0x09, 0x7F
CHARACTERS = {
    "intr": 0x03,
    "quit": 0x1C,
    "erase": DELETE,
    "kill": 0x15,
    "eof": 0x04,
    "susp": 0x1A,
    "werase": 0x17,
    "lnext": 0x16,
}
"""Those that mean something, by their names in stty(1)."""
FLAGS = ("icrnl", "opost", "onlcr", "isig", "icanon", "iexten", "echo", "echoe", "echok", "noflsh", "echoctl", "echoke")
"""Those that change something here, by their names in stty(1)."""
OFF = frozenset({"noflsh"})
SIGNALS = {"intr": signals.INT, "quit": signals.QUIT, "susp": signals.TSTP}


class Terminal(Channel):
    """show: takes what is to be seen. signal: sends one to a process group. changed: tells those who wait.

    foreground: the process group that has it. is_open: whether what is typed arrives, or is let go.
    """

    def __init__(
        self,
        show: Callable[[bytes], None],
        waits: Callable[[], float],
        signal: Callable[[int, int], None],
        changed: Callable[[], None],
        *,
        foreground: int,
        is_open: bool = True,
    ) -> None:
        super().__init__()
        self._show, self._waits, self._signal, self._changed, self._is_open = show, waits, signal, changed, is_open
        self.foreground = foreground
        self.flags = {name: name not in OFF for name in FLAGS}
        self.characters = dict(CHARACTERS)
        self.rows = self.columns = 0
        self._line = bytearray()
        self._lines: deque[bytes] = deque()
        """What may be read: whole lines, or pieces of any kind where there are none. Empty: somebody typed the end."""
        self._is_literal = False
        self._echoed = bytearray()
        """What is to be seen of what is being fed."""

    # The container's end

    def waits(self) -> float:
        return self._waits()

    def read(self, size: int) -> bytes | None:
        if not self.flags["icanon"]:
            self._lines = deque(filter(None, [b"".join(self._lines)]))
        if not self._lines:
            return None
        line = self._lines.popleft()
        if line[size:]:
            self._lines.appendleft(line[size:])
        self._changed()
        return line[:size]

    def write(self, data: bytes) -> int:
        self._show(data.replace(b"\n", b"\r\n") if self.flags["opost"] and self.flags["onlcr"] else data)
        return len(data)

    def set_flags(self, flags: dict[str, bool]) -> None:
        """tcsetattr(3). With the end of lines, and with the end of none, all that was typed is there to be read."""
        changed = flags.get("icanon", self.flags["icanon"]) != self.flags["icanon"]
        self.flags |= flags
        if changed:
            self._lines = deque(filter(None, [b"".join([*self._lines, self._line])]))
            self._line.clear()

    def resize(self, rows: int, columns: int) -> None:
        """TIOCSWINSZ: ioctl_tty(2). Whoever has the terminal is told of another size."""
        if (rows, columns) != (self.rows, self.columns):
            self.rows, self.columns = rows, columns
            self._signal(self.foreground, signals.WINCH)

    # The other end

    def has_room(self) -> bool:
        return sum(map(len, self._lines)) < ROOM

    def feed(self, data: bytes) -> None:
        """What is typed."""
        if self._is_open:
            for byte in data:
                self._take(NEWLINE if byte == RETURN and self.flags["icrnl"] else byte)
            self._flush()
            self._changed()

    def end(self) -> None:
        """There is none but the character that means it."""

    def _take(self, byte: int) -> None:
        meaning = "" if self._is_literal else self._meaning(byte)
        if meaning in SIGNALS:
            return self._interrupt(byte, SIGNALS[meaning])
        if not self.flags["icanon"]:
            self._echo(byte)
            return self._lines.append(bytes([byte]))
        if meaning == "eof":
            return self._finish()
        if meaning in ("erase", "werase", "kill"):
            return self._erase(meaning)
        if meaning == "lnext":
            self._is_literal = True
            return self._echo_text(b"^\b")
        return self._add(byte)

    def _meaning(self, byte: int) -> str:
        """The name of the character, where it counts in the present mode."""
        name = next((name for name, each in self.characters.items() if each == byte), "")
        extended = self.flags["icanon"] and self.flags["iexten"]
        counts = {"lnext": extended, "werase": extended} | dict.fromkeys(SIGNALS, self.flags["isig"])
        return name if counts.get(name, self.flags["icanon"]) else ""

    def _add(self, byte: int) -> None:
        is_end = byte == NEWLINE and not self._is_literal
        self._is_literal = False
        if not is_end and len(self._line) >= LONGEST:
            return
        self._line.append(byte)
        self._echo(byte)
        if is_end:
            self._finish()

    def _finish(self) -> None:
        self._lines.append(bytes(self._line))
        self._line.clear()

    def _erase(self, meaning: str) -> None:
        """A character, a word with the blanks behind it, or all of the line."""
        if meaning == "erase":
            keep = max(len(self._line) - 1, 0)
        else:
            keep = len(self._line[: self._line.rstrip().rfind(b" ") + 1]) if meaning == "werase" else 0
        for byte in reversed(self._line[keep:]):
            self._echo_text(b"\b \b" * (2 if _is_control(byte) else 1))
        del self._line[keep:]

    def _interrupt(self, byte: int, number: int) -> None:
        if not self.flags["noflsh"]:
            self._line.clear()
            self._lines.clear()
        self._echo(byte)
        self._flush()
        self._signal(self.foreground, number)

    def _echo(self, byte: int) -> None:
        if _is_control(byte) and self.flags["echoctl"]:
            self._echo_text(b"^" + bytes([byte ^ 0x40]))
        else:
            self._echo_text(bytes([byte]))

    def _echo_text(self, text: bytes) -> None:
        if self.flags["echo"]:
            self._echoed += text

    def _flush(self) -> None:
        if self._echoed:
            self.write(bytes(self._echoed))
            self._echoed.clear()


def _is_control(byte: int) -> bool:
    """Whether it is one that is seen as two characters, such as `^C`."""
    return (byte < 0x20 and byte not in (NEWLINE, TAB)) or byte == DELETE
