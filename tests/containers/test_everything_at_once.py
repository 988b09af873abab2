"""A container with almost everything that can be asked for at once: what it finds inside, and what Inspect tells of it in each
state, held against the kernel's own files. On runc."""

import os
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from podlink.engine.containers.request import ResourceRequest
from podlink.engine.linux import cgroups
from podlink.engine.linux.mounts import parse

pytestmark = pytest.mark.needs("root", "runc", "overlay", "nft")

MEBI = 2**20
INSIDE = {
    "user": ("id -u", "1000"),
    "group of the image's passwd": ("id -g", "1001"),
    "groups of the image, and more": ("id -G", "1001 10 4242 65534"),
    "work_dir, which the image lacks": ("pwd", "/work/deep"),
    "hostname": ("hostname", "everything"),
    "env": ('echo "$SAID $FROM_IMAGE"', "a word yes"),
    "no_new_privs": ("grep NoNewPrivs /proc/self/status | cut -f2", "1"),
    "cap_add, cap_drop": ("grep CapBnd /proc/self/status | cut -f2", "00000000800415fa"),
    "our own filter": ("grep Seccomp: /proc/self/status | cut -f2", "2"),
    "security_opts": ("wc -c < /proc/version", "0"),
    "sys_ctl": ("cat /proc/sys/kernel/msgmax", "4096"),
    "tmpfs": ("grep -o '^tmpfs /scratch tmpfs .*size=64k' /proc/mounts | cut -d' ' -f2", "/scratch"),
    "volumes: of the host": ("cat /data/file", "outside"),
    "volumes: read only": ("grep ' /data ' /proc/mounts | cut -d' ' -f4 | cut -d, -f1", "ro"),
    "volumes: a name": ("grep -c ' /named ' /proc/mounts", "1"),
    "volumes: anonymous": ("grep -c ' /anonymous ' /proc/mounts", "1"),
    "devices": ("test -c /dev/messages && echo there", "there"),
    "readonly_rootfs": ("grep ' / ' /proc/mounts | cut -d' ' -f4 | cut -d, -f1", "ro"),
    "shm_size": ("df -k /dev/shm | tail -1 | awk '{print $2}'", "8192"),
    "ulimit": ("ulimit -n", "100"),
    "oom_score_adj": ("cat /proc/self/oom_score_adj", "300"),
    "dns_servers": ("grep nameserver /etc/resolv.conf", "nameserver 192.0.2.1"),
    "dns_search": ("grep search /etc/resolv.conf", "search example.org"),
    "dns_opt": ("grep options /etc/resolv.conf", "options ndots:2"),
    "host_add": ("grep -w elsewhere /etc/hosts | cut -f1", "192.0.2.7"),
    "interactive": ("readlink /proc/$$/fd/0 | cut -d: -f1", "pipe"),
    "a network of its own": ("ls /sys/class/net | tr '\\n' ' '", "eth0 lo"),
}
"""A field, the command that looks for it inside, and what that writes."""
CONTROLS = {
    "memory.limit_in_bytes": str(64 * MEBI),
    "memory.soft_limit_in_bytes": str(32 * MEBI),
    "memory.memsw.limit_in_bytes": str(96 * MEBI),
    "memory.swappiness": "42",
    "cpu.cfs_quota_us": "50000",
    "cpu.cfs_period_us": "100000",
    "cpu.shares": "512",
    "cpuset.cpus": "0",
    "cpuset.mems": "0",
    "pids.max": "50",
}
CONTROLS_2 = {
    "memory.max": str(64 * MEBI),
    "memory.low": str(32 * MEBI),
    "memory.swap.max": str(32 * MEBI),
    "cpu.max": "50000 100000",
    "cpu.weight": "20",
    "cpuset.cpus": "0",
    "cpuset.mems": "0",
    "pids.max": "50",
}
SHOWN = {
    "NanoCpus": 5 * 10**8,
    "CpuQuota": 50_000,
    "CpuPeriod": 100_000,
    "CpuShares": 512,
    "CpuSetCpus": "0",
    "CpuSetMems": "0",
    "Memory": 64 * MEBI,
    "MemoryReservation": 32 * MEBI,
    "MemorySwap": 96 * MEBI,
    "PidsLimit": 50,
    "ShmSize": 8 * MEBI,
    "OomScoreAdj": 300,
    "GroupAdd": [65534, 4242],
    "CapAdd": ["NET_ADMIN"],
    "CapDrop": ["CHOWN"],
    "DNS": ["192.0.2.1"],
    "DNSSearch": ["example.org"],
    "DNSOptions": ["ndots:2"],
    "ExtraHosts": ["elsewhere:192.0.2.7"],
    "ReadonlyRootfs": True,
    "AutoRemove": False,
    "Privileged": False,
    "NetworkMode": "bridge",
    "IpcMode": "private",
    "PidMode": "private",
    "UTSMode": "private",
    "UsernsMode": "host",
    "Runtime": "runc",
    "LogConfig": {"Type": "k8s-file", "Config": {"max-size": str(MEBI), "max-file": "3"}},
    "PortBindings": {"80/tcp": [{"HostIp": "", "HostPort": "18080"}]},
}
"""What HostConfig says, in each state."""


@dataclass(frozen=True, slots=True)
class Asked:
    container: Any
    bench: Any
    pid_file: Path

    @property
    def cgroup(self) -> str:
        return f"/{self.bench.config.cgroup_parent}/deeper/{self.container.id}"

    def control(self, name: str) -> str:
        places = (place / name for place in cgroups.paths(self.cgroup).values())
        return next(place.read_text().strip() for place in places if place.exists())


@pytest.fixture
def everything(real: Any, tmp_path: Path) -> Iterator[Asked]:
    (tmp_path / "data").mkdir()
    (tmp_path / "data/file").write_text("outside\n")
    words = "; ".join(f"echo {number}=$({command})" for number, (command, _) in enumerate(INSIDE.values()))
    container = real.create(
        "-c",
        f"trap 'exit 9' USR1; {words}; echo ready; while :; do sleep 0.1; done",
        name="all",
        entrypoint=["/bin/sh"],
        hostname="everything",
        env={"SAID": "a word"},
        user="ada",
        group_add=["nogroup", "4242"],
        work_dir="/work/deep",
        labels={"kept": "as it was"},
        detach=True,
        quiet=True,
        interactive=True,
        stop_signal=10,
        stop_timeout=300,
        cap_add=["NET_ADMIN"],
        cap_drop=["CHOWN"],
        no_new_privs=True,
        security_opts=["mask=/proc/version"],
        sys_ctl={"kernel.msgmax": "4096"},
        tmpfs=["/scratch:size=64k"],
        volumes=[f"{tmp_path}/data:/data:ro", "named:/named", "/anonymous"],
        devices=["/dev/kmsg:/dev/messages:r"],
        readonly_rootfs=True,
        cgroup_parent=f"{real.config.cgroup_parent}/deeper",
        conmon_pidfile=str(tmp_path / "monitor.pid"),
        dns_servers=["192.0.2.1"],
        dns_search=["example.org"],
        dns_opt=["ndots:2"],
        host_add=["elsewhere:192.0.2.7"],
        publish=["18080:80"],
        log_driver="k8s-file",
        log_driver_opt=["max-size=1m", "max-file=3"],
        resources=ResourceRequest(
            memory=64 * MEBI,
            memory_reservation=32 * MEBI,
            memory_swap=96 * MEBI,
            memory_swappiness=42 if cgroups.version() == 1 else 0,
            cpus=0.5,
            cpu_shares=512,
            cpuset_cpus="0",
            cpuset_mems="0",
            pids_limit=50,
            shm_size=8 * MEBI,
            oom_score_adj=300,
            ulimit=["nofile=100:200"],
        ),
    )
    yield Asked(container, real, tmp_path / "monitor.pid")
    container.remove(force=True)
    cgroups.remove(f"/{real.config.cgroup_parent}/deeper")


def awaited(container: Any) -> list[str]:
    """Its lines, up to `ready`."""
    lines: list[str] = []
    for batch in container.follow():
        lines += "".join(batch).splitlines()
        if "ready" in lines:
            break
    return lines


def test_a_container_with_almost_everything_at_once(everything: Asked) -> None:
    container = everything.container
    container.start()
    told = dict(line.partition("=")[::2] for line in awaited(container) if "=" in line)
    seen = {field: told[str(number)].strip() for number, field in enumerate(INSIDE)}
    assert seen == {field: wanted for field, (_, wanted) in INSIDE.items()}
    controls = CONTROLS if cgroups.version() == 1 else CONTROLS_2
    assert {name: everything.control(name) for name in controls} == controls
    monitor = int(everything.pid_file.read_text())
    assert str(everything.bench.config.runroot) in os.fsdecode(Path(f"/proc/{monitor}/fd/2").readlink())
    container.stop()
    assert container.wait() == 9


def test_what_inspect_tells_is_so_in_each_state(everything: Asked) -> None:
    container = everything.container
    documents = {"configured": container.inspect()}
    for state, act in STEPS.items():
        act(container)
        documents[state] = container.inspect()
        if state != "exited":
            is_so(everything, documents[state])
    for state, document in documents.items():
        assert document["State"]["Status"] == state
        is_as_always(container, document)
        is_at_rest(document) if state in ("configured", "exited") else None
    assert documents["exited"]["State"]["ExitCode"] == 9 and documents["exited"]["State"]["FinishedAt"] > "2000"
    assert documents["configured"]["State"]["StartedAt"] == documents["created"]["State"]["StartedAt"] == "0001-01-01T00:00:00Z"
    places = [{each["destination"] for each in document["Mounts"]} for document in documents.values()]
    assert all(each == places[0] for each in places)


STEPS: dict[str, Callable[[Any], object]] = {
    "created": lambda container: container.attach().close(),
    "running": lambda container: (container.start(), awaited(container)),
    "paused": lambda container: container.pause(),
    "exited": lambda container: (container.unpause(), container.stop(), container.wait()),
}


def is_as_always(container: Any, document: dict[str, Any]) -> None:
    """What no state changes."""
    shown, config = document["HostConfig"], document["Config"]
    assert {key: shown[key] for key in SHOWN} == SHOWN
    assert "nofile=100:200" in shown["Ulimits"] and shown["CgroupParent"].endswith("/deeper")
    assert shown["Devices"][0]["path"] == "/dev/messages"
    assert config["User"] == {"uid": 1000, "gid": 1001, "additionalGids": [10, 4242, 65534]}
    assert config["Hostname"] == "everything" and config["WorkingDir"] == "/work/deep" and config["StopSignal"] == 10
    assert config["Labels"] == {"kept": "as it was"} and "SAID=a word" in config["Env"]
    assert config["Annotations"] == {"io.projectatomic.podman.detach": "true", "io.projectatomic.podman.quiet": "true"}
    assert config["OpenStdin"] is True and config["Tty"] is False and config["Entrypoint"] == "/bin/sh"
    assert document["Path"] == "/bin/sh" and document["Args"] == config["Cmd"] and document["Name"] == "all"
    assert (
        document["ID"] == container.id and document["Driver"] == "overlay" and document["SizeRootFs"] >= document["SizeRw"] >= 0
    )
    assert document["NetworkSettings"]["Ports"][0]["hostPort"] == 18080


def is_at_rest(document: dict[str, Any]) -> None:
    state, network = document["State"], document["NetworkSettings"]
    assert (state["Pid"], state["Running"], state["Paused"]) == (0, False, False)
    assert (network["SandboxKey"], network["IPAddress"], network["MacAddress"]) == ("", [], "")


def is_so(asked: Asked, document: dict[str, Any]) -> None:
    """What is told of one that lives, against /proc, /sys and its cgroup."""
    state, pid = document["State"], document["State"]["Pid"]
    assert asked.cgroup in Path(f"/proc/{pid}/cgroup").read_text()
    frozen = state["Status"] == "paused"
    assert (state["Running"], state["Paused"]) == (state["Status"] == "running", frozen) and cgroups.frozen(
        asked.cgroup
    ) is frozen
    mounts_are_so(pid, document)
    network = document["NetworkSettings"]
    assert network["SandboxKey"] == f"/proc/{pid}/ns/net"
    addresses = re.findall(r"(\S+)\n\s+/32 host LOCAL", Path(f"/proc/{pid}/net/fib_trie").read_text())
    assert network["IPAddress"][0] in addresses
    assert Path(f"/proc/{pid}/root/sys/class/net/eth0/address").read_text().strip() == network["MacAddress"]
    if state["Status"] == "created":
        return  # what waits is still the runtime's own program
    status = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    user = document["Config"]["User"]
    assert (int(status["Uid"].split()[1]), int(status["Gid"].split()[1])) == (user["uid"], user["gid"])
    assert sorted(map(int, status["Groups"].split())) == user["additionalGids"]
    assert set(document["Config"]["Env"]) <= set(Path(f"/proc/{pid}/environ").read_text().split("\0"))
    assert Path(f"/proc/{pid}/cmdline").read_text().rstrip("\0").split("\0") == document["Args"]
    assert str(Path(f"/proc/{pid}/cwd").readlink()) == document["Config"]["WorkingDir"]
    assert Path(document["LogPath"]).read_text().endswith("ready\n")


def mounts_are_so(pid: int, document: dict[str, Any]) -> None:
    """Each that is told is there, of its kind or of its source's file; and of what is there, none is left out but parts of
    others."""
    there = {str(each.place): each for each in parse(Path(f"/proc/{pid}/mountinfo").read_bytes())}
    told = {each["destination"]: each for each in document["Mounts"]}
    for place, mount in told.items():
        if mount["type"] == "bind":
            inside, outside = Path(f"/proc/{pid}/root{place}").stat(), Path(mount["source"]).stat()
            assert (inside.st_dev, inside.st_ino) == (outside.st_dev, outside.st_ino), place
        elif place != "/sys/fs/cgroup":
            assert there[place].fstype == mount["type"], place
    ours = {place for place in there if not re.match(r"/$|/proc/|/sys/|/dev/(console|messages)$", place)}
    assert ours == {place for place in told if not place.startswith("/sys/")}
    for key, place in (("HostsPath", "/etc/hosts"), ("HostnamePath", "/etc/hostname"), ("ResolvConfPath", "/etc/resolv.conf")):
        assert document[key] == told[place]["source"]
