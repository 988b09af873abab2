"""Who ends a service before it listens gets what he gets later: exit status 0, no word, nothing left. On runc."""

import signal
import subprocess
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from patience import patience, until

pytestmark = pytest.mark.needs("root", "runc", "overlay")


def heeds_signals(pid: int) -> bool:
    """Whether SIGTERM is caught: the kernel shows the mask in hexadecimal, bit 0 for signal 1 (proc_pid_status(5))."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    mask = next(int(line.split()[1], 16) for line in lines if line.startswith("SigCgt"))
    return bool(mask >> (signal.SIGTERM - 1) & 1)


def moments(service: Any) -> Iterator[tuple[str, Callable[[int], bool]]]:
    """Moments of a start, in the order in which they come."""
    yield "signals are heeded", heeds_signals
    yield "its imports are under way", lambda pid: "_sqlite3." in opened(pid)
    yield "the state is open", lambda pid: f"{service.folder.resolve()}/root/podlink.db" in opened(pid)
    yield "the socket is there", lambda pid: (service.folder / "podlink.sock").exists()


def opened(pid: int) -> str:
    """The paths that the process has open or mapped."""
    paths = []
    for entry in Path(f"/proc/{pid}/fd").iterdir():
        try:
            paths.append(str(entry.readlink()))
        except OSError:
            continue
    return "\n".join(paths) + Path(f"/proc/{pid}/maps").read_text()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_before_it_listens_ends_the_service_as_cleanly_as_later(real_service: Any, number: int) -> None:
    service = real_service
    service.create("sleep", "1000", name="web", net_mode="none", stop_signal=9)
    service.call("StartContainer", name="web")
    service.end()
    for moment, has_come in moments(service):
        process = subprocess.Popen(
            service.command(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd="/", env=service.environment()
        )
        until(partial(has_come, process.pid), moment, pause=0.001)  # no longer than a moment lasts
        process.send_signal(number)
        said, complaints = process.communicate(timeout=patience())
        assert (process.returncode, complaints) == (0, ""), moment
        assert said in ("", f"listening on {service.address}\n") and not (service.folder / "podlink.sock").exists(), moment
    service.start()
    assert service.call("GetContainer", name="web")["container"]["status"] == "running"
