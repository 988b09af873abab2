"""One start: `runc run -d`, from its beginning until it has left and the container's init is our child."""

import json
import os
import re
import signal
import time
from contextlib import suppress
from pathlib import Path

from podlink.engine.linux import proc
from podlink.engine.runtime.monitor import records
from podlink.engine.runtime.monitor.children import Children
from podlink.engine.runtime.monitor.pump import Pump

PATIENCE = 60.0
"""Seconds for runc to start a container. It takes a hundredth of one."""
SEARCH_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
ENVIRONMENT = {"PATH": SEARCH_PATH}
RESET = set(signal.valid_signals()) - {signal.SIGKILL, signal.SIGSTOP}
"""An ignored signal stays ignored across exec(2), right into the container: give it all of them as they are by default."""
PREFIXES = re.compile(
    r"^(runc run failed: |unable to start container process: |container_linux\.go:\d+: |starting container process caused: )+"
)


class StartFailed(Exception):
    """The container did not start; the text says why."""


def start(bundle: Path, orders: records.Orders, pump: Pump, children: Children, outputs: tuple[int, int]) -> records.Started:
    """Run runc until it has left. outputs: the writing ends of the container's pipes, closed here once runc has them."""
    runc = _launch(orders.runc, outputs)
    code = _await(runc, pump, children)
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


def _launch(argv: list[str], outputs: tuple[int, int]) -> int:
    actions = [
        (os.POSIX_SPAWN_OPEN, 0, "/dev/null", os.O_RDONLY, 0),
        (os.POSIX_SPAWN_DUP2, outputs[0], 1),
        (os.POSIX_SPAWN_DUP2, outputs[1], 2),
    ]
    try:
        return os.posix_spawn(argv[0], argv, ENVIRONMENT, file_actions=actions, setsigdef=RESET, setsigmask=())
    except OSError as error:
        raise StartFailed(f"{argv[0]}: {(error.strerror or str(error)).lower()}") from error
    finally:
        for output in outputs:
            os.close(output)


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
