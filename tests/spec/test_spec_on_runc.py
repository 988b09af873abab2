"""The document on a real kernel: runc runs it, and a shell looks around inside."""

from pathlib import Path

import pytest
from jail import Jail

from podlink.engine.linux import cgroups
from podlink.engine.linux.capabilities import NAMES, named
from podlink.engine.oci.spec.capabilities import DEFAULT
from podlink.engine.oci.spec.values import HostFacts, Resources, User

pytestmark = pytest.mark.needs("root", "runc")

ALL_SETS = ("CapBnd", "CapEff", "CapPrm", "CapInh", "CapAmb")


def status(text: str) -> dict[str, str]:
    """The fields of a /proc/self/status."""
    return {name: value.strip() for name, _, value in (line.partition(":") for line in text.splitlines())}


def held(text: str) -> dict[str, frozenset[str]]:
    """The five sets of a /proc/self/status, by name."""
    return {name: named(int(status(text)[name], 16)) for name in ALL_SETS}


def test_a_default_container_holds_the_default_capabilities_behind_a_filter(busybox: Jail) -> None:
    text = busybox.run("cat /proc/self/status")
    found = held(text)
    assert found["CapBnd"] == found["CapEff"] == found["CapPrm"] == DEFAULT
    assert found["CapInh"] == found["CapAmb"] == frozenset()
    assert status(text)["Seccomp"] == "2"


def test_a_user_holds_only_what_was_added_and_keeps_it_over_exec(busybox: Jail) -> None:
    user = User(uid=1000, gid=1001, additional_gids=(4, 20))
    found = held(busybox.run("cat /proc/self/status", user=user, cap_add=("net_raw",)))
    assert found["CapEff"] == found["CapPrm"] == found["CapAmb"] == {"CAP_NET_RAW"}
    assert found["CapBnd"] == DEFAULT | {"CAP_NET_RAW"}
    assert held(busybox.run("cat /proc/self/status", user=user))["CapEff"] == frozenset()


def test_init_runs_as_the_user_with_its_groups_and_a_umask(busybox: Jail) -> None:
    user = User(uid=1000, gid=1001, additional_gids=(4, 20))
    assert busybox.run("id -u; id -g; id -G; umask", user=user).splitlines() == ["1000", "1001", "1001 4 20", "0022"]


def test_a_dropped_capability_is_gone(busybox: Jail) -> None:
    assert held(busybox.run("cat /proc/self/status", cap_drop=("ALL",)))["CapBnd"] == frozenset()


def test_what_the_kernel_tells_of_the_host_reads_empty(busybox: Jail) -> None:
    assert (
        busybox.run("cat /proc/kcore /proc/keys /proc/interrupts /proc/timer_list; ls /sys/firmware /proc/acpi | grep -v :") == ""
    )


@pytest.mark.parametrize("path", ["/proc/sys/kernel/hostname", "/proc/irq/default_smp_affinity"])
def test_kernel_settings_cannot_be_written(busybox: Jail, path: str) -> None:
    assert "Read-only file system" in busybox.run(f"(echo 1 > {path}) 2>&1 || true")


def test_sys_and_the_cgroup_are_read_only(busybox: Jail) -> None:
    mounted = busybox.run("cat /proc/mounts")
    options = {line.split()[1]: line.split()[3].split(",") for line in mounted.splitlines()}
    assert "ro" in options["/sys"]
    assert all("ro" in each for place, each in options.items() if place.startswith("/sys/fs/cgroup"))
    assert "noexec" in options["/dev/shm"]


def test_namespaces_are_its_own(busybox: Jail) -> None:
    kinds = ("pid", "ipc", "uts", "mnt", "net")
    inside = busybox.run("; ".join(f"readlink /proc/self/ns/{kind}" for kind in kinds)).splitlines()
    assert len(inside) == len(kinds)
    assert set(inside).isdisjoint(str(Path("/proc/self/ns", kind).readlink()) for kind in kinds)
    assert busybox.run("echo $$") == "1"


def test_a_private_network_has_loopback_alone_and_it_is_up(busybox: Jail) -> None:
    assert [line.split()[1] for line in busybox.run("ip -o link; true").splitlines()] == ["lo:"]
    assert "UP" in busybox.run("ip link show lo")


def test_the_host_network_is_shared(busybox: Jail) -> None:
    assert busybox.run("readlink /proc/self/ns/net", network="host") == str(Path("/proc/self/ns/net").readlink())


def test_the_host_name_is_the_one_asked_for_or_the_short_id(busybox: Jail) -> None:
    assert busybox.run("hostname", hostname="web") == "web"
    assert busybox.run("hostname") == busybox.parent.strip("/")[:12]


def test_a_missing_working_directory_is_made(busybox: Jail) -> None:
    assert busybox.run("pwd", cwd="/data/application") == "/data/application"


def test_a_read_only_root_cannot_be_written_but_shared_memory_can(busybox: Jail) -> None:
    assert "Read-only file system" in busybox.run("touch /x 2>&1; touch /dev/shm/x", readonly_rootfs=True)


@pytest.mark.skipif(cgroups.version() == 2, reason="reads the files of version 1")
def test_limits_are_in_the_cgroup(busybox: Jail) -> None:
    limits = Resources(memory=64 * 2**20, cpu_shares=512, cpu_quota=50_000, cpu_period=100_000, pids_limit=64)
    files = ("memory/memory.limit_in_bytes", "cpu/cpu.shares", "cpu/cpu.cfs_quota_us", "cpu/cpu.cfs_period_us", "pids/pids.max")
    script = "; ".join(f"cat /sys/fs/cgroup/{name}" for name in files)
    assert busybox.run(script, resources=limits).split() == ["67108864", "512", "50000", "100000", "64"]


def test_the_least_memory_that_is_taken_is_enough_to_start(busybox: Jail) -> None:
    assert busybox.run("echo started", resources=Resources(memory=4 * 2**20)) == "started"


def test_pids_are_limited(busybox: Jail) -> None:
    done = busybox.attempt(["sh", "-c", "for i in 1 2 3 4 5; do sleep 99 & done"], resources=Resources(pids_limit=4))
    assert "can't fork" in done.stderr


@pytest.mark.parametrize("command", ["unshare -n true", "unshare -U true", "mount -t tmpfs none /bin", "dmesg", "hostname other"])
def test_what_takes_a_capability_is_refused(busybox: Jail, command: str) -> None:
    done = busybox.attempt(["sh", "-c", command])
    assert done.returncode != 0
    assert "ermitted" in done.stderr or "ermission" in done.stderr


def test_the_capability_opens_the_filter(busybox: Jail) -> None:
    assert busybox.run("unshare -n true && unshare -U true && echo done", cap_add=("SYS_ADMIN",)) == "done"


def test_devices_of_the_host_cannot_be_opened_even_with_a_node(busybox: Jail) -> None:
    script = "mknod /loop b 7 0 && cat /loop; mknod /null c 1 3 && echo x > /null && echo fine"
    done = busybox.attempt(["sh", "-c", script], cap_add=("MKNOD",))
    assert "Operation not permitted" in done.stderr
    assert done.stdout == "fine\n"


def test_no_descriptor_beyond_the_standard_ones_is_open(busybox: Jail) -> None:
    assert busybox.run("exec ls /proc/self/fd").split()[:-1] == ["0", "1", "2"]


def test_a_privileged_container_is_neither_filtered_nor_masked(busybox: Jail, this_host: HostFacts) -> None:
    text = busybox.run("cat /proc/self/status", privileged=True)
    assert held(text)["CapEff"] == this_host.capabilities & set(NAMES)
    assert status(text)["Seccomp"] == "0"
    mounted = busybox.run("mount -t tmpfs none /mnt && cat /proc/mounts", privileged=True, cwd="/mnt")
    places = [line.split()[1] for line in mounted.splitlines()]
    assert "/mnt" in places
    assert [place for place in places if place.startswith(("/proc/", "/sys/firmware"))] == []


def test_a_privileged_container_has_the_devices_of_the_host(busybox: Jail, this_host: HostFacts) -> None:
    listed = busybox.run("find /dev -type b -o -type c", privileged=True).split()
    assert {device.path for device in this_host.devices} - {"/dev/ptmx"} <= set(listed)  # ptmx: a link to its own devpts
