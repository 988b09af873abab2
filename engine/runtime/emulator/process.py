"""An emulated process: a thread, a table of descriptors, and the system calls that a program makes.

A program is a function. It gets its process and answers with the exit code:

    def greet(process: Process) -> int:
        process.write(1, b"hello from " + process.argv[0].encode())
        process.sleep(1)
        return 0

Nothing can interrupt a Python thread from outside, so a process meets what happens to it at its system calls. Each goes
through `block`, the one gate: there a process that was killed goes no further (`Killed` unwinds its thread), one of a
frozen container waits, and one that has a signal to handle handles it. What a system call does, it does with the lock of
the run held; after `pause` or a SIGKILL has returned, therefore, nothing more is written.
"""

import errno
import os
import posixpath
import stat
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from podlink.engine.runtime.emulator import procfs, signals
from podlink.engine.runtime.emulator.channels import CHUNK, DEVICES, RANDOM, Channel, Disk, Random, pipe
from podlink.engine.runtime.emulator.terminal import PLACES, Terminal
from podlink.engine.runtime.emulator.tree import Tree, refusal
from podlink.engine.runtime.emulator.usage import BUFFER, MOST

if TYPE_CHECKING:
    from podlink.engine.runtime.emulator.run import Run

Answer = TypeVar("Answer")
Handler = Callable[[int], None]
USER_STEP = 8_000
SYSTEM_STEP = 2_000
"""Nanoseconds of CPU that a system call is reckoned at, in user and in kernel mode: the same on every machine."""


class Killed(BaseException):
    """The process has ended, and its thread is to unwind. No program catches it."""


class Exited(BaseException):
    """exit(3) from the depths of a program."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


class Interrupted(BaseException):
    """A handler ran while the process waited, and the system call is one that this cuts short (EINTR)."""

    def __init__(self, signal: int) -> None:
        super().__init__(signal)
        self.signal = signal


Program = Callable[["Process"], int | None]
"""Answers the exit code; None is 0."""


def exit_code(answer: object) -> int:
    """What a program's answer means, so that init's can always be told. Raises TypeError for one that is no number."""
    if answer is None:
        return 0
    if isinstance(answer, int):
        return answer
    raise TypeError(f"a program answers its exit code, an int, or None; this one answered {answer!r}")


@dataclass(frozen=True, slots=True)
class Ending:
    """How a process ended: by exit with a code, or by a signal (then not 0)."""

    code: int = 0
    signal: int = 0

    @property
    def status(self) -> int:
        """As a shell tells it: 128+n for signal n."""
        return 128 + self.signal if self.signal else self.code


class Process:
    """pid: as the container counts; host_pid: as the host does. handlers: by signal; None there means: ignored."""

    def __init__(self, run: "Run", pid: int, host_pid: int, parent: "Process | None", argv: list[str]) -> None:
        self.run = run
        self.pid = pid
        self.host_pid = host_pid
        self.parent = parent
        self.argv = argv
        self.env: dict[str, str] = dict(parent.env) if parent else {}
        self.directory: str = parent.directory if parent else "/"
        self.limits: dict[str, tuple[int, int]] = dict(parent.limits) if parent else {}
        self.files: dict[int, Channel] = {}
        self.handlers: dict[int, Handler | None] = {}
        self.pending: list[int] = []
        self.children: list[Process] = []
        self.ending: Ending | None = None
        self.group: int = parent.group if parent else pid
        """Its process group, by the number of the process that leads it: setpgid(2)."""
        self.stopped = 0
        """The signal that stopped it."""
        self.held: list[int] = []
        """What came meanwhile."""
        self.user_time = self.system_time = 0
        self.memory = 0
        """Bytes that it has allocated."""
        self.started = run.clock.now()

    @property
    def tree(self) -> Tree:
        return self.run.tree

    # The gate

    def block(
        self, ready: Callable[[], Answer | None], deadline: float | None = None, *, interruptible: bool = False
    ) -> Answer | None:
        """Do `ready` when it can be done: again and again until it answers, or until the deadline (None).

        Signals are handled meanwhile, without the lock; an `interruptible` wait ends with the first (Interrupted).
        """
        run = self.run
        self.user_time += USER_STEP
        self.system_time += SYSTEM_STEP
        while True:
            with run.changed:
                self._pass()
                while not self.pending:
                    if (answer := ready()) is not None:
                        return answer
                    if deadline is not None and run.clock.monotonic() >= deadline:
                        return None
                    run.at_rest.set()
                    run.clock.wait(run.changed, deadline)
                    self._pass()
                number = self.pending.pop(0)
                handler = self.handlers.get(number)
            if handler:
                handler(number)
                if interruptible:
                    raise Interrupted(number)

    def _pass(self) -> None:
        """Go on only while alive, and neither frozen nor stopped."""
        while self.ending is None and (self.run.frozen or self.stopped):
            self.run.changed.wait()
        if self.ending is not None:
            raise Killed

    def checkpoint(self) -> None:
        """A system call that does nothing: for loops that make no other."""
        self.block(lambda: True)

    def call(self, action: Callable[[], Answer]) -> Answer:
        """A system call that needs no waiting, such as mkdir(2): done whole, or (killed, frozen) not at all."""
        done = self.block(lambda: (action(),))
        assert done is not None
        return done[0]

    # Files

    def read(self, descriptor: int, size: int = CHUNK) -> bytes:
        """read(2): empty at the end of the file."""
        channel = self.channel(descriptor)
        if isinstance(channel, Terminal):
            return self.block(lambda: channel.read(size) if self._has(channel) else None) or b""
        return self.block(lambda: channel.read(size)) or b""

    def _has(self, terminal: Terminal) -> bool:
        """Whether it may read from it: only the foreground may. Others are stopped; raises OSError (EIO) where they can't be."""
        if terminal.foreground == self.group:
            return True
        if self.handlers.get(signals.TTIN, 0) is None or self.run.is_orphaned(self.group):
            raise refusal(errno.EIO, "read")
        self.run.send_to_group(self.group, signals.TTIN)
        return False

    def write(self, descriptor: int, data: bytes | str) -> None:
        """write(2), until all is written. Where nobody reads any more: SIGPIPE, and BrokenPipeError if that is not the end."""
        left = data.encode(errors="surrogateescape") if isinstance(data, str) else data
        channel = self.channel(descriptor)
        while left:
            while pause := channel.waits():  # real seconds, as real readers need
                time.sleep(pause)
                self.checkpoint()
            try:
                left = left[self.block(lambda left=left: channel.write(left)) or 0 :]  # type: ignore[misc]
            except BrokenPipeError:
                with self.run.changed:
                    self.run.send(self, signals.PIPE)
                self.checkpoint()
                raise

    def seek(self, descriptor: int, offset: int) -> None:
        """lseek(2), from the beginning. Raises OSError (ESPIPE) for what is no file."""
        self.call(lambda: self.channel(descriptor).seek(offset))

    def lines(self, descriptor: int) -> Iterator[bytes]:
        """What comes, line by line, each with its newline where it has one."""
        rest, kept = bytearray(), 0
        while data := self.read(descriptor):
            first, newline, data = data.partition(b"\n")
            rest += first
            if not newline:
                kept += self.keep(len(first), len(rest))
                continue
            self.free(kept)
            kept = 0
            *whole, last = data.split(b"\n")
            yield from (line + b"\n" for line in (bytes(rest), *whole))
            rest = bytearray(last)
        self.free(kept)
        if rest:
            yield bytes(rest)

    def open(self, path: str, flags: int = os.O_RDONLY, mode: int = 0o666) -> int:
        """open(2): a regular file, a directory's name for EISDIR, or a device that every container has."""
        return self.install(self.block(lambda: self._open(path, flags, mode)))  # type: ignore[arg-type]

    def _open(self, path: str, flags: int, mode: int) -> Channel:
        inside = posixpath.normpath(posixpath.join(self.directory, path))
        if inside in RANDOM:
            return Random(self.run.randomness.randbytes)
        if inside in DEVICES:
            return DEVICES[inside]()
        if inside in PLACES:
            return self._terminal_at(inside)
        if (text := procfs.text(self, inside)) is not None:
            return procfs.Text(text)
        if inside in STANDARD:
            return self.channel(STANDARD[path]).acquire()
        changes = flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC)
        host = self.tree.writable(path, self.directory) if changes else self.tree.host(path, self.directory)
        if host.exists() and not stat.S_ISREG(host.stat().st_mode) and not (host.is_dir() and not changes):
            raise refusal(errno.EISDIR if host.is_dir() else errno.ENXIO, path)
        if flags & os.O_CREAT and self.run.is_full() and not host.exists():
            raise refusal(errno.ENOSPC, path)
        return Disk(host, flags, mode & ~self.run.umask, is_full=self.run.is_full, usage=self.run.usage)

    def _terminal_at(self, place: str) -> Channel:
        if terminal := self.run.terminal:
            return terminal.acquire()
        raise refusal(errno.ENXIO if place == "/dev/tty" else errno.ENOENT, place)

    def terminal(self, descriptor: int) -> Terminal | None:
        """The terminal that a descriptor leads to, if it does: isatty(3)."""
        channel = self.files.get(descriptor)
        return channel if isinstance(channel, Terminal) else None

    def channel(self, descriptor: int) -> Channel:
        """What the descriptor leads to. Raises OSError (EBADF)."""
        if self.ending is not None:  # its descriptors are closed
            raise Killed
        try:
            return self.files[descriptor]
        except KeyError:
            raise refusal(errno.EBADF, str(descriptor)) from None

    def install(self, channel: Channel, descriptor: int | None = None) -> int:
        """Put a channel under a descriptor, the lowest free one where none is said (dup2(2))."""
        with self.run.changed:
            if self.ending is not None:
                channel.release()
                raise Killed
            if descriptor is None:
                descriptor = next(number for number in range(len(self.files) + 1) if number not in self.files)
            elif descriptor in self.files:
                self.files[descriptor].release()
            self.files[descriptor] = channel
            return descriptor

    def close(self, descriptor: int) -> None:
        """close(2). Again is no error."""
        with self.run.changed:
            if channel := self.files.pop(descriptor, None):
                channel.release()

    def pipe(self) -> tuple[int, int]:
        """pipe(2): the descriptor that reads and the one that writes."""
        reader, writer = pipe(self.run.changed.notify_all)
        return self.install(reader), self.install(writer)

    # What it uses

    def allocate(self, size: int) -> None:
        """Use so many bytes of memory more: malloc(3), and written to.

        Where the container's limit leaves no room for them, or the machine has none, the kernel ends the process that uses most
        (SIGKILL, and the container is told to have been `oom_killed`): mostly this one.
        """
        self.call(lambda: self.run.allocate(self, size))
        self.checkpoint()  # no further, should it be this one

    def free(self, size: int) -> None:
        """Use so many bytes less. Raises ValueError for more than were allocated."""
        if size > self.memory:
            raise ValueError(f"{size} bytes can't be freed: {self.memory} are allocated")
        if size:
            self.call(lambda: self.run.allocate(self, -size))

    def keep(self, more: int, size: int) -> int:
        """A command keeps `more` bytes, which makes `size` in one place; how many count, and are to be freed some day."""
        if size <= BUFFER:
            return 0
        self.allocate(more if size <= MOST else self.run.room)
        return more

    def sent(self, size: int) -> None:
        """So many bytes have gone out by the network. Nothing does here, so a program says what would have."""
        self.call(lambda: self.run.transfer(sent=size))

    def received(self, size: int) -> None:
        """So many bytes have come by the network."""
        self.call(lambda: self.run.transfer(received=size))

    # Processes

    def fork(
        self, program: Program, argv: list[str] | None = None, files: Mapping[int, int] | None = None, group: int | None = None
    ) -> "Process":
        """A child that runs `program`, with this process's descriptors: all, or `files` (the child's number to ours).

        group: the one that it joins instead of this process's; 0 is a new one that it leads.
        Raises OSError (EAGAIN) at the container's limit of processes.
        """
        chosen = {number: number for number in self.files} if files is None else files
        return self.block(lambda: self.run.fork(self, program, argv or self.argv, chosen, group))  # type: ignore[return-value]

    def wait(self, child: "Process", *, interruptible: bool = False, stops: bool = False) -> Ending:
        """waitpid(2). stops: one that is stopped is not waited for, and answers the signal that stopped it (WUNTRACED)."""

        def look() -> Ending | None:
            return child.ending or (Ending(signal=child.stopped) if stops and child.stopped else None)

        ending = self.block(look, interruptible=interruptible)
        if child.ending and child in self.children:
            self.children.remove(child)
        assert ending is not None
        return ending

    def execute(self, program: Program, argv: list[str], env: Mapping[str, str]) -> int:
        """execve(2): become another program; handlers go, what was ignored stays so."""
        with self.run.changed:
            self.argv, self.env, self.memory = argv, dict(env), 0
            self.handlers = {number: None for number, handler in self.handlers.items() if handler is None}
        return exit_code(program(self))

    def sleep(self, seconds: float) -> None:
        """Wait so long, by the container's clock. What is frozen sleeps on, and wakes when its time has come and it is thawed."""
        self.block(lambda: None, self.run.clock.monotonic() + seconds)

    def pause(self) -> None:
        """pause(2): until a signal was handled."""
        try:
            self.block(lambda: None, interruptible=True)
        except Interrupted:
            return

    def on_signal(self, number: int, handler: Handler | None) -> None:
        """sigaction(2): handle a signal, or (None) ignore it."""
        with self.run.changed:
            self.handlers[number] = handler

    def default_signal(self, number: int) -> None:
        """SIG_DFL."""
        with self.run.changed:
            self.handlers.pop(number, None)

    def kill(self, pid: int, number: int) -> None:
        """kill(2) from inside the container; 0 only asks. Raises ProcessLookupError.

        pid: 0 is this process's group, -1 everybody but init and oneself, -N the group of that number.
        """
        self.block(lambda: self.run.kill(self, pid, number))


STANDARD = {"/dev/stdin": 0, "/dev/stdout": 1, "/dev/stderr": 2}
