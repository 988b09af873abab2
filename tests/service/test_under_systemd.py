"""A host that systemd has in charge: it starts and stops the service, and has the root of all cgroups for its own.

`tests/guest` has such a host.
"""

import subprocess
from pathlib import Path
from typing import Any

import pytest
from patience import until

from podlink.engine.linux import cgroups

pytestmark = pytest.mark.needs("root", "runc", "overlay", "systemd")

LIMITS = {"memory": 50_000_000, "cpu_quota": 20_000, "cpu_period": 50_000, "pids_limit": 77}
CONTROLS = ("memory.max", "cpu.max", "pids.max", "memory.limit_in_bytes", "cpu.cfs_quota_us")


def systemctl(*words: str) -> None:
    subprocess.run(["systemctl", *words], check=True, capture_output=True)


def limits(service: Any, container: str) -> dict[str, str]:
    places = cgroups.paths(f"/{service.parent}/{container}").values()
    found = (place / name for place in places for name in CONTROLS)
    return {path.name: path.read_text() for path in found if path.exists()}


def test_a_unit_that_stops_takes_no_container_along(real_service: Any) -> None:
    """Though systemd kills all that is left in the unit's cgroup: systemd.kill(5)."""
    service, unit = real_service, f"{real_service.parent}.service"
    assert service.end() == 0
    variables = [f"--setenv={name}={service.environment()[name]}" for name in ("PATH", "PYTHONPATH")]
    subprocess.run(
        ["systemd-run", "--collect", f"--unit={unit}", *variables, *service.command()], check=True, capture_output=True
    )
    until(lambda: Path(service.address.removeprefix("unix:")).exists())
    container = service.create("sleep", "1000", name="web", stop_signal=9)
    service.call("StartContainer", name="web")
    pid = int(service.call("GetContainer", name="web")["container"]["namespaces"]["pid"])
    systemctl("stop", unit)
    assert unit not in Path(f"/proc/{pid}/cgroup").read_text() and container in Path(f"/proc/{pid}/cgroup").read_text()
    service.start()
    assert service.call("GetContainer", name="web")["container"]["status"] == "running"
    service.call("StopContainer", name="web", timeout=0)
    assert service.call("WaitContainer", name="web") == {"exitcode": 137}


def test_limits_stay_whatever_systemd_does_with_its_own(real_service: Any) -> None:
    service = real_service
    container = service.create("sleep", "1000", stop_signal=9, resources=LIMITS)
    service.call("StartContainer", name=container)
    before = limits(service, container)
    assert "77\n" in before.values() and len(before) >= 3
    limited = ("-p", "MemoryMax=100M", "-p", "CPUQuota=50%", "-p", "TasksMax=50", "-p", "IOWeight=50")
    subprocess.run(["systemd-run", "--collect", "--wait", *limited, "true"], check=True, capture_output=True)
    systemctl("daemon-reload")
    systemctl("daemon-reexec")
    assert limits(service, container) == before
    told = service.call("GetContainerStats", name=container)["container"]["mem_limit"]
    assert told == int(before.get("memory.max") or before["memory.limit_in_bytes"])
