"""The ends of child processes as something that poll(2) can wait for: a pipe that SIGCHLD writes to."""

import os
import signal
from contextlib import suppress


class Children:
    """A process has one of these, made before its first child. `descriptor` is readable when a child may have ended."""

    def __init__(self) -> None:
        self.descriptor, self._bell = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        signal.signal(signal.SIGCHLD, lambda number, frame: None)  # a handler of any kind makes Python ring the bell
        signal.set_wakeup_fd(self._bell, warn_on_full_buffer=False)

    def answer(self) -> None:
        """Silence the bell. What is looked at after this is seen, whenever it rings again."""
        with suppress(BlockingIOError):
            while os.read(self.descriptor, 4096):
                pass

    def ended(self, pid: int) -> int | None:
        """The exit code of this child, 128+n for signal n; None while it lives. The others keep."""
        found, status = os.waitpid(pid, os.WNOHANG)
        return exit_code(status) if found else None

    def ended_of_all(self, pid: int) -> int | None:
        """The same, and every other child that has ended is laid to rest: a container's orphans fall to its monitor."""
        code = None
        with suppress(ChildProcessError):
            while (found := os.waitpid(-1, os.WNOHANG))[0]:
                if found[0] == pid:
                    code = exit_code(found[1])
        return code


def exit_code(status: int) -> int:
    """What a shell shows as $? for a wait status: wait(2)."""
    code = os.waitstatus_to_exitcode(status)
    return 128 - code if code < 0 else code
