"""One start: `runc run -d`, from its beginning until it has left and the container's init is our child."""

import json
import os
import re
import signal
import time
from contextlib import suppress
from pathlib import Path

from podlink.engine.linux import proc
from podlink.engine.linux.programs import SEARCH_PATH
from podlink.engine.runtime.monitor import records
from podlink.engine.runtime.monitor.children import Children
from podlink.engine.runtime.monitor.pump import Pump
from podlink.engine.runtime.monitor.stdio import Console, Stdin

PATIENCE = 60.0
"""Seconds for runc to start a container. It takes a hundredth of one."""
ENVIRONMENT = {"PATH": SEARCH_PATH}
RESET = set(signal.valid_signals()) - {signal.SIGKILL, signal.SIGSTOP}
"""An ignored signal stays ignored across exec(2), right into the container: give it all of them as they are by default."""
PREFIXES = re.compile(
    r"^(runc (run|create) failed: |unable to start container process: "
    r"|container_linux\.go:\d+: |starting container process caused: )+"
)


class StartFailed(Exception):
    """The container did not start; the text says why."""


def start(bundle: Path, orders: records.Orders, pump: Pump, children: Children, outputs: tuple[int, int]) -> records.Started:
    """Run runc until it has left. outputs: the writing ends of the container's pipes, closed here once runc has them."""
    console = Console(bundle) if orders.tty else None
    try:
        runc = _launch(orders.runc, console, _stdin(orders, pump), outputs)
        code = _await(runc, pump, children)
        if code == 0 and console:
            _take_terminal(console, orders, pump)
    finally:
        if console:
            console.close()
    if code != 0:
        raise StartFailed(reason(bundle / records.RUNC_LOG) or pump.held_text() or f"runc ended with status {code} and no word")
    init = int((bundle / records.PID_FILE).read_text())
    started = records.Started(
        number=orders.number,
        pid=init,
        start=proc.start_time(init),  # it is there: at most a zombie, that nobody but us may lay to rest
        boot=proc.boot_id(),
        monitor=os.getpid(),
        monitor_start=proc.start_time(os.getpid()),
    )
    records.write_started(bundle, started)
    return started


def reason(log: Path) -> str:
    """The last error in runc's log, without runc's account of where in itself it came up."""
    found = ""
    with suppress(FileNotFoundError):
        for line in log.read_text(errors="replace").splitlines():
            with suppress(ValueError):
                entry = json.loads(line)
                if isinstance(entry, dict) and entry.get("level") in ("error", "fatal"):
                    found = str(entry.get("msg", ""))
    return PREFIXES.sub("", found).strip()


def _stdin(orders: records.Orders, pump: Pump) -> int:
    """What runc, and so init, is to have as its stdin; ours of a pipe is the pump's. The answer is closed by who gets it."""
    if not orders.interactive or orders.tty:
        return os.open("/dev/null", os.O_RDONLY | os.O_CLOEXEC)
    theirs, ours = os.pipe2(os.O_CLOEXEC)
    pump.stdin = Stdin(ours)
    return theirs


def _take_terminal(console: Console, orders: records.Orders, pump: Pump) -> None:
    """It is read from as stdout; what is typed goes there where stdin was asked for, and its size may be changed in any case."""
    try:
        terminal = console.receive()
    except OSError as error:
        raise StartFailed(f"runc handed over no terminal: {(error.strerror or str(error)).lower()}") from error
    pump.add(terminal, "stdout")
    pump.stdin = Stdin(os.dup(terminal), is_terminal=True, is_open=orders.interactive)


def _launch(argv: list[str], console: Console | None, stdin: int, outputs: tuple[int, int]) -> int:
    if console:
        argv = [*argv[:-1], "--console-socket", console.path, argv[-1]]
    actions = [(os.POSIX_SPAWN_DUP2, stdin, 0), (os.POSIX_SPAWN_DUP2, outputs[0], 1), (os.POSIX_SPAWN_DUP2, outputs[1], 2)]
    try:
        return os.posix_spawn(argv[0], argv, ENVIRONMENT, file_actions=actions, setsigdef=RESET, setsigmask=())
    except OSError as error:
        raise StartFailed(f"{argv[0]}: {(error.strerror or str(error)).lower()}") from error
    finally:
        for descriptor in (stdin, *outputs):
            os.close(descriptor)


def _await(runc: int, pump: Pump, children: Children) -> int:
    """runc's exit code, the container's first words being moved meanwhile."""
    deadline = time.monotonic() + PATIENCE
    while (code := children.ended(runc)) is None:
        if (left := deadline - time.monotonic()) <= 0:
            os.kill(runc, signal.SIGKILL)
            os.waitpid(runc, 0)
            raise StartFailed(f"runc did not start the container within {PATIENCE:.0f} s")
        pump.wait(children.descriptor, seconds=left)
        children.answer()
    return code
